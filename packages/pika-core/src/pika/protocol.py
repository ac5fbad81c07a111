"""The connection: bytes and moments in, events and bytes out.

Rules, which all that is built on this file counts on:

1. No callback of the user runs in here. Credentials and a heartbeat callable are asked once, in the
handshake.
2. A context comes back exactly once: in the `Reply`, the `Confirmed`, or the one close event that
makes an answer impossible.
3. The same bytes, in any chunking and through either door, give the same events and the same
answers.
4. The clock is the owner's: `now` is monotonic seconds.
5. After `receive_*`, `connection_lost` and `handle_timeout` the owner pulls events until None,
writes `data_to_send()` and arms
   one timer for `next_timeout()`. After a command it only writes and arms the timer.
6. Any bytes give events, the last one perhaps a `Closed`; never an exception, and no more memory
than was negotiated
   and what really arrived.
"""

from __future__ import annotations

import copy

from pika import content, data, events, exceptions, frame, handshake, spec
from pika.calls import Call, CallQueue
from pika.channel_numbers import ChannelNumbers
from pika.channel_state import CLOSED, CLOSING, OPEN, ChannelState
from pika.deadlines import Deadlines
from pika.deliveries import Deliveries
from pika.outbox import Outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar

    from pika import amqp_object
    from pika.parameters import Parameters

IDLE = 'idle'
HANDSHAKE = 'handshake'
OPENED = 'open'
CLOSING_CONNECTION = 'closing'
ENDED = 'closed'

# Seconds to wait for the broker's Close-Ok: a blocked broker reads nothing (rule 18).
CLOSE_TIMEOUT = 10.0
# Seconds beyond the heartbeat timeout before silence is taken for death.
HEARTBEAT_GRACE = 5.0

_DELIVER = spec.Basic.Deliver
_SENT = frozenset((spec.Basic.Ack, spec.Basic.Nack, spec.Basic.Reject))
_NOT_CALLED = frozenset((spec.Channel.Open, spec.Basic.Consume, spec.Connection.Close,
                         spec.Connection.Open, spec.Connection.UpdateSecret, spec.Access.Request))


