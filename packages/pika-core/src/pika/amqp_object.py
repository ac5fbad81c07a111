"""What the methods, classes and properties of `pika.spec` have in common.

Rule of this file: it holds no AMQP. Objects are compared and shown by their
attributes, whoever set them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Literal

    from typing_extensions import Self

    from pika.spec import BasicProperties


class AMQPObject:
    """Something of the protocol: `NAME` is its name, `INDEX` its number where it has one."""

    NAME: ClassVar[str] = 'AMQPObject'
    INDEX: ClassVar[int] = None  # type: ignore[assignment]  # this base alone has none

    def __repr__(self) -> str:
        items = [f'{key}={value}' for key, value in self.__dict__.items() if value is not None]
        return f'<{self.NAME}({sorted(items)})>' if items else f'<{self.NAME}>'

    def __eq__(self, other: object) -> bool:
        """Equal attributes, of whatever class, as pika 1.x compares. Hence no hash."""
        if not isinstance(other, AMQPObject):
            return NotImplemented
        return self.__dict__ == other.__dict__


class Class(AMQPObject):
    """A class of AMQP: the methods that belong together, as nested classes."""

    NAME = 'Unextended Class'


class Method(AMQPObject):
    """A method of AMQP, its arguments as attributes.

    `INDEX` is the number of its AMQP class << 16 | its own. `synchronous`: the peer answers it,
    with one of `answers`, unless a field `nowait` is set. `sender` says who may send it.
    """

    NAME = 'Unextended Method'
    synchronous: ClassVar[bool] = False
    answers: ClassVar[tuple[type[Method], ...]] = ()
    sender: ClassVar[Literal['client', 'server', 'both']] = 'both'
    _fields: ClassVar[tuple[tuple[str, str], ...]] = ()

    _properties: BasicProperties
    _body: bytes

    def _set_content(self, properties: BasicProperties, body: bytes) -> None:
        self._properties = properties
        self._body = body

    def get_properties(self) -> BasicProperties:
        """Return the properties that belong to this method; AttributeError if none were set."""
        return self._properties

    def get_body(self) -> bytes:
        """Return the body that belongs to this method; AttributeError if none was set."""
        return self._body

    def encode(self) -> list[bytes]:
        """Return the arguments as they follow the index of the method in its frame.

        Raises:
          ParameterTypeError, ParameterValueError, ShortStringTooLong: an argument that is missing
            or does not fit, with its name.
        """
        raise NotImplementedError(self.NAME)

    @classmethod
    def from_bytes(cls, encoded: bytes, offset: int = 0, end: int = -1) -> Self:
        """Return a new method, made by its constructor from the arguments in `encoded[offset:end]`.

        With a negative `end` the arguments may end anywhere.

        Raises:
          ProtocolSyntaxError: the bytes are no such arguments, or do not end where those end.
        """
        raise NotImplementedError(cls.NAME)

    def decode(self, encoded: bytes, offset: int = 0) -> Self:
        """Take the arguments over from the bytes at `offset`, whatever follows, and return self.

        Raises:
          ProtocolSyntaxError: the bytes are no such arguments; then nothing is taken over.
        """
        self.__dict__.update(type(self).from_bytes(encoded, offset).__dict__)
        return self


class Properties(AMQPObject):
    """Properties of a message; `pika.spec.BasicProperties` are the only ones there are."""

    NAME = 'Unextended Properties'
