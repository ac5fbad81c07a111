"""Why the broker closes a channel or a connection, in RabbitMQ's words.

Rule: whatever refuses something raises a `Refusal`; who sends Close knows no reason by itself.
"""

from __future__ import annotations

from pika import spec

NAMES = {
    spec.CONNECTION_FORCED: 'CONNECTION_FORCED',
    spec.ACCESS_REFUSED: 'ACCESS_REFUSED',
    spec.NOT_FOUND: 'NOT_FOUND',
    spec.RESOURCE_LOCKED: 'RESOURCE_LOCKED',
    spec.PRECONDITION_FAILED: 'PRECONDITION_FAILED',
    spec.FRAME_ERROR: 'FRAME_ERROR',
    spec.SYNTAX_ERROR: 'SYNTAX_ERROR',
    spec.COMMAND_INVALID: 'COMMAND_INVALID',
    spec.CHANNEL_ERROR: 'CHANNEL_ERROR',
    spec.UNEXPECTED_FRAME: 'UNEXPECTED_FRAME',
    spec.RESOURCE_ERROR: 'RESOURCE_ERROR',
    spec.NOT_ALLOWED: 'NOT_ALLOWED',
    spec.NOT_IMPLEMENTED: 'NOT_IMPLEMENTED',
    spec.INTERNAL_ERROR: 'INTERNAL_ERROR',
}
# These close the channel, all others the connection (clause 1.2 of the generated definitions).
_OF_CHANNELS = frozenset(
    (spec.ACCESS_REFUSED, spec.NOT_FOUND, spec.RESOURCE_LOCKED, spec.PRECONDITION_FAILED))
_LONGEST = 255  # bytes of a reply text


class Refusal(Exception):
    """The broker closes a channel or a connection.

    Args:
      code: AMQP's reply code.
      text: what RabbitMQ says behind the name of the code; empty for the name alone.

    Attributes:
      ends_connection: whether the connection is closed, not only the channel.
      method: index of the method that it is about; 0 where none is named, None until one is.
    """

    def __init__(self, code: int, text: str = '', method: int | None = None) -> None:
        name = NAMES.get(code, 'UNKNOWN')
        super().__init__(f'{name} - {text}' if text else name)
        self.code = code
        self.ends_connection = code not in _OF_CHANNELS
        self.method = method

    @property
    def text(self) -> str:
        """The reply text, as long as one may be."""
        encoded = str(self).encode('utf-8', 'surrogateescape')
        if len(encoded) <= _LONGEST:
            return str(self)
        return encoded[:_LONGEST - 3].decode(errors='ignore') + '...'


class HangUp(Exception):
    """The broker ends the connection without a word, as RabbitMQ does in some cases."""


def not_found(kind: str, name: str, virtual_host: str) -> Refusal:
    """No such queue or exchange."""
    return Refusal(spec.NOT_FOUND, f"no {kind} '{name}' in vhost '{virtual_host}'")


def precondition(text: str) -> Refusal:
    """What was asked does not fit what is there."""
    return Refusal(spec.PRECONDITION_FAILED, text)


def not_modelled(what: str) -> Refusal:
    """RabbitMQ has it, the broker in memory has not."""
    return Refusal(spec.NOT_IMPLEMENTED, f'{what}: the broker in memory does not model this')


def type_name(value: object) -> str:
    """The type of a field value as RabbitMQ calls it."""
    if isinstance(value, bool):
        return 'bool'
    if isinstance(value, int):
        return 'signedint' if -2**31 <= value < 2**31 else 'long'
    return _TYPE_NAMES.get(type(value), 'longstr')


_TYPE_NAMES = {
    float: 'double',
    dict: 'table',
    list: 'array',
    bytes: 'binary',
    type(None): 'void',
}


def shown(value: object) -> str:
    """A value as it stands in RabbitMQ's texts."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return str(value)


def octets(data: bytes) -> str:
    """Bytes as Erlang prints them."""
    if data and all(32 <= octet < 127 for octet in data):
        return f'<<"{data.decode()}">>'
    return f'<<{",".join(map(str, data))}>>'
