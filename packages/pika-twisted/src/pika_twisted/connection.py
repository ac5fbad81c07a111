"""`TwistedProtocolConnection`: the protocol of the core as a protocol of Twisted.

Rule: events are pulled and handed out in `_dispatch` and nowhere else, one at a time, and what a
Deferred or a callback of the user does is done there, with nothing of the core underneath.

A dispatch hands out what has arrived, then writes once and sees to one timer. It is bounded; what
is left follows in the next turn of the reactor, and until then nothing is read. What is written in
one turn leaves together.
"""

from __future__ import annotations

import time
from collections import deque

from pika import events, exceptions, frame, spec
from pika.parameters import ConnectionParameters, Parameters
from pika.protocol import CLOSING_CONNECTION, OPENED, Protocol
from pika.transport.tls import TLSError, tls_error
from pika.validators import require_callback
from twisted.internet import defer, error, interfaces, protocol, task
from twisted.logger import Logger
from zope.interface import implementer  # type: ignore[import-untyped]

from pika_twisted.channel import TwistedChannel
from pika_twisted.waiting import Pending, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Union

    from twisted.internet.base import DelayedCall
    from twisted.python.failure import Failure

    Chunk = Union[bytes, memoryview]
    OnBlocked = Callable[['TwistedProtocolConnection', frame.Method[spec.Connection.Blocked]],
                         object]
    OnUnblocked = Callable[['TwistedProtocolConnection', frame.Method[spec.Connection.Unblocked]],
                           object]

log = Logger()

DISPATCH_EVENTS = 200  # events in one turn of the reactor
DISPATCH_SECONDS = 0.005
WRITE_SIZE = 65536  # bytes that do not wait for the end of the turn, and that are written at once
LINGER_SECONDS = 10.0  # for a peer that does not take our last bytes
# It has taken nothing for long enough; TLS of Twisted would wait for its answer.
DEAF = (exceptions.AMQPHeartbeatTimeout, exceptions.ConnectionBlockedTimeout)


