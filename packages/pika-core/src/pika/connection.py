"""A connection with callbacks, over `pika.protocol.Protocol` and whatever moves the bytes.

Rule: a callback of the user runs in `Connection._dispatch` and nowhere else, one at a time, never
inside a call that the user makes. Nothing here knows how the bytes move: that is the adapter's
part, a subclass.

A dispatch hands out what has arrived, then writes once and sees to one timer. It is bounded, so
that many waiting deliveries hold back neither acks nor heartbeats; what is left follows in the next
turn of the loop, and until then nothing is read. What a callback raises comes out of the loop as
itself, with a note that says which callback it was; the connection stays as it is.
"""

from __future__ import annotations

import copy
import logging
from collections import deque

from pika import events, exceptions, frame, spec
from pika import protocol as pika_protocol
from pika.channel import FLUSH_AT, Channel
from pika.handshake import PRODUCT as PRODUCT
from pika.parameters import ConnectionParameters as ConnectionParameters
from pika.parameters import Parameters as Parameters
from pika.parameters import SSLOptions as SSLOptions
from pika.parameters import URLParameters as URLParameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, NoReturn, Protocol, Union

    from typing_extensions import Self

    Chunk = Union[bytes, memoryview]
    # What runs it (for the note), the callback, its arguments.
    Call = tuple[str, Callable[..., object], tuple[object, ...]]

    class Timer(Protocol):
        """What `_call_at` returns."""

        def cancel(self) -> object:
            """Do not call any more; no harm when it is too late."""

    class Transport(Protocol):
        """The stream to the broker, as an adapter gives it to `connection_made`."""

        def writelines(self, chunks: list[Chunk], /) -> None:
            """Send these, now or when possible, after all before; nothing changes them."""

        def close(self) -> None:
            """Send what was written, then close."""

        def abort(self) -> None:
            """Close now; no harm when it is closed."""

        def pause_reading(self) -> None:
            """Call `data_received` no more until `resume_reading`."""

        def resume_reading(self) -> None:
            """Read again."""

        def drain(self) -> bool:
            """Hand to `data_received` at once what the kernel holds, reading paused or not.

            False: only the loop can read. Then reading is resumed, and silence judged later.
            """
            ...


LOGGER = logging.getLogger(__name__)

DISPATCH_EVENTS = 200  # events in one turn of the loop
DISPATCH_SECONDS = 0.005
JOIN_UP_TO = 2 * FLUSH_AT  # bytes; large bodies go out by reference
LINGER_SECONDS = 10.0  # for a peer that does not take our last bytes
LATE_SECONDS = 0.05  # a timer that is called later: the loop was busy, and has not read either


def raise_open_error(connection: Connection, error: Exception) -> NoReturn:
    """Raise the error out of the loop: what happens without an on_open_error_callback."""
    raise error


