"""The names and signatures of pika 1.4, and which of them are here.

    python surface.py record             print those of the pika that is installed: of 1.4.4, in an
                                         environment with tornado, twisted and gevent
    python surface.py compare FILE GAPS  compare what is installed with a recording

Rule: what a program of pika 1.x can name is a module, a public name in it, or an attribute of a
class in it, inherited ones included. A name counts once, where it is defined; here it may be
defined anywhere. What is missing or takes other arguments is a failure unless GAPS has a reason:
lines of a pattern of names and, behind ' -- ', why. A gap that is none any more is a failure, too.
"""
from __future__ import annotations

import enum
import fnmatch
import importlib
import inspect
import json
import pathlib
import pkgutil
import re
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional

    # Names of parameters with their kind, and whether they have a default.
    Signature = Optional[list[tuple[str, str, bool]]]

INTERNAL = ('LOGGER', 'LOG', 'TYPE_CHECKING')


def signature_of(value: Any) -> Signature:
    """The parameters of a callable; None of what has none, or does not say."""
    if not callable(value) or isinstance(value, enum.EnumMeta):  # Python's own: by its version
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(parameter.name, parameter.kind.name, parameter.default is not parameter.empty)
            for parameter in parameters
            if parameter.name not in ('self', 'cls')]


def names_of_class(path: str, cls: type) -> Iterator[tuple[str, Signature]]:
    """A class and its public attributes, also those of its bases that are pika's."""
    yield path, signature_of(cls)
    attributes: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split('.')[0] in ('pika', 'pika_blocking'):
            attributes.update(vars(base))
    for name in sorted(attributes):
        if not name.startswith('_') and type(attributes[name]) is not TypeVar:
            value = getattr(cls, name)
            if isinstance(value, type) and value.__qualname__.startswith(cls.__qualname__ + '.'):
                yield from names_of_class(f'{path}.{name}', value)
            else:
                yield f'{path}.{name}', signature_of(value)


def record() -> dict[str, Signature]:
    """All names of the pika that is installed, 'module:name.attribute', with their signatures."""
    import pika
    names: dict[str, Signature] = {}
    for info in pkgutil.walk_packages(pika.__path__, 'pika.'):
        module = importlib.import_module(info.name)
        names[info.name] = None
        for name, value in sorted(vars(module).items()):
            if name.startswith('_') or name in INTERNAL or inspect.ismodule(value):
                continue
            if getattr(value, '__module__', info.name) != info.name or type(value) is TypeVar:
                continue
            if isinstance(value, type):
                names.update(names_of_class(f'{info.name}:{name}', value))
            else:
                names[f'{info.name}:{name}'] = signature_of(value)
    return names


def find(path: str) -> Any:
    """What has this name here.

    Raises:
      ImportError, AttributeError: nothing.
    """
    module, _, attributes = path.partition(':')
    found: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split('.')):
        if isinstance(found, type) and is_set_by_init(found, attribute):
            return None
        found = getattr(found, attribute)
    return found


def is_set_by_init(cls: type, attribute: str) -> bool:
    """Whether objects of the class have this attribute, which the class has not."""
    if hasattr(cls, attribute):
        return False
    setting = re.compile(rf'\bself\.{attribute}(:| =)')
    for base in cls.__mro__:
        init = vars(base).get('__init__')
        if attribute in vars(base).get('__annotations__', ()):
            return True
        if inspect.isfunction(init) and setting.search(inspect.getsource(init)):
            return True
    return False


def differs(expected: Signature, found: Signature) -> bool:
    """Whether a call that was right is wrong; more parameters, optional ones, are no harm."""
    if expected is None or found is None:
        return False
    if any(kind.startswith('VAR_') for _, kind, _ in found):
        return False
    named = [parameter for parameter in expected if not parameter[1].startswith('VAR_')]
    here = {name: (position, default) for position, (name, _, default) in enumerate(found)}
    for position, (name, kind, default) in enumerate(named):
        if name not in here or default and not here[name][1]:
            return True
        if kind == 'POSITIONAL_OR_KEYWORD' and here[name][0] != position:
            return True
    return any(not default for name, _, default in found[len(named):])


def compare(recording: dict[str, Signature], gaps: dict[str, str]) -> int:
    """Print what is missing or differs without a reason; the number of these."""
    wrong: dict[str, str] = {}
    for path, expected in recording.items():
        try:
            found = find(path)
        except (ImportError, AttributeError):
            wrong[path] = 'missing'
        else:
            if differs(expected, signature_of(found)):
                wrong[path] = f'takes {signature_of(found)}, expected {expected}'
    excused = {path for path in wrong if any(fnmatch.fnmatchcase(path, gap) for gap in gaps)}
    failures = [f'{path}: {wrong[path]}' for path in wrong if path not in excused]
    failures += [
        f'{gap}: no gap any more' for gap in gaps
        if not any(fnmatch.fnmatchcase(path, gap) for path in wrong)
    ]
    print(f'{len(recording) - len(wrong)} of {len(recording)} names of pika 1.4 are here; '
          f'{len(excused)} are gaps with a reason')
    print(*failures, sep='\n')
    return len(failures)


def main(arguments: list[str]) -> int:
    """What the command line asks for; the exit status."""
    if arguments == ['record']:
        lines = (f'{json.dumps(name)}: {json.dumps(signature)}'
                 for name, signature in sorted(record().items()))
        print('{', ',\n'.join(lines), '}', sep='\n')
        return 0
    _, recording, gaps = arguments
    lines = pathlib.Path(gaps).read_text().splitlines()
    reasons = dict(line.split(' -- ', 1) for line in lines if line and not line.startswith('#'))
    return min(1, compare(json.loads(pathlib.Path(recording).read_text()), reasons))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
