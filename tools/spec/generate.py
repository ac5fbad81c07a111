"""Writes packages/pika-core/src/pika/spec.py from amqp.toml and spec.py.in beside this file.

    python tools/spec/generate.py           writes it
    python tools/spec/generate.py --check   only prints a diff and exits with 1 if it is not current

spec.py.in holds what is the same for every method. A comment `# @NAME` in it is replaced, at its
level, by the lines that `_parts` below has for NAME. Needs yapf, and tomli before Python 3.11.
"""

from __future__ import annotations

import difflib
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from struct import calcsize
from typing import Any, NamedTuple

from yapf.yapflib.yapf_api import FormatCode

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / 'packages/pika-core/src/pika/spec.py'
UTF8 = "'utf-8', 'surrogateescape'"

Field = dict[str, Any]
# type: (what a program receives, what a constructor takes, letter of struct or of the length)
TYPES = {
    'bit': ('bool', 'bool', ''),
    'octet': ('int', 'int', 'B'),
    'short': ('int', 'int', 'H'),
    'long': ('int', 'int', 'I'),
    'longlong': ('int', 'int', 'Q'),
    'shortstr': ('str', 'str', 'B'),
    'longstr': ('bytes', 'bytes | str', 'I'),
    'table': ('Table', 'Mapping[str, FieldValue] | None', ''),
}
STRINGS = ('shortstr', 'longstr')

# How a property of each type is written and read; {0} is its name.
WRITE = {
    'shortstr': f'text = self.{{0}}.encode({UTF8})\npieces += (_OCTETS[len(text)], text)',
    'table': "data.encode_table(pieces, self.{0}, parameter='{0}')",
    'octet': 'pieces.append(_B.pack(self.{0}))',
    'longlong': 'pieces.append(_Q.pack(self.{0}))',
}
READ_SHORTSTR = f"""start = offset + 1
offset = start + encoded[offset]
if offset > end:
    raise IndexError
properties['{{0}}'] = encoded[start:offset].decode({UTF8})"""
READ = {
    'shortstr': READ_SHORTSTR,
    'table': "properties['{0}'], offset = data.decode_headers(encoded, offset)",
    'octet': "properties['{0}'] = encoded[offset]\noffset += 1",
    'longlong': "(properties['{0}'],) = _Q.unpack_from(encoded, offset)\noffset += 8",
}


class _Run(NamedTuple):
    """Neighbours of fixed size, which one struct reads and writes, and what follows them."""

    fixed: list[tuple[str, str, str]]  # letter for struct, expression to write, variable to read
    tail: Field | None  # a string, whose length is the last of the fixed ones, or a table

    @property
    def letters(self) -> str:
        return ''.join(letter for letter, *_ in self.fixed)


def _runs(fields: list[Field]) -> Iterator[_Run]:
    """Cut the fields into runs. Neighbouring bits share an octet (4.2.5.2)."""
    fixed = []
    for are_bits, group in groupby(fields, lambda field: field['type'] == 'bit'):
        if are_bits:
            bits = [f'{1 << n} if self.{field["name"]} else 0' for n, field in enumerate(group)]
            fixed.append(('B', f'({") | (".join(bits)})' if bits[1:] else bits[0], 'bits'))
            continue
        for field in group:
            name, kind, letter = field['name'], field['type'], TYPES[field['type']][2]
            if kind in STRINGS:
                fixed.append((letter, f'len({name})', 'size'))
            elif kind != 'table':
                fixed.append((letter, f'self.{name}', name))
                continue
            yield _Run(fixed, field)
            fixed = []
    if fixed:
        yield _Run(fixed, None)


def _names(fields: list[Field]) -> tuple[tuple[str, str], ...]:
    return tuple((field['name'], field['type']) for field in fields)