class Connection:
    """A connection to a broker; it begins to connect when it is made, and the loop does the rest.

    For programs, who use a subclass such as `pika.SelectConnection`: of `on_open_error_callback`
    and `on_close_callback` exactly one is called, once. As a context manager it is closed, or given
    up, at the end of the block, unless it is closed or closing already.

    Args:
      parameters: where and how to connect; a copy is kept. None: `ConnectionParameters()`.
      on_open_callback: called with the connection when channels can be opened.
      on_open_error_callback: called with the connection and the error when that failed, after all
        addresses and attempts. Without one the error comes out of the loop.
      on_close_callback: called with the connection and the reason when an open connection has
        ended: `ConnectionClosedByClient`, `ConnectionClosedByBroker`, `StreamLostError`,
        `AMQPHeartbeatTimeout`, `ConnectionBlockedTimeout` or another `AMQPConnectionError`.
      internal_connection_workflow: False leaves connecting to others, who call `connection_made`.

    Attributes:
      params: the copy of the parameters; once open, with what was negotiated.
      bytes_sent, bytes_received: so far, on the present stream.

    For adapters: a subclass gives `_start_connecting`, `_stop_connecting`, `_call_soon`, `_call_at`
    and `_now`, and calls, in this order, `connection_made` once there is a stream, `data_received`
    and `eof_received` as they happen, and `connection_lost` when the stream has ended, however.
    When no stream can be had it calls `connect_failed`. A stream on which the broker does not
    complete the handshake comes back in `_attempt_failed`; the adapter may try the next address.
    """

    CONNECTION_CLOSED = 0
    CONNECTION_INIT = 1
    CONNECTION_PROTOCOL = 2
    CONNECTION_START = 3
    CONNECTION_TUNE = 4
    CONNECTION_OPEN = 5
    CONNECTION_CLOSING = 6

    known_hosts = ''  # reserved in 0-9-1: the broker has nothing to say (clause 1.4.2.8)

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[Self], object] | None = None,
                 on_open_error_callback: Callable[[Self, Exception], object] | None = None,
                 on_close_callback: Callable[[Self, Exception], object] | None = None,
                 internal_connection_workflow: bool = True) -> None:
        if parameters is None:
            parameters = ConnectionParameters()
        elif not isinstance(parameters, Parameters):
            raise exceptions.ParameterTypeError('parameters', parameters, 'Parameters or None')
        self.bytes_sent = 0
        self.bytes_received = 0
        self._asked = copy.deepcopy(
            parameters)  # each attempt negotiates, and erases credentials, on a copy
        self._channels: dict[int, Any] = {}  # a Channel, or what an adapter has for it
        self._on_open: list[Callable[[Self], object]] = []
        self._on_open_error: list[Callable[[Self, Exception], object]] = []
        self._raise_open_error = True  # nobody has said what else to do with it
        self._on_close: list[Callable[[Self, Exception], object]] = []
        self._on_blocked: list[Callable[..., object]] = []
        self._on_unblocked: list[Callable[..., object]] = []
        self._transport: Transport | None = None
        self._timer: Timer | None = None
        self._timer_due = 0.0
        self._linger: Timer | None = None
        self._calls: deque[Call] = deque()  # callbacks that are due before the next event
        self._dispatching = False
        self._continuing = False  # a dispatch was cut short; until the rest is out, none is read
        self._will_flush = False
        # When silence was not judged, to let the loop read first what the kernel holds.
        self._looked: float | None = None
        self._opened = False
        self._aborted = False  # closed by the client before it was open
        self._ended = False
        self.params: Parameters
        self._renew()
        if on_open_callback is not None:
            self.add_on_open_callback(on_open_callback)
        if on_open_error_callback is not None:
            self.add_on_open_error_callback(on_open_error_callback)
        if on_close_callback is not None:
            self.add_on_close_callback(on_close_callback)
        if internal_connection_workflow:
            self._start_connecting()

    def _renew(self) -> None:
        """A protocol for the next attempt."""
        self._protocol = pika_protocol.Protocol(self._asked, self)
        self.params = self._protocol.parameters

    # What programs use.

    @property
    def is_open(self) -> bool:
        """Whether channels can be opened."""
        return self._protocol.state == pika_protocol.OPENED

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it and the end has not come yet."""
        return not self._ended and (self._aborted or
                                    self._protocol.state == pika_protocol.CLOSING_CONNECTION)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or could not be opened."""
        return self._ended

    @property
    def connection_state(self) -> int:
        """One of the constants `CONNECTION_CLOSED` to `CONNECTION_CLOSING`."""
        if self._ended:
            return self.CONNECTION_CLOSED
        if self.is_closing:
            return self.CONNECTION_CLOSING
        if self._protocol.state == pika_protocol.HANDSHAKE:
            return self.CONNECTION_START if self.server_properties else self.CONNECTION_PROTOCOL
        return self.CONNECTION_OPEN if self.is_open else self.CONNECTION_INIT

    @property
    def server_properties(self) -> Mapping[str, Any]:  # a table holds whatever the broker sends
        """What the broker tells of itself; empty before it does."""
        return self._protocol.server_properties

    @property
    def server_capabilities(self) -> Mapping[str, bool]:
        """The broker's extensions by name ('publisher_confirms'); empty before it tells them."""
        return self._protocol.server_capabilities

    @property
    def basic_nack(self) -> bool:
        """Whether the broker has basic.nack."""
        return bool(self.server_capabilities.get('basic.nack'))

    @property
    def consumer_cancel_notify(self) -> bool:
        """Whether the broker tells when it cancels a consumer."""
        return bool(self.server_capabilities.get('consumer_cancel_notify'))

    @property
    def exchange_exchange_bindings(self) -> bool:
        """Whether the broker binds exchanges to exchanges."""
        return bool(self.server_capabilities.get('exchange_exchange_bindings'))

    @property
    def publisher_confirms(self) -> bool:
        """Whether the broker confirms what is published."""
        return bool(self.server_capabilities.get('publisher_confirms'))

    def add_on_open_callback(self, callback: Callable[[Self], object]) -> None:
        """Have `callback(connection)` called when the connection is open."""
        self._on_open.append(_checked(callback))

    def add_on_open_error_callback(self,
                                   callback: Callable[[Self, Exception], object],
                                   remove_default: bool = True) -> None:
        """Have `callback(connection, error)` called when the connection could not be opened.

        remove_default: the error does not come out of the loop besides.
        """
        self._on_open_error.append(_checked(callback))
        if remove_default:
            self._raise_open_error = False

    def add_on_close_callback(self, callback: Callable[[Self, Exception], object]) -> None:
        """Have `callback(connection, reason)` called when a connection that was open has ended."""
        self._on_close.append(_checked(callback))

    def add_on_connection_blocked_callback(
            self, callback: Callable[[Self, frame.Method[spec.Connection.Blocked]],
                                     object]) -> None:
        """Have `callback(connection, method_frame)` called when the broker stops reading.

        `method_frame.method.reason` says why; see https://www.rabbitmq.com/docs/connection-blocked.
        """
        self._on_blocked.append(_checked(callback))

    def add_on_connection_unblocked_callback(
            self, callback: Callable[[Self, frame.Method[spec.Connection.Unblocked]],
                                     object]) -> None:
        """Have `callback(connection, method_frame)` called when the broker reads again."""
        self._on_unblocked.append(_checked(callback))

    def channel(self,
                channel_number: int | None = None,
                on_open_callback: Callable[[Channel], object] | None = None) -> Channel:
        """Return a channel that opens; use it once `on_open_callback(channel)` is called.

        channel_number: 1 to `params.channel_max`; the lowest free one unless given.

        Raises:
          ConnectionWrongStateError: the connection is not open.
          NoFreeChannels: all numbers are in use.
          ParameterTypeError, ParameterValueError: no such number, or one that is in use.
        """
        channel = Channel(self, channel_number or 0, on_open_callback)
        channel.open()
        return channel

    def close(self, reply_code: int = 200, reply_text: str = 'Normal shutdown') -> None:
        """Close the connection and its channels; `on_close_callback` tells when that is done.

        What was published before is sent before. Before the connection is open this gives up, and
        `on_open_error_callback` gets `ConnectionOpenAborted`.

        Raises:
          ConnectionWrongStateError: it is closing or closed already.
        """
        if self._aborted or self._ended:
            raise exceptions.ConnectionWrongStateError(
                f'close() on a connection that is {"closed" if self._ended else "closing"}')
        self._protocol.close(self._now(), reply_code, reply_text)
        for channel in self._channels.values():
            channel._state = Channel.CLOSING
        if self.is_closing:
            self._flush_soon()
        else:
            self._aborted = True
            self._call_soon(self._dispatch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if not (self.is_closing or self.is_closed):
            self.close()

    def update_secret(
        self,
        new_secret: str,
        reason: str,
        callback: Callable[[frame.Method[spec.Connection.UpdateSecretOk]], object] | None = None
    ) -> None:
        """Give the broker a new secret for this connection, such as a token in place of an old one.

        A broker that refuses them closes the connection (rule 36).

        Raises:
          ConnectionWrongStateError: the connection is not open.
        """
        if callback is not None:
            _checked(callback)
        self._protocol.call(0, spec.Connection.UpdateSecret(new_secret, reason), callback)
        self._flush_soon()

    # What the adapter gives.

    def _start_connecting(self) -> None:
        """Begin to connect; what comes of it is told later, never before this returns."""
        raise NotImplementedError

    def _stop_connecting(self) -> None:
        """The client has given up: connect no more."""
        raise NotImplementedError

    def _attempt_failed(self, error: Exception) -> None:
        """The handshake failed: try the next address, or call `connect_failed`."""
        self.connect_failed(error)

    def _call_soon(self, callback: Callable[[], None]) -> object:
        """Have `callback` called in the next turn of the loop."""
        raise NotImplementedError

    def _call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called at `when`, on the clock of `_now`."""
        raise NotImplementedError

    def _now(self) -> float:
        """Monotonic seconds."""
        raise NotImplementedError

    # What the adapter calls.

    def connection_made(self, transport: Transport, started: float | None = None) -> None:
        """There is a stream to a broker.

        started: when this attempt began: `stack_timeout` counts from there. Now, unless given.
        """
        if self._aborted or self._ended:
            transport.abort()
            return
        self.bytes_sent = self.bytes_received = 0
        self._transport = transport
        self._protocol.connect(self._now() if started is None else started)
        self._dispatch()

    def data_received(self, data: bytes) -> None:
        """The broker has sent this."""
        self.bytes_received += len(data)
        self._protocol.receive_data(data, self._now())
        self._dispatch()

    def get_body_buffer(self) -> memoryview | None:
        """Where the next bytes may be read to, amid a large body; None elsewhere.

        For adapters that can: it saves a copy of what `data_received` would get.
        """
        return self._protocol.get_body_buffer()

    def body_received(self, size: int) -> None:
        """The broker has sent so many bytes into what `get_body_buffer` gave."""
        self.bytes_received += size
        self._protocol.buffer_updated(size, self._now())
        self._dispatch()

    def eof_received(self) -> None:
        """The broker sends no more."""
        self._protocol.receive_eof(self._now())
        self._dispatch()

    def connection_lost(self, error: Exception | None) -> None:
        """The stream that was made last has ended; None: not by an error."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._transport is None:
            return
        self._transport = None
        self._protocol.connection_lost(error, self._now())
        self._dispatch()

    def connect_failed(self, error: Exception) -> None:
        """No stream could be had, or no more are tried."""
        if not self._ended:
            self._end(error)
            self._dispatch()

    # Turns of the loop.

    def _flush_soon(self) -> None:
        """See to it that what a command has queued is written: at the end of this turn."""
        if not self._will_flush:
            self._will_flush = True
            self._call_soon(self._flush)
        elif self._protocol.bytes_pending >= FLUSH_AT:
            self._write()

    def _flush(self) -> None:
        if not self._dispatching:
            self._will_flush = False
            self._write()

    def _write(self) -> None:
        """Write what is pending and see to the timer.

        It is moved only to an earlier moment: to look again when it fires costs less than to move
        it with each read.
        """
        protocol = self._protocol
        pending = protocol.bytes_pending
        if pending and self._transport is not None:
            self.bytes_sent += pending
            chunks = protocol.data_to_send()
            # A hundred acks are a hundred chunks: one copy costs less than what each would later.
            self._transport.writelines([b''.join(chunks)] if pending <= JOIN_UP_TO else chunks)
        due = protocol.next_timeout()
        if due is not None and (self._timer is None or due < self._timer_due):
            self._cancel_timer()
            self._timer_due = due
            self._timer = self._call_at(due, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        due = self._protocol.next_timeout()
        now = self._now()
        if due is not None and due <= now:
            # The broker's heartbeats may wait in the kernel while the program was busy.
            drained = self._transport is None or self._transport.drain()
            late = self._continuing or now > due + LATE_SECONDS
            # Not again, unless something has come since.
            look = not drained and late and due != self._looked
            now = self._now()
            self._protocol.handle_timeout(now, judge=not look)
            if look:
                self._looked = self._timer_due = now
                self._timer = self._call_at(now + LATE_SECONDS, self._on_timer)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand out events for a while, then write."""
        if self._dispatching:
            return
        self._dispatching = self._will_flush = True
        protocol = self._protocol
        calls = self._calls
        handlers = self._HANDLERS
        now = self._now
        until = now() + DISPATCH_SECONDS
        call: Call | None = None
        event: events.Event | None = None
        more = True
        try:
            for _ in range(DISPATCH_EVENTS):
                if calls:
                    call = calls.popleft()
                    call[1](*call[2])
                    call = None
                else:
                    event = protocol.next_event()
                    if event is None:
                        more = False
                        break
                    handlers[type(event)](self, event)
                if now() >= until:
                    break
        except BaseException as error:
            _note(error, call, event)
            raise
        finally:
            self._dispatching = self._will_flush = False
            self._write()
            if more and not self._continuing:
                self._continuing = True
                if self._transport is not None:
                    self._transport.pause_reading()
                self._call_soon(self._continue)

    def _continue(self) -> None:
        self._continuing = False
        self._dispatch()
        if not self._continuing and self._transport is not None:
            self._transport.resume_reading()

    # Events.

    def _on_delivery(self, event: events.Delivery) -> None:
        channel, callback = event.consumer
        callback(channel, event.method, event.properties, event.body)

    def _on_channel_event(self, event: Any) -> None:  # any event that has a channel
        channel = self._channels[event.channel]
        channel._HANDLERS[type(event)](channel, event)

    def _on_reply(self, event: events.Reply) -> None:
        if event.channel:
            self._channels[event.channel]._on_reply(event)
        elif event.context is not None:
            self._calls.append((event.method.NAME, event.context, (frame.Method(0, event.method),)))

    def _on_opened(self, event: events.Opened) -> None:
        self._opened = True
        LOGGER.info('Connection to %s port %s is open', self.params.host, self.params.port)
        for callback in self._on_open:
            self._calls.append(('connection open', callback, (self,)))

    def _on_blocked_event(self, event: events.Blocked | events.Unblocked) -> None:
        callbacks = self._on_blocked if type(event) is events.Blocked else self._on_unblocked
        for callback in callbacks:
            self._calls.append((event.method.NAME, callback, (self, frame.Method(0, event.method))))

    def _on_closed(self, event: events.Closed) -> None:
        self._write()
        self._cancel_timer()
        transport = self._transport
        self._transport = None
        if transport is not None and isinstance(event.reason.__cause__, TimeoutError):
            transport.abort()  # it has taken nothing for long enough
        elif transport is not None:
            self._linger = self._call_at(self._now() + LINGER_SECONDS, transport.abort)
            transport.close()
        if self._opened:
            self._end(event.reason)
        elif self._aborted:
            self._stop_connecting()
            self._end(event.reason)
        else:
            self._renew()
            self._attempt_failed(event.reason)

    def _end(self, reason: Exception) -> None:
        self._ended = True
        LOGGER.info('Connection to %s port %s has ended: %s', self.params.host, self.params.port,
                    reason)
        if isinstance(reason, exceptions.ConnectionClosedByClient):
            ended: Exception = exceptions.ChannelClosedByClient(reason.reply_code,
                                                                reason.reply_text)
        else:
            ended = reason
        for channel in list(self._channels.values()):
            channel._end(ended)
        for callback in self._on_close if self._opened else self._on_open_error:
            self._calls.append(('connection end', callback, (self, reason)))
        if self._raise_open_error and not self._opened:
            self._calls.append(('connection end', raise_open_error, (self, reason)))

    _HANDLERS: ClassVar[dict[type[events.Event], Callable[..., None]]] = {
        events.Delivery: _on_delivery,
        events.Reply: _on_reply,
        events.Confirmed: _on_channel_event,
        events.Returned: _on_channel_event,
        events.ConsumerCancelled: _on_channel_event,
        events.Flow: _on_channel_event,
        events.ChannelClosed: _on_channel_event,
        events.Opened: _on_opened,
        events.Blocked: _on_blocked_event,
        events.Unblocked: _on_blocked_event,
        events.Closed: _on_closed,
    }


def _checked(callback: Any) -> Any:
    if not callable(callback):
        raise exceptions.ParameterTypeError('callback', callback, 'callable')
    return callback


def _note(error: BaseException, call: Call | None, event: events.Event | None) -> None:
    """Say which callback raised."""
    if call is not None:
        text = f'raised by the callback {call[1]!r} for {call[0]}'
    elif isinstance(event, events.Delivery):
        text = (f'raised by the on_message_callback {event.consumer[1]!r} of consumer '
                f'{event.method.consumer_tag!r} on channel {event.channel}')
    else:
        text = f'raised while handling {type(event).__name__}'
    # What add_note does, which came with Python 3.11; pyright and mypy look at older ones.
    error.__notes__ = [*getattr(error, '__notes__', ()), text]  # type: ignore[attr-defined]
