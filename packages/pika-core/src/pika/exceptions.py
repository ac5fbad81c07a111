"""What this library raises: each error says what went wrong, where, and whether again can help.

Three questions are answered by every error. `str()` says what happened, in prose and never
empty, and where it is known the peer and the phase. `isinstance` says what is affected: the
connection (`AMQPConnectionError`), one channel (`AMQPChannelError`), or only the call at hand
(`ParameterError`, which is a `TypeError` or a `ValueError` as well). `recoverable` says whether
the same thing done again, unchanged, may succeed.

All of them can be copied and pickled with their attributes. This module imports nothing that does
I/O; errors that are also a `socket` or `ssl` error are made where those modules are at home.
"""

from __future__ import annotations

import reprlib
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar, Protocol

    from pika.spec import Basic, BasicProperties

    class _ReturnedMessage(Protocol):
        """What the blocking and the Twisted adapter put into `.messages`."""

        @property
        def method(self) -> Basic.Return:
            ...

        @property
        def properties(self) -> BasicProperties:
            ...

        @property
        def body(self) -> bytes:
            ...


class _ShortRepr(reprlib.Repr):
    """`repr()` for messages: at most 80 characters or so, whatever the size of the value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 80

    def repr_bytes(self, value: bytes, level: int) -> str:
        """Cut before the repr is made: a body may have hundreds of megabytes."""
        if len(value) <= self.maxother:
            return self.repr_instance(value, level)
        return f'{value[:40]!r}... ({len(value)} bytes)'

    def repr_bytearray(self, value: bytearray, level: int) -> str:
        """Like bytes."""
        return self.repr_bytes(bytes(value[:81]), level)


_REPR = _ShortRepr()


def _shorten(value: object) -> str:
    text = _REPR.repr(value)
    return text if len(text) <= 100 else f'{text[:48]}...{text[-48:]}'


def _method_name(class_id: int, method_id: int) -> str:
    from pika import spec  # the specification imports this module
    method = spec.methods.get(class_id << 16 | method_id)
    return method.NAME if method else f'method {class_id}.{method_id}'


class AMQPError(Exception):
    """Base of all errors of this library, `ChannelError` and `ReentrancyError` excepted.

    `recoverable`: whether the same operation, unchanged, may succeed when it is tried again.
    """

    recoverable: bool = False

    # What str() says without arguments, and with them ({0} is the first; None: as they are).
    _default: ClassVar[str] = 'An unspecified AMQP error has occurred'
    _prose: ClassVar[str | None] = None

    def _text(self) -> str:
        args = self.args
        if args and self._prose:
            try:
                return self._prose.format(
                    *(arg if isinstance(arg, str) else _shorten(arg) for arg in args))
            except IndexError:  # fewer arguments than the prose has places
                pass
        if len(args) == 1 and isinstance(args[0], BaseException):
            return str(args[0]) or repr(args[0])
        return super().__str__() or self._default

    def __str__(self) -> str:
        return self._text()

    def __repr__(self) -> str:
        return f'{type(self).__name__}: {self}'


# Errors of the connection


class AMQPConnectionError(AMQPError):
    """The connection could not be opened, or is lost; its channels are gone with it.

    `host` and `port` name the peer, `phase` is 'resolve', 'connect', 'TLS', 'handshake' or 'open';
    each is None where it is not known. `str()` ends with them.
    """

    recoverable = True
    _default = 'The connection to the broker failed'

    def __init__(self,
                 *args: object,
                 host: str | None = None,
                 port: int | None = None,
                 phase: str | None = None) -> None:
        super().__init__(*args)
        self.host = host
        self.port = port
        self.phase = phase

    def __str__(self) -> str:
        where: list[str] = []
        if self.host is not None:
            host = f'[{self.host}]' if ':' in self.host else self.host
            where.append(host if self.port is None else f'{host}:{self.port}')
        if self.phase is not None:
            where.append(f'phase {self.phase}')
        return f'{self._text()} ({", ".join(where)})' if where else self._text()


class ConnectionOpenAborted(AMQPConnectionError):
    """The client closed the connection before it was open."""

    recoverable = False
    _default = 'The connection was closed by the client before it was open'


class StreamLostError(AMQPConnectionError):
    """The stream to the broker broke without a Connection.Close."""

    _default = 'The stream to the broker was lost'


class IncompatibleProtocolError(AMQPConnectionError):
    """The peer does not speak AMQP 0-9-1 (4.2.2 of the specification)."""

    recoverable = False
    _default = 'The protocol of the peer is not supported'


class AuthenticationError(AMQPConnectionError):
    """The broker offers no mechanism for these credentials; the argument names the mechanism."""

    recoverable = False
    _default = 'No authentication mechanism that client and broker have in common'
    _prose = 'The broker does not offer the authentication mechanism {0} of these credentials'


class ProbableAuthenticationError(AMQPConnectionError):
    """The broker ended the connection where it checks user and password."""

    recoverable = False
    _default = 'The broker ended the connection at the stage where it checks the credentials'


class ProbableAccessDeniedError(AMQPConnectionError):
    """The broker ended the connection where it checks access to the virtual host."""

    recoverable = False
    _default = 'The broker ended the connection at the stage where it checks the virtual host'


class NoFreeChannels(AMQPConnectionError):
    """All channel numbers up to the negotiated channel_max are in use; close one first."""

    recoverable = False
    _default = 'The connection has run out of free channels'


class ConnectionWrongStateError(AMQPConnectionError):
    """The connection is not in a state in which this can be done; mostly it is closed."""

    recoverable = False
    _default = 'The connection is in the wrong state for the requested operation'


# Reply codes after which the same attempt may succeed: CONNECTION_FORCED (a broker that shuts
# down), RESOURCE_LOCKED (until the old connection of an exclusive queue is reaped),
# RESOURCE_ERROR and INTERNAL_ERROR.
_RECOVERABLE_CODES = frozenset((320, 405, 506, 541))


class _Closed(AMQPError):
    """What the errors of a closed connection and of a closed channel have in common.

    They keep `args == (reply_code, reply_text)`, whatever else is known about the close.
    """

    reply_code: int
    reply_text: str
    class_id: int
    method_id: int

    _recoverable_codes: ClassVar[frozenset[int]] = _RECOVERABLE_CODES

    def _set(self, reply_code: int | str, reply_text: str | bytes, class_id: int,
             method_id: int) -> None:
        self.reply_code = int(reply_code)
        self.reply_text = (reply_text.decode('utf-8', 'backslashreplace') if isinstance(
            reply_text, bytes) else str(reply_text))
        self.class_id = class_id
        self.method_id = method_id
        self.args = (self.reply_code, self.reply_text)
        self.recoverable = self.reply_code in self._recoverable_codes

    def _text(self) -> str:
        if not self.class_id and not self.method_id:
            return str(self.args)
        return f'{self.args}, caused by {_method_name(self.class_id, self.method_id)}'


class ConnectionClosed(AMQPConnectionError, _Closed):
    """The connection was closed with Connection.Close.

    `reply_code` and `reply_text` are those of the close; `class_id` and `method_id` name the method
    that caused it (1.4.2.9 of the specification, "close"), 0 if it was none.
    """

    def __init__(self,
                 reply_code: int | str,
                 reply_text: str | bytes,
                 *,
                 class_id: int = 0,
                 method_id: int = 0,
                 host: str | None = None,
                 port: int | None = None,
                 phase: str | None = None) -> None:
        super().__init__(host=host, port=port, phase=phase)
        self._set(reply_code, reply_text, class_id, method_id)


class ConnectionClosedByBroker(ConnectionClosed):
    """The broker closed the connection; `recoverable` depends on its reply code."""


class ConnectionClosedByClient(ConnectionClosed):
    """This side closed the connection, as the program asked."""

    _recoverable_codes = frozenset()


class ConnectionBlockedTimeout(AMQPConnectionError):
    """The broker blocked the connection for longer than `blocked_connection_timeout`."""

    _default = 'The broker blocked the connection for longer than blocked_connection_timeout'


class AMQPHeartbeatTimeout(AMQPConnectionError):
    """Nothing arrived from the broker for longer than the negotiated heartbeat allows."""

    _default = 'Nothing arrived from the broker for longer than the heartbeat timeout'


# Errors of connecting; pika 1.x had them outside of the tree of AMQPError, and in
# `pika.adapters.utils.connection_workflow`, where they are, too.


class AMQPConnectorException(AMQPConnectionError):
    """Base of the errors of one attempt to connect that did not come as far as AMQP."""


class AMQPConnectorStackTimeout(AMQPConnectorException):
    """The peer did not finish the handshake within `stack_timeout`."""

    _default = 'The peer did not finish the handshake within stack_timeout'


class AMQPConnectorPhaseErrorBase(AMQPConnectorException):
    """An attempt failed at one phase: with `exception`, which is the `__cause__` as well."""

    def __init__(self,
                 exception: Exception | None,
                 *args: object,
                 host: str | None = None,
                 port: int | None = None,
                 phase: str | None = None) -> None:
        super().__init__(*args, host=host, port=port, phase=phase)
        self.exception = exception
        self.__cause__ = exception

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.exception, *self.args), self.__dict__

    def _text(self) -> str:
        return super()._text() if self.args or self.exception is None else str(self.exception)


class AMQPConnectorSocketConnectError(AMQPConnectorPhaseErrorBase):
    """No TCP connection."""


class AMQPConnectorTransportSetupError(AMQPConnectorPhaseErrorBase):
    """No TLS on the TCP connection."""


# Errors of a channel


class AMQPChannelError(AMQPError):
    """The channel, or one operation on it, failed; the connection remains."""

    _default = 'The operation on the channel failed'


class ChannelWrongStateError(AMQPChannelError):
    """The channel is not in a state in which this can be done; mostly it is closed."""

    _default = 'The channel is in the wrong state for the requested operation'


class ChannelClosed(AMQPChannelError, _Closed):
    """The channel was closed with Channel.Close.

    `reply_code` and `reply_text` are those of the close; `class_id` and `method_id` name the method
    that caused it (1.5.2.5 of the specification, "close"), 0 if it was none.
    """

    def __init__(self,
                 reply_code: int | str,
                 reply_text: str | bytes,
                 *,
                 class_id: int = 0,
                 method_id: int = 0) -> None:
        super().__init__()
        self._set(reply_code, reply_text, class_id, method_id)


class ChannelClosedByBroker(ChannelClosed):
    """The broker closed the channel; open another one to go on."""


class ChannelClosedByClient(ChannelClosed):
    """This side closed the channel, as the program asked."""

    _recoverable_codes = frozenset()


class DuplicateConsumerTag(AMQPChannelError):
    """The channel has a consumer with this tag already."""

    _default = 'The consumer tag specified already exists for this channel'
    _prose = 'The consumer tag specified already exists for this channel: {0}'


class ConsumerCancelled(AMQPChannelError):
    """The broker cancelled the consumer, mostly since its queue is gone."""

    recoverable = True
    _default = 'The broker cancelled the consumer'
    _prose = 'The broker cancelled the consumer: {0}'


class UnroutableError(AMQPChannelError):
    """The broker returned what was published as mandatory: no queue was there to take it.

    `messages`: the returned messages, each with `method`, `properties` and `body`.
    """

    def __init__(self, messages: Sequence[_ReturnedMessage]) -> None:
        super().__init__(f'{len(messages)} unroutable message(s) returned')
        self.messages = messages

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.messages,), self.__dict__


class NackError(AMQPChannelError):
    """The broker refused responsibility for what was published (Basic.Nack); publish it again.

    `messages`: those that were returned before, mostly none, each with `method`, `properties`,
    `body`.
    """

    recoverable = True
    _prose = '{0}: the broker did not take responsibility for what was published'

    def __init__(self, messages: Sequence[_ReturnedMessage]) -> None:
        super().__init__(f'{len(messages)} message(s) NACKed')
        self.messages = messages

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.messages,), self.__dict__


class ChannelError(Exception):
    """Base of `DuplicateGetOkCallback`; not an `AMQPError`, as in pika 1.x."""

    def __str__(self) -> str:
        return super().__str__() or 'An unspecified error occurred with the channel'


class DuplicateGetOkCallback(ChannelError):
    """Basic.Get was called while the answer to the one before was outstanding."""

    def __str__(self) -> str:
        return ('basic_get can only be called again after the callback for the previous '
                'basic_get is executed')


class ReentrancyError(Exception):
    """The call would dispatch callbacks inside a callback; return from the callback first."""

    def __str__(self) -> str:
        return super().__str__() or 'This cannot be called from within a callback'


# Errors of values, all of them raised before one byte is queued


class ParameterError(AMQPError):
    """A value that cannot be used: raised as `ParameterTypeError` or `ParameterValueError`.

    `parameter` is the path to the value ('queue', 'headers.x-retries[2]'), `value` the value, and
    `allowed` says what would have been accepted. Where the value may hold a secret (`secret=True`)
    the error neither shows nor keeps it.
    """

    def __init__(self,
                 parameter: str,
                 value: object,
                 allowed: str,
                 *,
                 secret: bool = False) -> None:
        kind = type(value).__name__
        if secret:
            shown, value = f'a value of type {kind} that is not shown here', None
        else:
            shown = f'{_shorten(value)} ({kind})'
        super().__init__(parameter, value, allowed)
        self.parameter = parameter
        self.value = value
        self.allowed = allowed
        self._message = f'{parameter} must be {allowed}, but got {shown}'

    def _text(self) -> str:
        return self._message


class ParameterTypeError(ParameterError, TypeError, AssertionError):
    """The value is of the wrong type (an `AssertionError` too, since pika 1.x raised those)."""


class ParameterValueError(ParameterError, ValueError, struct.error):
    """The value is of the right type, and out of range (pika 1.x raised `struct.error`)."""


class ShortStringTooLong(AMQPError, ValueError):
    """A name, key or tag has more than 255 bytes in UTF-8 (4.2.5.3 of the specification).

    The argument is the encoded string; `parameter` is the path to it, '' if it is not known.
    """

    _default = 'An AMQP short string can contain up to 255 bytes'

    def __init__(self, *args: object, parameter: str = '') -> None:
        super().__init__(*args)
        self.parameter = parameter

    def _text(self) -> str:
        text = f'{self.parameter}: {self._default}' if self.parameter else self._default
        return f'{text}: {_shorten(self.args[0])}' if self.args else text


class InvalidChannelNumber(AMQPError):
    """The argument is not a channel number of this connection."""

    _default = 'An invalid channel number has been specified'
    _prose = 'An invalid channel number has been specified: {0}'


class MethodNotImplemented(AMQPError):
    """The broker does not have this method, as its capabilities say."""

    _default = 'The broker does not implement this method'


# Errors of what is on the wire


class ProtocolSyntaxError(AMQPError):
    """The bytes are no valid AMQP 0-9-1."""

    _default = 'An unspecified protocol syntax error occurred'


class ProtocolViolationError(AMQPConnectionError, ProtocolSyntaxError):
    """What the peer sent breaks the rules in a way that ends the connection.

    `reply_code` and `reply_text` are those of the Connection.Close that answers it.
    """

    _prose = '{1} (reply code {0})'

    def __init__(self, reply_code: int, reply_text: str) -> None:
        super().__init__(reply_code, reply_text)
        self.reply_code = reply_code
        self.reply_text = reply_text


class UnexpectedFrameError(ProtocolSyntaxError):
    """The frame, which is the argument, is not allowed here (4.2.6 of the specification)."""

    _default = 'Received a frame out of sequence'
    _prose = 'Received a frame out of sequence: {0}'


class ProtocolVersionMismatch(ProtocolSyntaxError):
    """The peer wants another version of the protocol; the arguments are theirs and ours."""

    _default = 'Protocol versions did not match'
    _prose = 'Protocol versions did not match: {0} vs {1}'


class BodyTooLongError(ProtocolSyntaxError):
    """A body is longer than its header announced; the arguments are bytes seen and expected."""

    _default = 'Received too many bytes for a message'
    _prose = 'Received too many bytes for a message: received {0}, expected {1}'


class InvalidFrameError(ProtocolSyntaxError):
    """The bytes are no frame; the argument says why."""

    _default = 'Invalid frame received'
    _prose = 'Invalid frame received: {0}'


class InvalidFieldTypeException(ProtocolSyntaxError):
    """A field table received has a value of unknown kind; the argument is its letter."""

    _default = 'Unsupported field kind'
    _prose = 'Unsupported field kind {0}'


class UnsupportedAMQPFieldException(ProtocolSyntaxError, TypeError):
    """No field of a table can hold this value.

    The arguments are what was encoded so far, which is of no use, and the value; `parameter` is
    the path to it, '' if it is not known.
    """

    _default = 'No field of a table can hold this value'

    def __init__(self, *args: object, parameter: str = '') -> None:
        super().__init__(*args)
        self.parameter = parameter

    def _text(self) -> str:
        text = f'{self.parameter}: {self._default}' if self.parameter else self._default
        if len(self.args) < 2:
            return text
        value = self.args[1]
        return f'{text}: {_shorten(value)} ({type(value).__name__})'