def _init(fields: list[Field]) -> Iterator[str]:
    parameters = ['self']
    lines = []
    for field in fields:
        name, (received, taken, _) = field['name'], TYPES[field['type']]
        has_default = 'default' in field or 'flag' in field or field['type'] == 'table'
        default = repr(field.get('default')) if has_default else 'UNSET'
        if 'flag' in field:  # a property
            received += ' | None'
            taken = taken.partition(' | ')[0] + ' | None'
        if name == 'delivery_mode':
            taken = 'int | DeliveryMode | None'
            lines += [f'if isinstance({name}, DeliveryMode):', f'    {name} = {name}.value']
        parameters.append(f'{name}: {taken}{"" if field.get("required") else " = " + default}')
        ignore = '  # type: ignore[assignment]' if field['type'] in ('longstr', 'table') else ''
        lines.append(f'self.{name}: {received} = {name}{ignore}')
    yield f'def __init__({", ".join(parameters)}) -> None:'
    yield from _indent(lines, 1)


def _encode(fields: list[Field]) -> Iterator[str]:
    yield 'def encode(self) -> list[bytes]:'
    yield '    try:'
    for field in fields:
        name, kind = field['name'], field['type']
        if kind == 'shortstr':
            yield f'        {name} = self.{name}.encode({UTF8})'
        elif kind == 'longstr':
            yield f'        {name} = _long_string(self.{name})'
        elif kind == 'bit' and 'default' not in field:
            yield f'        if self.{name} is None:'
            yield '            raise AttributeError'
    pieces: list[str] = []
    assign = ': list[bytes] ='
    for run in _runs(fields):
        if run.fixed:
            values = ', '.join(expression for _, expression, _ in run.fixed)
            pieces.append(f'_{run.letters}.pack({values})')
        if run.tail and run.tail['type'] in STRINGS:
            pieces.append(run.tail['name'])
        elif run.tail:
            name = run.tail['name']
            yield f'        pieces{assign} [{", ".join(pieces)}]'
            yield f'        data.encode_table(pieces, self.{name}, parameter={name!r})'
            pieces, assign = [], ' +='
    done = ['pieces'] if assign == ' +=' else []
    done += [f'[{", ".join(pieces)}]'] if pieces else []
    yield f'        return {" + ".join(done)}'
    yield '    except _REFUSED as error:'
    yield '        return _encode_again(self, error)'


def _from_bytes(fields: list[Field]) -> Iterator[str]:
    yield '@classmethod'
    yield 'def from_bytes(cls, encoded: bytes, offset: int = 0, end: int = -1) -> Self:'
    yield '    try:'
    for run in _runs(fields):
        names = [name for *_, name in run.fixed]
        fixed = calcsize('>' + run.letters)
        size = 'size'
        if run.letters == 'B':
            size = 'encoded[offset]'
            if names != ['size']:
                yield f'        {names[0]} = encoded[offset]'
        elif names:
            targets = ', '.join(names) if names[1:] else f'({names[0]},)'
            yield f'        {targets} = _{run.letters}.unpack_from(encoded, offset)'
        if run.tail and run.tail['type'] in STRINGS:
            yield f'        start = offset + {fixed}'
            yield f'        offset = start + {size}'
            decode = f'.decode({UTF8})' if run.tail['type'] == 'shortstr' else ''
            yield f'        {run.tail["name"]} = encoded[start:offset]{decode}'
            continue
        if names:
            yield f'        offset += {fixed}'
        if run.tail:
            yield f'        {run.tail["name"]}, offset = _read_table(encoded, offset, end)'
    yield '    except (IndexError, struct.error):'
    yield '        raise _malformed() from None'
    yield '    if offset != end:'
    yield '        _check_end(encoded, offset, end)'
    bits = [name for name, kind in _names(fields) if kind == 'bit']
    arguments = (f'bits & {1 << bits.index(name)} != 0' if name in bits else name
                 for name, _ in _names(fields))
    yield f'    return cls({", ".join(arguments)})'


def _indent(lines: Iterable[str], levels: int) -> Iterator[str]:
    return (' ' * (4 * levels) + line if line else '' for line in lines)


def _docstring(text: str) -> list[str]:
    """One level deep: the first sentence, and below it the others."""
    summary, _, rest = text.partition('. ')
    if not rest:
        return [f'    """{text}"""']
    lines = textwrap.wrap(rest, 92)  # within another class that makes 100
    return list(_indent([f'"""{summary}.', '', *lines, '"""'], 1))


