"""Events, methods and values as JSON, to be compared and kept in files.

Rule: things have the same description exactly when a program could not tell them apart. A type and
all values count, errors count by type and arguments, floats and integers as they are on the wire.
"""

from __future__ import annotations

import base64
import contextlib
import math
import zlib

from pika import amqp_object, data, events, spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Union

    Json = Union[None, bool, int, float, str, list['Json'], dict[str, 'Json']]

# Bytes beyond this are deflated in a file.
LONG = 64

METHODS = {method.NAME: method for method in spec.methods.values()}
_CONTEXTS = ('context', 'consumer')


def describe(value: object, name: Callable[[object], Json] | None = None) -> Json:
    """The description of an event, a method, properties, an error, or a value of a field table.

    name: gives the description of a context or consumer, which may be any object; as any other
    value unless given.

    Raises:
      UnsupportedAMQPFieldException: there is none.
    """
    kind = type(value)
    if isinstance(value, events.Event):
        slots = value.__slots__
        return {kind.__name__: {slot: _describe_slot(value, slot, name) for slot in slots}}
    if value is None or isinstance(value, (bool, str)) or kind is int:
        return value  # type: ignore[return-value]
    if isinstance(value, float) and kind is float and math.isfinite(value):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {'bytes': bytes(value).hex()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, amqp_object.Method):
        return {value.NAME: _describe_fields(value, kind)}
    if isinstance(value, spec.BasicProperties):
        return {'BasicProperties': _describe_properties(value)}
    if isinstance(value, data.SpoiltTable):
        return {
            'SpoiltTable': {
                'entries': _describe_table(value),
                'raw': value.raw.hex(),
                'error': describe(value.error)
            }
        }
    if isinstance(value, dict):
        return {'table': _describe_table(value)}
    if isinstance(value, BaseException):
        return {'error': [kind.__name__, *(describe(argument) for argument in value.args)]}
    pieces: list[bytes] = []
    data.encode_value(pieces, value)  # type: ignore[arg-type]  # it raises for what it cannot send
    return {'field': b''.join(pieces).hex()}


def _describe_slot(event: events.Event, slot: str, name: Callable[[object], Json] | None) -> Json:
    value = getattr(event, slot)
    if name is not None and slot in _CONTEXTS:
        return name(value)
    if name is not None and slot == 'contexts':
        return [name(context) for context in value]
    return describe(value)


def _describe_fields(thing: object, kind: type[object]) -> dict[str, Json]:
    """What differs from the defaults."""
    defaults = {}
    with contextlib.suppress(TypeError):  # of a constructor that needs arguments
        defaults = vars(kind())
    return {
        key: describe(value)
        for key, value in vars(thing).items()
        if key not in defaults or (type(value), value) != (type(defaults[key]), defaults[key])
    }


def _describe_properties(properties: spec.BasicProperties) -> dict[str, Json]:
    described = _describe_fields(properties, spec.BasicProperties)
    if properties.raw is not None:
        described['raw'] = properties.raw.hex()
    if properties.error is not None:
        described['error'] = describe(properties.error)
    return described


def _describe_table(table: Mapping[str, object]) -> Json:
    """Pairs: the order of a table can be seen, and its keys may be any."""
    return [[key, describe(value)] for key, value in table.items()]


def restore(described: Json) -> object:
    """The method, properties or value that `describe` was given; not for events and errors.

    Raises:
      ValueError: it is no such description.
    """
    if isinstance(described, list):
        return [restore(item) for item in described]
    if not isinstance(described, dict):
        return described
    ((kind, held),) = described.items()
    if kind == 'bytes' and isinstance(held, str):
        return bytes.fromhex(held)
    if kind == 'field' and isinstance(held, str):
        return data.decode_value(bytes.fromhex(held), 0)[0]
    if kind == 'table' and isinstance(held, list):
        return {str(key): restore(value) for key, value in map(_list, held)}
    if isinstance(held, dict):
        if kind == 'BasicProperties':
            return _restore_properties(held)
        if kind in METHODS:
            return METHODS[kind](**{key: restore(value) for key, value in held.items()})
    raise ValueError(f'{kind} cannot be restored')


def _list(described: Json) -> list[Json]:
    if not isinstance(described, list):
        raise ValueError(f'{described!r} is no list')
    return described


def _restore_properties(held: dict[str, Json]) -> spec.BasicProperties:
    raw = held.get('raw')
    if isinstance(raw, str):
        return spec.BasicProperties.from_raw(bytes.fromhex(raw))
    properties = spec.BasicProperties()
    for key, value in held.items():
        setattr(properties, key, restore(value))
    return properties


def deflate(described: Json) -> Json:
    """The same description with long bytes made short, for a file."""
    if isinstance(described, list):
        return [deflate(item) for item in described]
    if not isinstance(described, dict):
        return described
    text = described.get('bytes')
    if isinstance(text, str) and len(described) == 1 and len(text) > 2 * LONG:
        packed = zlib.compress(bytes.fromhex(text), 9)
        return {'deflated': base64.b64encode(packed).decode('ascii')}
    return {key: deflate(value) for key, value in described.items()}


def inflate(described: Json) -> Json:
    """The description that `deflate` was given."""
    if isinstance(described, list):
        return [inflate(item) for item in described]
    if not isinstance(described, dict):
        return described
    text = described.get('deflated')
    if isinstance(text, str) and len(described) == 1:
        return {'bytes': zlib.decompress(base64.b64decode(text)).hex()}
    return {key: inflate(value) for key, value in described.items()}
