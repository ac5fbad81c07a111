"""`TwistedProtocolConnection` and `TwistedConnection`: connections whose calls return Deferreds.

Rule: what a Deferred or a callback of the user does is done in a turn of the reactor of its own or
in a dispatch of the engine, with nothing of the core underneath; what it raises is logged.

The end is told when the stream is gone and no timer is left, so that a program which waits for it
may stop its reactor, and a test ends with a clean one.
"""

from __future__ import annotations

import copy

from pika import exceptions, frame, spec
from pika.parameters import ConnectionParameters, Parameters
from pika.transport.endpoints import endpoint_plan
from pika.validators import require_callback
from twisted.internet import defer, interfaces, protocol
from zope.interface import implementer  # type: ignore[import-untyped]

from pika_twisted import callbacks
from pika_twisted.channel import TwistedChannel
from pika_twisted.engine import Engine
from pika_twisted.stream import Stream
from pika_twisted.waiting import Pending, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from twisted.python.failure import Failure
    from typing_extensions import Self

# It takes nothing any more: nobody waits for it.
_DEAF = (exceptions.AMQPHeartbeatTimeout, exceptions.ConnectionBlockedTimeout)


class DeferredConnection:
    """What both connections have.

    Attributes:
      ready: fires with this object when channels can be opened; fails with the reason when that was
        not to be.
      closed: fires with the reason (an exception as a result, not a failure) when a connection that
        was open has ended: `ConnectionClosedByClient`, `ConnectionClosedByBroker`,
        `StreamLostError`, `AMQPHeartbeatTimeout`, `ConnectionBlockedTimeout` or another
        `AMQPConnectionError`.
    """

    _engine_class = Engine

    def __init__(self, parameters: Parameters | None, custom_reactor: Any) -> None:
        if parameters is not None and not isinstance(parameters, Parameters):
            raise exceptions.ParameterTypeError('parameters',
                                                parameters,
                                                'Parameters or None',
                                                secret=True)
        if custom_reactor is None:
            from twisted.internet import reactor as custom_reactor
        self.ready: defer.Deferred[Self] = defer.Deferred()
        self.closed: defer.Deferred[Exception] = defer.Deferred()
        self._closers: list[defer.Deferred[Exception]] = []
        self._reason: Exception | None = None
        self._told = False
        self._engine = self._engine_class(custom_reactor, parameters, self._tell)
        self._engine.add_on_open_callback(self._on_open)
        self._engine.add_on_open_error_callback(self._on_end)
        self._engine.add_on_close_callback(self._on_end)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self._engine._protocol.state} {self.params!r}>'

    @property
    def params(self) -> Parameters:
        """A copy of the parameters; once open, with what was negotiated."""
        return self._engine.params

    @property
    def is_open(self) -> bool:
        """Whether channels can be opened."""
        return self._engine.is_open

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it and the end has not come yet."""
        return self._engine.is_closing

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or could not be opened."""
        return self._engine.is_closed

    @property
    def server_properties(self) -> Mapping[str, Any]:  # a table holds whatever the broker sends
        """What the broker tells of itself; empty before it does."""
        return self._engine.server_properties

    @property
    def server_capabilities(self) -> Mapping[str, bool]:
        """The broker's extensions by name ('publisher_confirms'); empty before it tells them."""
        return self._engine.server_capabilities

    def connectionReady(self) -> None:
        """Override this to do something when the connection is open, before `ready` fires."""

    def channel(self, channel_number: int | None = None) -> defer.Deferred[TwistedChannel]:
        """Open a channel.

        channel_number: 1 to `params.channel_max`; the lowest free one unless given.

        The Deferred fails with `ConnectionWrongStateError`, `NoFreeChannels`, or, where there is no
        such number or it is in use, `ParameterTypeError` or `ParameterValueError`.
        """
        engine = self._engine
        pending: Pending[TwistedChannel] = Pending(engine.abandon, lambda reply: channel)
        try:
            number = engine._protocol.open_channel(pending, channel_number)
        except exceptions.AMQPError:
            return defer.fail()
        channel = engine._channels[number] = TwistedChannel(number, self, engine)
        engine._flush_soon()
        return pending

    def close(self,
              reply_code: int = 200,
              reply_text: str = 'Normal shutdown') -> defer.Deferred[Exception]:
        """Close the connection and its channels; what was published before is sent before.

        Before the connection is open this gives up, and `ready` fails with `ConnectionOpenAborted`.

        Returns:
          A Deferred that fires with the reason of the end, as `closed` does; at once when the
          connection has ended already.
        """
        if self._told and self._reason is not None:
            return defer.succeed(self._reason)
        if not self.is_closing and not self.is_closed:
            try:
                self._engine.close(reply_code, reply_text)
            except exceptions.AMQPError:
                return defer.fail()
        closer: defer.Deferred[Exception] = defer.Deferred()
        self._closers.append(closer)
        return closer

    async def __aenter__(self) -> Self:
        await self.ready
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self.close()

    def update_secret(self, new_secret: str,
                      reason: str) -> defer.Deferred[frame.Method[spec.Connection.UpdateSecretOk]]:
        """Give the broker a new secret for this connection, such as a token in place of an old one.

        reason: for the broker's log. A broker that refuses closes the connection (rule 36).
        """
        engine = self._engine
        pending: Pending[frame.Method[spec.Connection.UpdateSecretOk]] = Pending(
            engine.abandon, lambda reply: frame.Method(0, reply.method))
        try:
            engine._protocol.call(0, spec.Connection.UpdateSecret(new_secret, reason), pending)
        except exceptions.AMQPError:
            return defer.fail()
        engine._flush_soon()
        return pending

    def add_on_connection_blocked_callback(
            self, callback: Callable[[Self, frame.Method[spec.Connection.Blocked]],
                                     object]) -> None:
        """Have `callback(connection, method_frame)` called when the broker stops reading.

        `method_frame.method.reason` says why; see https://www.rabbitmq.com/docs/connection-blocked.
        """
        require_callback(callback)
        self._engine.add_on_connection_blocked_callback(
            lambda engine, method_frame: callbacks.call(callback, self, method_frame))

    def add_on_connection_unblocked_callback(
            self, callback: Callable[[Self, frame.Method[spec.Connection.Unblocked]],
                                     object]) -> None:
        """Have `callback(connection, method_frame)` called when the broker reads again."""
        require_callback(callback)
        self._engine.add_on_connection_unblocked_callback(
            lambda engine, method_frame: callbacks.call(callback, self, method_frame))

    # What the engine tells.

    def _on_open(self, engine: Engine) -> None:
        callbacks.call(self.connectionReady)
        if not self.ready.called:
            itself: Any = self  # Self, which mypy does not see
            self.ready.callback(itself)

    def _on_end(self, engine: Engine, reason: Exception) -> None:
        self._reason = reason
        self._tell()

    def _tell(self) -> None:
        """Tell those who wait for the end, once it is whole."""
        reason = self._reason
        if reason is None or self._told or (self._engine.streams and not isinstance(reason, _DEAF)):
            return
        self._told = True
        if self._engine.was_open:
            if not self.closed.called:
                self.closed.callback(reason)
        elif self._closers:
            fail(self.ready, reason)
        elif not self.ready.called:
            self.ready.errback(reason)
        for closer in self._closers:
            if not closer.called:
                closer.callback(reason)