class Protocol:
    """One connection to a broker, without I/O.

    Args:
      parameters: what to ask for; the copy in `self.parameters` holds what was negotiated once
      `Opened` has come.
      connection: what a heartbeat callable gets as its first argument; this object unless given.

    Attributes:
      state: 'idle', 'handshake', 'open', 'closing' or 'closed'.
      server_properties: what the broker tells of itself; empty before Connection.Start.

    Raises:
      ParameterTypeError, ParameterValueError: a client property that cannot be sent.
    """

    def __init__(self, parameters: Parameters, connection: object = None) -> None:
        self.parameters = copy.deepcopy(parameters)
        data.encode_table([], self.parameters.client_properties, parameter='client_properties')
        self.state = IDLE
        self._outbox = Outbox()
        self._frames = frame.FrameReader(self._find_sink,
                                         self.parameters.frame_max - frame.OVERHEAD)
        self._max_payload = self.parameters.frame_max - frame.OVERHEAD
        self._handshake = handshake.Handshake(self.parameters, connection or self)
        self._numbers = ChannelNumbers()
        self._channels = self._numbers.channels
        self._deliveries = Deliveries(self._channels)
        self._calls = CallQueue()  # of channel 0
        self._deadlines = Deadlines()
        self._now = 0.0
        self._given_up: exceptions.AMQPConnectionError | None = None
        self._is_over = False  # the stream
        self._over_cause: Exception | None = None
        self._close: Call | None = None
        self._reason: Exception | None = None  # the broker's, when its Close crossed ours

    # What the owner may ask.

    @property
    def is_open(self) -> bool:
        """Whether commands are possible."""
        return self.state == OPENED

    @property
    def server_properties(self) -> dict[str, Any]:
        """What the broker tells of itself; empty before Connection.Start."""
        return self._handshake.server_properties

    @property
    def server_capabilities(self) -> dict[str, bool]:
        """The broker's extensions by name, such as 'publisher_confirms'."""
        capabilities = self.server_properties.get('capabilities')
        return capabilities if isinstance(capabilities, dict) else {}

    @property
    def bytes_pending(self) -> int:
        """Bytes that `data_to_send()` would hand over."""
        return self._outbox.pending

    # What the stream brings.

    def connect(self, now: float) -> None:
        """The stream is there: queue the protocol header.

        The broker has `stack_timeout` seconds to finish the handshake.
        """
        if self.state != IDLE:
            raise exceptions.ConnectionWrongStateError(
                f'connect() on a connection that is {self.state}')
        self.state = HANDSHAKE
        self._now = now
        self._outbox.write(frame.PROTOCOL_HEADER)
        if self.parameters.stack_timeout is not None:
            self._deadlines.set('handshake', now + self.parameters.stack_timeout)

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Take bytes from the stream; none matter once the connection is closed."""
        if self.state == ENDED:
            return
        self._heard(now)
        self._frames.feed(data if type(data) is bytes else bytes(data))

    def get_buffer(self, hint: int = -1) -> memoryview:
        """Room for the next bytes of the stream; mid-body it is the body's own memory.

        Valid until `buffer_updated`, which must follow before any other method of this object.
        `hint` is not used: the room never exceeds the rest of a frame or 64 KiB.
        """
        return self._frames.get_buffer()

    def get_body_buffer(self) -> memoryview | None:
        """The same mid-body; None elsewhere, where `receive_data` costs no more.

        Of a read that brings nothing `buffer_updated` need not be told.
        """
        return self._frames.get_body_buffer()

    def buffer_updated(self, size: int, now: float) -> None:
        """The first `size` bytes of what was lent have come from the stream."""
        if self.state == ENDED:
            return
        if size:  # a read that brought nothing is no sign of life
            self._heard(now)
        self._frames.buffer_updated(size)

    def receive_eof(self, now: float) -> None:
        """The peer will send no more; what it sent before comes first, often the reason (19)."""
        self._stream_over(None)

    def connection_lost(self, error: Exception | None, now: float) -> None:
        """The stream broke with this error. What came before is still parsed first."""
        self._stream_over(error)

    def data_to_send(self) -> list[bytes | memoryview]:
        """Hand over the chunks to write, in order; each is handed over once."""
        return self._outbox.take()

    # Time.

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due: seconds on the clock of `now`; None for never."""
        return self._deadlines.next()

    def handle_timeout(self, now: float, judge: bool = True) -> None:
        """The moment has come; too early, nothing happens.

        Drain the stream before: the broker's heartbeats wait there while a program is busy.

        judge: False where that could not be done: then silence is not taken for death, and is due
        at once when it is asked again.
        """
        for name in self._deadlines.take_due(now):
            if name == 'silence' and not judge:
                self._deadlines.set(name, now)
            else:
                self._TIMEOUTS[name](self, now)

    def _on_handshake_timeout(self, now: float) -> None:
        self._give_up(
            exceptions.AMQPConnectorStackTimeout(
                f'timeout: the peer sent no {self._handshake.awaits} within '
                f'{self.parameters.stack_timeout:g} s'))

    def _on_heartbeat_due(self, now: float) -> None:
        self._outbox.write(frame.HEARTBEAT_FRAME)
        self._deadlines.set('heartbeat', now + self._handshake.heartbeat / 2)

    def _on_silence(self, now: float) -> None:
        timeout = self._handshake.heartbeat
        self._give_up(
            exceptions.AMQPHeartbeatTimeout(
                f'nothing heard of the broker for {timeout + HEARTBEAT_GRACE:g} s, '
                f'the heartbeat timeout is {timeout} s'))

    def _on_blocked_timeout(self, now: float) -> None:
        self._give_up(
            exceptions.ConnectionBlockedTimeout(
                'the broker has blocked the connection for '
                f'{self.parameters.blocked_connection_timeout:g} s'))

    def _on_close_timeout(self, now: float) -> None:
        self._stream_over(TimeoutError(f'no Connection.CloseOk within {CLOSE_TIMEOUT:g} s'))

    _TIMEOUTS: ClassVar[dict[str, Callable[..., None]]] = {
        'handshake': _on_handshake_timeout,
        'heartbeat': _on_heartbeat_due,
        'silence': _on_silence,
        'blocked': _on_blocked_timeout,
        'close': _on_close_timeout,
    }

    def _heard(self, now: float) -> None:
        self._now = now
        heartbeat = self._handshake.heartbeat
        if heartbeat and self.state == OPENED:  # handshake and close have deadlines of their own
            self._deadlines.set('silence', now + heartbeat + HEARTBEAT_GRACE)

    # Commands.

    def open_channel(self, context: Any, number: int | None = None) -> int:
        """Open a channel and return its number; `Reply` with `Channel.OpenOk` brings `context`.

        number: 1 to the negotiated channel_max; the lowest free one unless given.

        Raises:
          ConnectionWrongStateError: the connection is not open.
          NoFreeChannels: all numbers are in use.
          ParameterTypeError, ParameterValueError: no such number, or one that is in use.
        """
        self._require_open()
        number = self._numbers.choose(number, self.parameters.channel_max)
        state = ChannelState(number, self._outbox, self._max_payload)
        self._channels[number] = state
        state.open(context)
        return number

    def call(self, channel: int, method: amqp_object.Method, context: Any = None) -> None:
        """Send a synchronous method when its turn comes; `Reply` brings `context`.

        A nowait method takes no context. `spec.Channel.Close` overtakes those that wait, which are
        dropped; what was published is sent before it, unless it waits behind a transaction's
        method. `ChannelClosed` brings its context. On channel 0 the only method is
        `spec.Connection.UpdateSecret`. Basic.Consume goes through `consume`, Channel.Open through
        `open_channel`.

        Raises:
          ChannelWrongStateError, ConnectionWrongStateError: not open.
          ParameterTypeError, ParameterValueError, ShortStringTooLong: a value cannot be sent;
          nothing was.
        """
        if channel == 0 and isinstance(method, spec.Connection.UpdateSecret):
            self._require_open()
            self._calls.push(Call(method, frame.method_frame(0, method, self._max_payload),
                                  context))
            self._outbox.write_all(self._calls.take_ready())
            return
        state = self._usable_channel(channel)
        if not method.synchronous or method.sender == 'server' or type(method) in _NOT_CALLED:
            raise exceptions.ParameterValueError(
                'method', method.NAME,
                'one that the broker answers, and not of consume, open_channel or close')
        state.call(method, context)

    def consume(self, channel: int, method: spec.Basic.Consume, context: Any, consumer: Any) -> str:
        """Start a consumer; `Reply` brings `context`, each `Delivery` shows `consumer`.

        Returns the consumer tag, which is made here, and set in `method`, if that has none. Raises
        as `call` does, and:

        Raises:
          DuplicateConsumerTag: the channel has a consumer with that tag.
        """
        return self._usable_channel(channel).consume(method, context, consumer)

    def publish(self,
                channel: int,
                exchange: str,
                routing_key: str,
                body: bytes | bytearray | memoryview | str = b'',
                properties: spec.BasicProperties | None = None,
                mandatory: bool = False,
                context: Any = None) -> int:
        """Publish a message; return its delivery tag, 0 without publisher confirms.

        body: a str is sent as UTF-8; bytes are referred to, other buffers copied, since their owner
        may change them.
        context: comes back in `Confirmed`; not allowed without publisher confirms. Raises as `call`
        does.
        """
        state = self._channels.get(channel)
        if state is None or state.phase != OPEN:
            state = self._usable_channel(channel)
        try:
            method_frame = state.publish_frames[exchange, routing_key, mandatory]
        except (KeyError, TypeError):
            method_frame = state.new_publish_frame(exchange, routing_key, mandatory)
        if type(body) is not bytes:
            body = content.as_bytes(body)
        encoded = b'\0\0' if properties is None else content.encode_properties(
            properties, self._max_payload)
        chunks = content.encode(method_frame, channel, encoded, body, self._max_payload)
        tag = 0
        if state.confirms is not None:
            tag = state.confirms.sent(context)
            if mandatory:
                state.confirms.sent_mandatory(tag, (exchange, routing_key), encoded, body)
        elif context is not None:
            raise exceptions.ParameterValueError(
                'context', context, 'None without publisher confirms, which would bring it back')
        if state.calls.barriers:  # as `send_chunks` does, whose call takes 4 % of a publish
            state.calls.push_chunks(chunks)
        else:
            self._outbox.write_all(chunks)
        return tag

    def ack(self, channel: int, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge one delivery, or with `multiple` all up to it (0: all).

        Raises as `call` does.
        A tag that is not outstanding makes the broker close the channel with 406 (rule 27).
        """
        state = self._channels.get(channel)
        if state is None or state.phase != OPEN:
            state = self._usable_channel(channel)
        encoded = frame.ack_frame(channel, delivery_tag, multiple)
        if encoded is None or state.calls.barriers:
            self.send(channel, spec.Basic.Ack(delivery_tag, multiple))
        else:
            self._outbox.write(encoded)

    def send(self, channel: int,
             method: spec.Basic.Ack | spec.Basic.Nack | spec.Basic.Reject) -> None:
        """Send an ack, nack or reject. Raises as `call` does."""
        state = self._channels.get(channel)
        if state is None or state.phase != OPEN:
            state = self._usable_channel(channel)
        if type(method) not in _SENT:
            raise exceptions.ParameterTypeError('method', method,
                                                'Basic.Ack, Basic.Nack or Basic.Reject')
        encoded = frame.method_frame(channel, method)
        least = 0 if getattr(method, 'multiple', False) else 1
        if not least <= method.delivery_tag <= frame.LAST_TAG:
            raise exceptions.ParameterValueError('delivery_tag', method.delivery_tag,
                                                 'the tag of a delivery; 0 only with multiple')
        state.send_chunks([encoded])

    def abandon(self, context: Any) -> None:
        """The caller no longer waits for `context`: it will not come back.

        An unsent call is taken back; the late answer of a sent one is swallowed: a late message of
        Basic.Get is requeued, a late consumer cancelled, a late channel closed, of which only
        `ChannelClosed` tells. Takes time in proportion to what is outstanding.
        """
        if context is None:
            return
        if self._close is not None and self._close.context is context:
            self._close.wanted = False
            return
        if self._calls.abandon(context) is not None:
            return
        for state in self._channels.values():
            if state.abandon(context):
                return

    def close(self,
              now: float,
              code: int = spec.REPLY_SUCCESS,
              text: str = 'Normal shutdown',
              context: Any = None) -> None:
        """Close the connection; `Closed` brings `context`, after `CLOSE_TIMEOUT` at the latest.

        Before it is open, closing means giving up: `Closed` comes with `ConnectionOpenAborted`.

        Raises:
          ConnectionWrongStateError: it is closing or closed already.
        """
        if self.state in (CLOSING_CONNECTION, ENDED) or self._close is not None:
            raise exceptions.ConnectionWrongStateError(
                f'close() on a connection that is {self.state}')
        method = spec.Connection.Close(code, text, 0, 0)
        encoded = frame.method_frame(0, method)
        self._close = Call(method, encoded, context)
        if self.state != OPENED:
            self._give_up(
                exceptions.ConnectionOpenAborted(
                    f'closed by the client before it was open: ({code}) {text!r}'))
            self._deadlines.set('close', now)  # the event is there already
            return
        for channel in self._channels.values():
            channel.stop()
        self.state = CLOSING_CONNECTION
        self._outbox.write(encoded)
        self._deadlines.clear_all()
        self._deadlines.set('close', now + CLOSE_TIMEOUT)

    def _require_open(self) -> None:
        if self.state != OPENED:
            raise exceptions.ConnectionWrongStateError(
                f'the connection is not open, it is {self.state}')

    def _usable_channel(self, channel: int) -> ChannelState:
        self._require_open()
        state = self._channels.get(channel)
        if state is None:
            raise exceptions.ChannelWrongStateError('Channel is closed.')
        if state.phase == CLOSING:
            raise exceptions.ChannelWrongStateError('Channel is closing.')
        return state

    # Events.

    def next_event(self) -> events.Event | None:
        """Parse at most one event's worth; None when more bytes are needed. Never raises."""
        if self.state == ENDED:
            return None
        if self._close is not None and self._given_up is not None:  # before it was open
            return self._closed(self._given_up)
        try:
            while True:
                if self.state == OPENED:
                    delivery = self._deliveries.take(self._frames)
                    if delivery is not None:
                        return delivery
                place = self._frames.next()
                if place is None:
                    break
                kind, channel, start, end = place
                event = self._FRAMES[kind](self, channel, start, end)
                if event is not None:
                    return event
        except exceptions.InvalidFrameError as error:
            # No resynchronisation is possible, and no byte is worth sending (rule 13).
            if self._handshake.awaits == handshake.START:
                return self._closed(handshake.not_amqp(self._frames.beginning))
            return self._closed(exceptions.ProtocolViolationError(spec.FRAME_ERROR, str(error)))
        except exceptions.ProtocolViolationError as error:
            if self.state == OPENED:
                text = error.reply_text.encode()[:255].decode('utf-8', 'ignore')
                self._outbox.write(
                    frame.method_frame(0, spec.Connection.Close(error.reply_code, text, 0, 0)))
            return self._closed(error)
        if self._given_up is not None:
            return self._closed(self._given_up)
        if self._is_over:
            return self._closed(self._over_reason())
        return None

    def _find_sink(self, channel: int, size: int) -> content.IncomingContent | None:
        """Where a body frame goes that is still arriving; nowhere if it is wrong or unwanted."""
        state = self._channels.get(channel)
        if self.state != OPENED or state is None or state.phase == CLOSING:
            return None
        incoming = state.incoming
        return incoming if incoming is not None and incoming.expects(size) else None

    def _on_method(self, channel: int, start: int, end: int) -> events.Event | None:
        buffer = self._frames.buffer
        if channel == 0:
            return self._on_connection_method(frame.decode_method(buffer, start, end))
        state = self._channels.get(channel)
        if state is None or self.state != OPENED:
            state = self._receiving_channel(channel)
            if state is None:
                return None
        method = frame.decode_method(buffer, start, end)
        if type(method) is _DELIVER:
            self._deliveries.learn(channel, method, buffer, start, end)
        event = state.on_method(method)
        if state.phase == CLOSED:
            self._numbers.release(channel)
        return event

    def _on_header(self, channel: int, start: int, end: int) -> events.Event | None:
        state = self._receiving_channel(channel)
        return None if state is None else state.on_header(self._frames.buffer, start, end)

    def _on_body(self, channel: int, start: int, end: int) -> events.Event | None:
        state = self._receiving_channel(channel)
        return None if state is None else state.on_body(self._frames.buffer, start, end)

    def _on_streamed_body(self, channel: int, start: int, end: int) -> events.Event | None:
        state = self._receiving_channel(channel)
        return None if state is None else state.on_streamed_body(end)

    def _on_heartbeat(self, channel: int, start: int, end: int) -> None:
        if channel or start != end:  # rule 5
            raise exceptions.ProtocolViolationError(
                spec.FRAME_ERROR, f'heartbeat of {end - start} bytes on channel {channel}')

    _FRAMES: ClassVar[dict[int, Callable[..., events.Event | None]]] = {
        frame.METHOD: _on_method,
        frame.HEADER: _on_header,
        frame.BODY: _on_body,
        frame.STREAMED_BODY: _on_streamed_body,
        frame.HEARTBEAT: _on_heartbeat,
    }

    def _receiving_channel(self, channel: int) -> ChannelState | None:
        """The channel of a frame; None while closing, when the frame is dropped (rule 15)."""
        state = self._channels.get(channel)
        if self.state == OPENED and state is not None:
            return state
        if self.state == CLOSING_CONNECTION:
            return None
        if self.state == HANDSHAKE:
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID, f'frame on channel {channel} in the handshake, where '
                f'{self._handshake.awaits} is due')
        if channel == 0:
            raise exceptions.ProtocolViolationError(spec.UNEXPECTED_FRAME,
                                                    'content frame on channel 0')
        raise exceptions.ProtocolViolationError(spec.CHANNEL_ERROR,
                                                f'frame on channel {channel}, which is not open')

    def _on_connection_method(self, method: amqp_object.Method) -> events.Event | None:
        if type(method) is spec.Connection.Close:
            return self._on_close(method)
        if self.state == HANDSHAKE:
            return self._on_handshake_method(method)
        if type(method) is spec.Connection.CloseOk and self.state == CLOSING_CONNECTION:
            return self._closed(self._close_reason())
        if self.state == CLOSING_CONNECTION:
            return None
        if self._calls.answers(method):
            call = self._calls.take_answered()
            self._outbox.write_all(self._calls.take_ready())
            return events.Reply(0, method, call.context) if call.wanted else None
        handler = self._METHODS.get(type(method))
        if handler is None:
            raise exceptions.ProtocolViolationError(spec.COMMAND_INVALID,
                                                    f'unexpected {method.NAME} on channel 0')
        return handler(self, method)

    def _on_handshake_method(self, method: amqp_object.Method) -> events.Event | None:
        try:
            answers = self._handshake.on_method(method)
            frames = [frame.method_frame(0, answer) for answer in answers]
        except exceptions.ProtocolViolationError:
            raise
        except Exception as error:  # what the user's code raises fails the connection as itself
            return self._closed(error)
        for encoded in frames:
            self._outbox.write(encoded)
        if type(method) is spec.Connection.Tune:
            self._max_payload = self.parameters.frame_max - frame.OVERHEAD
            self._frames.max_payload = self._max_payload
        if self._handshake.awaits != handshake.DONE:
            return None
        self.state = OPENED
        self._deadlines.clear('handshake')
        if self._handshake.heartbeat:
            self._deadlines.set('heartbeat', self._now + self._handshake.heartbeat / 2)
            self._heard(self._now)
        return events.Opened()

    def _on_close(self, method: spec.Connection.Close) -> events.Event | None:
        self._outbox.write(frame.method_frame(0, spec.Connection.CloseOk()))
        reason = self._handshake.refusal(method)
        if self.state == CLOSING_CONNECTION:  # crossing: answer, and keep waiting (rule 15)
            self._reason = reason
            return None
        return self._closed(reason)

    def _on_blocked(self, method: spec.Connection.Blocked) -> events.Event:
        timeout = self.parameters.blocked_connection_timeout
        if timeout is not None and not self._deadlines.is_set('blocked'):
            self._deadlines.set('blocked', self._now + timeout)
        return events.Blocked(method)

    def _on_unblocked(self, method: spec.Connection.Unblocked) -> events.Event:
        self._deadlines.clear('blocked')
        return events.Unblocked(method)

    _METHODS: ClassVar[dict[type, Callable[..., events.Event]]] = {
        spec.Connection.Blocked: _on_blocked,
        spec.Connection.Unblocked: _on_unblocked,
    }

    # The end.

    def _give_up(self, reason: exceptions.AMQPConnectionError) -> None:
        """End the connection for a reason of ours, once what has arrived is parsed."""
        self._given_up = self._given_up or reason

    def _stream_over(self, cause: Exception | None) -> None:
        """There is no more stream, for this cause if it broke; the first cause stays."""
        if not self._is_over:
            self._is_over = True
            self._over_cause = cause

    def _over_reason(self) -> Exception:
        """What it means that the stream is over now."""
        if self.state == CLOSING_CONNECTION:
            return self._close_reason()
        cause = self._over_cause
        if isinstance(cause, exceptions.AMQPConnectionError) and (self.state == OPENED or
                                                                  cause.phase is not None):
            return cause  # the transport knows better, as with an alert of TLS
        if self.state == HANDSHAKE:
            reason = handshake.hung_up(self._handshake.awaits, self._frames.beginning)
        else:
            what = 'the broker closed it without a Connection.Close' if cause is None else cause
            reason = exceptions.StreamLostError(f'the stream to the broker was lost: {what}')
        reason.__cause__ = cause
        return reason

    def _close_reason(self) -> Exception:
        """Why a closing connection is closed: the broker's reason, if its Close crossed ours."""
        if self._reason is not None:
            return self._reason
        assert self._close is not None
        asked = self._close.method
        assert isinstance(asked, spec.Connection.Close)
        reason = exceptions.ConnectionClosedByClient(asked.reply_code, asked.reply_text)
        reason.__cause__ = self._over_cause  # why the broker has not confirmed, if it has not
        return reason

    def _closed(self, reason: Exception) -> events.Event:
        if isinstance(reason, exceptions.AMQPConnectionError) and reason.host is None:
            reason.host = self.parameters.host
            reason.port = self.parameters.port
            reason.phase = 'handshake' if self.state in (IDLE, HANDSHAKE) else 'open'
        contexts = self._calls.contexts()
        for state in self._channels.values():
            contexts += state.contexts()
        if self._close is not None and self._close.wanted and self._close.context is not None:
            contexts.append(self._close.context)
        self.state = ENDED
        self._channels.clear()
        self._deadlines.clear_all()
        self._frames = frame.FrameReader(self._find_sink, 0)
        return events.Closed(reason, contexts)