def _method(group: dict[str, Any], method: dict[str, Any]) -> Iterator[str]:
    fields = method.get('fields', [])
    extension = " RabbitMQ's extension." if method.get('rabbitmq') else ''
    yield f'class {method["name"]}({"amqp_object.Method" if fields else "_NoArguments"}):'
    yield from _docstring(method['doc'] + extension)
    yield ''
    yield f'    INDEX = 0x{group["index"]:04X}{method["index"]:04X}'
    yield f"    NAME = '{group['name']}.{method['name']}'"
    yield f'    sender = {method["sender"]!r}'
    if method.get('answers'):
        yield '    synchronous = True'
    if fields:
        yield f'    _fields = {_names(fields)}'
        for part in (_init, _encode, _from_bytes):
            yield ''
            yield from _indent(part(fields), 1)


def _classes(groups: list[dict[str, Any]]) -> Iterator[str]:
    for group in groups:
        yield f'class {group["name"]}(amqp_object.Class):'
        yield from _docstring(group['doc'])
        yield ''
        yield f'    INDEX = 0x{group["index"]:04X}'
        yield f'    NAME = {group["name"]!r}'
        for method in group['method']:
            yield ''
            yield from _indent(_method(group, method), 1)
        yield ''
        yield ''


def _properties(properties: list[Field], head: str, body: dict[str, str]) -> Iterator[str]:
    for field in properties:
        yield from head.format(field['name'], field['flag']).splitlines()
        yield from _indent(body[field['type']].format(field['name']).splitlines(), 1)


def _parts(spec: dict[str, Any]) -> dict[str, Iterable[str]]:
    properties = spec['property']
    for number, field in enumerate(properties):
        field['flag'] = 1 << (15 - number)
    methods = {
        f'{group["name"]}.{method["name"]}': method for group in spec['class']
        for method in group['method']
    }
    fields = [method.get('fields', []) for method in methods.values()]
    structs = {'B', 'H', 'Q', *(run.letters for these in fields for run in _runs(these))} - {''}
    return {
        'constants': (f'{name} = {tuple(value) if isinstance(value, list) else value}'
                      for name, value in spec['constants'].items()),
        'structs': (f"_{item} = struct.Struct('>{item}')" for item in sorted(structs)),
        'classes':
            _classes(spec['class']),
        'flags': (f'FLAG_{field["name"].upper()} = {field["flag"]:#x}' for field in properties),
        'properties fields': [f'_fields = {_names(properties)}'],
        'properties init':
            _init(properties),
        'properties encode':
            _properties(properties, 'if self.{0} is not None:\n    flags |= {1:#x}', WRITE),
        'properties decode':
            _properties(properties, 'if flags & {1:#x}:', READ),
        'answers':
            (f'{group["name"]}.{method["name"]}.answers = ' +
             f'({"".join(group["name"] + "." + answer + "," for answer in method["answers"])})'
             for group in spec['class']
             for method in group['method']
             if 'answers' in method),
        'methods': (f'{name}.INDEX: {name},' for name in methods),
        'content': (f'{name}.INDEX,' for name, method in methods.items() if method.get('content')),
    }


def generate() -> str:
    """Return the text that spec.py should have."""
    parts = _parts(tomllib.loads((HERE / 'amqp.toml').read_text('utf-8')))
    text = (HERE / 'spec.py.in').read_text('utf-8')
    for level, name in re.findall(r'^( *)# @(.+)$', text, flags=re.M):
        lines = '\n'.join(_indent(parts[name], len(level) // 4))
        text = text.replace(f'{level}# @{name}\n', f'{lines}\n')
    return str(FormatCode(text, style_config='{based_on_style: google, column_limit: 100}')[0])


def main() -> int:
    """Return the exit status."""
    wanted = generate()
    if '--check' not in sys.argv[1:]:
        TARGET.write_text(wanted, 'utf-8')
        return 0
    found = TARGET.read_text('utf-8')
    diff = difflib.unified_diff(found.splitlines(True), wanted.splitlines(True), 'found', 'wanted')
    sys.stdout.writelines(diff)
    return int(found != wanted)


if __name__ == '__main__':
    sys.exit(main())