@implementer(interfaces.IHandshakeListener, interfaces.IPushProducer)
class TwistedProtocolConnection(protocol.Protocol):
    """A connection to RabbitMQ as a protocol that an endpoint connects, over TCP or TLS.

    Where to connect, and TLS, are the endpoint's: `ssl_options` and the attempts of the parameters
    have no effect, and `host` and `port` are only named in errors::

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
      params: the copy of the parameters; once open, with what was negotiated.
    """

    transport: Any  # no interface has all that transports of streams have

    def __init__(self,
                 parameters: Parameters | None = None,
                 custom_reactor: Any = None) -> None:  # no interface has all that a reactor has
        if parameters is None:
            parameters = ConnectionParameters()
        elif not isinstance(parameters, Parameters):
            raise exceptions.ParameterTypeError('parameters', parameters, 'Parameters or None')
        if custom_reactor is None:
            from twisted.internet import reactor as custom_reactor
        self.ready: defer.Deferred[TwistedProtocolConnection] = defer.Deferred()
        self.closed: defer.Deferred[Exception] = defer.Deferred()
        self._reactor = custom_reactor
        # A reactor's own clock is that of the wall, which jumps; a test's clock is its own.
        self._now: Callable[[], float] = (custom_reactor.seconds if isinstance(
            custom_reactor, task.Clock) else time.monotonic)
        self._channels: dict[int, TwistedChannel] = {}
        self._closers: list[defer.Deferred[Exception]] = []
        self._blocked_callbacks: list[OnBlocked] = []
        self._unblocked_callbacks: list[OnUnblocked] = []
        self._opened = False
        self._reason: Exception | None = None
        self._outcome: Exception | None = None  # how the protocol has ended, until it is told
        self._unsent: deque[Chunk] = deque()
        self._transport_is_full = False
        self._tls_pending = False  # of a transport of Twisted's own TLS
        self._timer: DelayedCall | None = None
        self._timer_due = 0.0
        self._heard = 0.0  # when the broker has last sent something
        self._linger: DelayedCall | None = None
        self._dispatching = False
        self._continuing = False  # a dispatch was cut short; until the rest is out, none is read
        self._draining = False  # until the kernel was read, time is not judged
        self._will_flush = False
        self._renew(parameters)

    def _renew(self, parameters: Parameters) -> None:
        """Make a protocol, which is good for one attempt."""
        self._protocol = Protocol(parameters, self)
        self.params = self._protocol.parameters

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self._protocol.state} {self.params!r}>'

    # What programs use.

    @property
    def is_open(self) -> bool:
        """Whether channels can be opened."""
        return self._protocol.state == OPENED

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it and the end has not come yet."""
        return self._protocol.state == CLOSING_CONNECTION

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or could not be opened."""
        return self._reason is not None

    @property
    def server_properties(self) -> Mapping[str, Any]:  # a table holds whatever the broker sends
        """What the broker tells of itself; empty before it does."""
        return self._protocol.server_properties

    @property
    def server_capabilities(self) -> Mapping[str, bool]:
        """The broker's extensions by name ('publisher_confirms'); empty before it tells them."""
        return self._protocol.server_capabilities

    def connectionReady(self) -> None:
        """Override this to do something when the connection is open, before `ready` fires."""

    def channel(self, channel_number: int | None = None) -> defer.Deferred[TwistedChannel]:
        """Open a channel.

        channel_number: 1 to `params.channel_max`; the lowest free one unless given.

        The Deferred fails with `ConnectionWrongStateError`, `NoFreeChannels`, or, where there is no
        such number or it is in use, `ParameterTypeError` or `ParameterValueError`.
        """
        pending: Pending[TwistedChannel] = Pending(self._abandon, lambda reply: channel)
        try:
            number = self._protocol.open_channel(pending, channel_number)
        except exceptions.AMQPError:
            return defer.fail()
        channel = self._channels[number] = TwistedChannel(number, self)
        self._flush_soon()
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
        if self._reason is not None and self._outcome is None:
            return defer.succeed(self._reason)
        closer: defer.Deferred[Exception] = defer.Deferred()
        self._closers.append(closer)
        if self._reason is None and len(self._closers) == 1:
            self._protocol.close(self._now(), reply_code, reply_text)
            self._flush_soon()
            if not self.is_closing:
                self._reactor.callLater(0, self._dispatch)
        return closer

    def update_secret(self, new_secret: str,
                      reason: str) -> defer.Deferred[frame.Method[spec.Connection.UpdateSecretOk]]:
        """Give the broker a new secret for this connection, such as a token in place of an old one.

        reason: for the broker's log. A broker that refuses closes the connection (rule 36).
        """
        pending: Pending[frame.Method[spec.Connection.UpdateSecretOk]] = Pending(
            self._abandon, lambda reply: frame.Method(0, reply.method))
        try:
            self._protocol.call(0, spec.Connection.UpdateSecret(new_secret, reason), pending)
        except exceptions.AMQPError:
            return defer.fail()
        self._flush_soon()
        return pending

    def add_on_connection_blocked_callback(self, callback: OnBlocked) -> None:
        """Have `callback(connection, method_frame)` called when the broker stops reading.

        `method_frame.method.reason` says why; see https://www.rabbitmq.com/docs/connection-blocked.
        """
        require_callback(callback)
        self._blocked_callbacks.append(callback)

    def add_on_connection_unblocked_callback(self, callback: OnUnblocked) -> None:
        """Have `callback(connection, method_frame)` called when the broker reads again."""
        require_callback(callback)
        self._unblocked_callbacks.append(callback)

    # What the transport calls.

    def connectionMade(self) -> None:
        """There is a stream to a broker."""
        self._tls_pending = hasattr(self.transport, 'getPeerCertificate')
        if hasattr(self.transport, 'setTcpNoDelay'):
            self.transport.setTcpNoDelay(True)  # what is written together is joined here already
        self._start(self._now())

    def handshakeCompleted(self) -> None:
        """Take note that TLS, where the endpoint has it, is ready."""
        self._tls_pending = False

    def dataReceived(self, data: bytes) -> None:
        """The broker has sent this."""
        self._heard = self._now()
        self._protocol.receive_data(data, self._heard)
        if not self._continuing:
            self._dispatch()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """The stream has ended."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self.transport = None
        self._unsent.clear()
        if isinstance(reason.value, error.ConnectionDone):
            self._protocol.receive_eof(self._now())
        else:
            self._protocol.connection_lost(self._explained(reason.value), self._now())
        self._dispatch()
        self._settle()

    def pauseProducing(self) -> None:
        """The transport has enough to send for now."""
        self._transport_is_full = True

    def resumeProducing(self) -> None:
        """The transport can take more."""
        self._transport_is_full = False
        self._write()

    def stopProducing(self) -> None:
        """The transport takes no more; `connectionLost` says the rest."""
        self._transport_is_full = True

    # Turns of the reactor.

    def _start(self, started: float) -> None:
        """Talk to the broker; `stack_timeout` counts from `started`."""
        self.transport.registerProducer(self, True)
        self._protocol.connect(started)
        self._dispatch()

    def _abandon(self, deferred: defer.Deferred[Any]) -> None:
        """The caller of a Deferred has cancelled it."""
        self._protocol.abandon(deferred)
        self._flush_soon()

    def _flush_soon(self) -> None:
        """See to it that what a command has queued is written: at the end of this turn."""
        if not self._will_flush:
            self._will_flush = True
            self._reactor.callLater(0, self._flush)
        elif self._protocol.bytes_pending >= WRITE_SIZE:
            self._write()

    def _flush(self) -> None:
        if not self._dispatching:
            self._will_flush = False
            self._write()

    def _write(self) -> None:
        """Write what is pending, as far as the transport takes it, and see to the timer.

        Large bodies wait here, by reference, and not in the transport, which copies them. The timer
        is moved only to an earlier moment: to look again when it fires costs less.
        """
        transport = self.transport
        unsent = self._unsent
        if self._protocol.bytes_pending:
            unsent.extend(self._protocol.data_to_send())
        if transport is None:
            unsent.clear()
        while transport is not None and unsent and not self._transport_is_full:
            chunks = [unsent.popleft()]
            size = len(chunks[0])
            while unsent and size + len(unsent[0]) <= WRITE_SIZE:
                size += len(unsent[0])
                chunks.append(unsent.popleft())
            transport.write(b''.join(chunks))  # that of Twisted takes no memoryview
        due = self._protocol.next_timeout()
        if due is not None and (self._timer is None or due < self._timer_due):
            self._cancel_timer()
            self._timer_due = due
            self._timer = self._reactor.callLater(max(0.0, due - self._now()), self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        due = self._protocol.next_timeout()
        now = self._now()
        if due is None or due > now or self._draining:
            self._write()
            return
        heartbeat: Any = self.params.heartbeat  # once open, an int
        if self.is_open and now < self._heard + heartbeat:
            # No silence to judge: our own heartbeat is due, and a busy program has no turn to lose.
            self._protocol.handle_timeout(now)
            self._write()
            return
        # Signs of life may wait in the kernel while the program was busy. A reactor reads between
        # the calls that are due in this turn and those in the next; only then is this moment
        # judged, and not that one: another call may have been busy in between.
        self._draining = True
        self._see_to_reading()
        self._reactor.callLater(0, self._judge, now)

    def _judge(self, moment: float) -> None:
        self._draining = False
        self._protocol.handle_timeout(moment)
        self._see_to_reading()
        if not self._continuing:
            self._dispatch()

    def _see_to_reading(self) -> None:
        if self.transport is None:
            return
        if self._continuing and not self._draining:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def _dispatch(self) -> None:
        """Hand out events for a while, then write."""
        if self._dispatching:
            return
        self._dispatching = self._will_flush = True
        until = self._now() + DISPATCH_SECONDS
        more = True
        try:
            for _ in range(DISPATCH_EVENTS):
                event = self._protocol.next_event()
                if event is None:
                    more = False
                    break
                self._HANDLERS[type(event)](self, event)
                if self._now() >= until:
                    break
        finally:
            self._dispatching = self._will_flush = False
            self._write()
            if more and not self._continuing:
                self._continuing = True
                self._see_to_reading()
                self._reactor.callLater(0, self._continue)

    def _continue(self) -> None:
        self._continuing = False
        self._dispatch()
        if not self._continuing:
            self._see_to_reading()

    def _run(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call what a user has given; what it raises is logged as itself."""
        try:
            callback(*arguments)
        except Exception:
            log.failure('raised by the callback {callback!r}', callback=callback)

    # Events.

    def _on_reply(self, event: events.Reply) -> None:
        channel = self._channels.get(event.channel)
        event.context.answer(event)
        if channel is not None:
            channel._fire_added(event.method)

    def _on_channel_event(self, event: Any) -> None:  # any event that has a channel
        channel = self._channels[event.channel]
        channel._HANDLERS[type(event)](channel, event)

    def _on_delivery(self, event: events.Delivery) -> None:
        self._channels[event.channel]._on_delivery(event)

    def _on_opened(self, event: events.Opened) -> None:
        self._opened = True
        log.info('Connection to {host} port {port} is open',
                 host=self.params.host,
                 port=self.params.port)
        self._tell_open()
        if not self.ready.called:
            self.ready.callback(self)

    def _tell_open(self) -> None:
        self._run(self.connectionReady)

    def _on_blocked(self, event: events.Blocked) -> None:
        for callback in self._blocked_callbacks:
            self._run(callback, self, frame.Method(0, event.method))

    def _on_unblocked(self, event: events.Unblocked) -> None:
        for callback in self._unblocked_callbacks:
            self._run(callback, self, frame.Method(0, event.method))

    def _on_channel_closed(self, event: events.ChannelClosed) -> None:
        self._channels.pop(event.channel)._end(event.reason, event.contexts)

    def _on_closed(self, event: events.Closed) -> None:
        self._write()
        self._cancel_timer()
        reason = self._outcome = event.reason
        if self._tls_pending and not isinstance(reason, TLSError):
            self._outcome = tls_error(self.params, f'the TLS handshake did not end: {reason}',
                                      reason)
        if self._opened or self._closers:
            self._end(reason, event.contexts)
        if self.transport is None:
            self._settle()
        elif isinstance(reason, DEAF) or isinstance(reason.__cause__, TimeoutError):
            self.transport.abortConnection()
        else:
            self._transport_is_full = False
            self._write()
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._linger = self._reactor.callLater(LINGER_SECONDS, self._give_up_stream)

    def _give_up_stream(self) -> None:
        self._linger = None
        self.transport.abortConnection()

    def _settle(self) -> None:
        """The stream is gone; if the protocol has ended, too, say so."""
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            return
        if self._reason is None:
            self._attempt_failed(outcome)
        else:
            self._tell(self._reason)

    def _attempt_failed(self, reason: Exception) -> None:
        """The stream did not lead to an open connection, and is gone."""
        self._end(reason, [])
        self._tell(reason)

    def _end(self, reason: Exception, contexts: list[defer.Deferred[Any]]) -> None:
        """The connection has ended, and so have its channels: tell those who wait for answers."""
        self._reason = reason
        log.info('Connection to {host} port {port} has ended: {reason}',
                 host=self.params.host,
                 port=self.params.port,
                 reason=reason)
        channels = list(self._channels.values())
        self._channels.clear()
        for channel in channels:  # first of all: whoever is told finds that all have ended
            channel._reason = reason
        for deferred in contexts:
            fail(deferred, reason)
        for channel in channels:
            channel._end(reason, [])

    def _tell(self, reason: Exception) -> None:
        """Nothing is left, no socket and no timer: tell those who wait for the end."""
        if self._opened:
            self.closed.callback(reason)
        elif self._closers:
            fail(self.ready, reason)
        else:
            self.ready.errback(reason)
        for closer in self._closers:
            closer.callback(reason)

    def _explained(self, cause: Any) -> Exception | None:
        """What broke the stream; until TLS is ready, as an error of TLS."""
        if not self._tls_pending:
            return cause  # type: ignore[no-any-return]  # a Failure is typed too widely
        result = tls_error(self.params, f'TLS handshake failed: {cause}', cause)
        result.recoverable = isinstance(cause, error.ConnectionLost)
        return result

    _HANDLERS: ClassVar[dict[type[events.Event], Callable[..., None]]] = {
        events.Delivery: _on_delivery,
        events.Reply: _on_reply,
        events.Confirmed: _on_channel_event,
        events.Returned: _on_channel_event,
        events.ConsumerCancelled: _on_channel_event,
        events.Flow: _on_channel_event,
        events.ChannelClosed: _on_channel_closed,
        events.Opened: _on_opened,
        events.Blocked: _on_blocked,
        events.Unblocked: _on_unblocked,
        events.Closed: _on_closed,
    }