@implementer(interfaces.IHandshakeListener)
class TwistedProtocolConnection(DeferredConnection, protocol.Protocol):
    """A connection to RabbitMQ as a protocol that an endpoint connects, over TCP or TLS.

    Where to connect, and TLS, are the endpoint's: `ssl_options` and the attempts of the parameters
    have no effect, and `host` and `port` are only named in errors. The TLS handshake and that of
    AMQP have `stack_timeout` seconds::

        endpoint = HostnameEndpoint(reactor, 'localhost', 5672)
        connection = await connectProtocol(endpoint, TwistedProtocolConnection(parameters))
        await connection.ready

    Cancelling a Deferred of the connection or a channel abandons the wait and nothing else: a late
    answer is dropped, a message that it brings is put back.

    Args:
      parameters: how to log in and what to ask for; a copy is kept. None: the defaults.
      custom_reactor: whose timers to use; None: the reactor that is installed.

    Attributes:
      ready: fires with this object when channels can be opened, after `connectionReady`; fails with
        the reason when that was not to be.
      closed: fires with the reason (an exception as a result, not a failure) when a connection that
        was open has ended: `ConnectionClosedByClient`, `ConnectionClosedByBroker`,
        `StreamLostError`, `AMQPHeartbeatTimeout`, `ConnectionBlockedTimeout` or another
        `AMQPConnectionError`.
    """

    transport: Any  # no interface has all that transports of streams have

    def __init__(self,
                 parameters: Parameters | None = None,
                 custom_reactor: Any = None) -> None:  # no interface has all that a reactor has
        super().__init__(parameters, custom_reactor)
        self._stream: Stream | None = None

    def connectionMade(self) -> None:
        """There is a stream to a broker."""
        self._stream = self._engine.take(self.transport)

    def handshakeCompleted(self) -> None:
        """TLS, where the endpoint has it, is ready."""
        if self._stream is not None:
            self._stream.handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """The broker has sent this."""
        if self._stream is not None:
            self._stream.dataReceived(data)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """The stream has ended."""
        if self._stream is not None:
            self._stream.connectionLost(reason)


class TwistedConnection(DeferredConnection):
    """A connection to RabbitMQ that connects by itself, over TCP or with `SSLOptions` over TLS.

    It begins to connect in the next turn of the reactor. `ready` and `closed` tell what comes of
    it, and the callbacks do besides, in the way of the other adapters::

        connection = await TwistedConnection(parameters).ready

    Args:
      parameters: where and how to connect; several are tried in order, in as many rounds as
        `connection_attempts` of the last says. None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. `ready`
        fails with it besides, and is not logged if nobody looks at it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_reactor: None: the reactor that is installed.

    Attributes:
      ready: fires with this object when channels can be opened, after `connectionReady` and
        `on_open_callback`; fails with the reason when that was not to be.
      closed: fires with the reason (an exception as a result, not a failure) when a connection that
        was open has ended, as that of a `TwistedProtocolConnection`.

    Raises:
      ParameterTypeError, ParameterValueError: no parameters, or a callback that cannot be called.
    """

    def __init__(self,
                 parameters: Parameters | Sequence[Parameters] | None = None,
                 on_open_callback: Callable[[TwistedConnection], object] | None = None,
                 on_open_error_callback: Callable[[TwistedConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[TwistedConnection, Exception], object] | None = None,
                 custom_reactor: Any = None) -> None:  # no interface has all that a reactor has
        if parameters is None:
            parameters = ConnectionParameters()
        configs = [parameters] if isinstance(parameters, Parameters) else list(parameters)
        if not configs:
            raise exceptions.ParameterValueError('parameters', configs, 'one Parameters or more')
        for config in configs[1:]:
            if not isinstance(config, Parameters):
                raise exceptions.ParameterTypeError('parameters', config, 'Parameters', secret=True)
        for callback in (on_open_callback, on_open_error_callback, on_close_callback):
            if callback is not None:
                require_callback(callback)
        super().__init__(configs[0], custom_reactor)
        self._on_open_callback = on_open_callback
        self._on_open_error_callback = on_open_error_callback
        self._on_close_callback = on_close_callback
        self._engine._follow(endpoint_plan(copy.deepcopy(configs)))

    def _on_open(self, engine: Engine) -> None:
        if self._on_open_callback is not None:
            callbacks.call(self._on_open_callback, self)
        super()._on_open(engine)

    def _on_end(self, engine: Engine, reason: Exception) -> None:
        callback = self._on_close_callback if engine.was_open else self._on_open_error_callback
        if callback is not None:
            callbacks.call(callback, self, reason)
            if not engine.was_open:
                fail(self.ready, reason)
        super()._on_end(engine, reason)
