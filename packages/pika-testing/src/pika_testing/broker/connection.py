"""The broker's side of one connection, without I/O: bytes and moments in, bytes out.

Rule: as with `pika.protocol`, the owner brings bytes and the time, writes what `data_to_send()`
gives, and arms one timer for `next_timeout()`. Other connections may give this one something to
send: then `on_output` is called.
"""

from __future__ import annotations

import logging

from pika import content, exceptions, frame, spec
from pika.amqp_object import Method

from pika_testing.broker import broken
from pika_testing.broker.channel import Channel
from pika_testing.broker.login import Login
from pika_testing.broker.refusals import HangUp, Refusal, octets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Union

    from pika_testing.broker.broker import MemoryBroker
    from pika_testing.broker.permissions import User
    from pika_testing.broker.queues import Queue
    from pika_testing.broker.virtual_host import VirtualHost

    Chunk = Union[bytes, memoryview]

LOGGER = logging.getLogger(__name__)

LOGIN = 'login'
OPEN = 'open'
CLOSING = 'closing'
ENDED = 'ended'

# Bytes unsent beyond which no more is delivered until they have gone.
CONGESTED = 1024 * 1024
_SHOWN = 60  # bytes of a body in a log
_CLOSE_OK = frame.method_frame(0, spec.Connection.CloseOk())
_CONTENT = (spec.Basic.Publish, spec.Basic.GetOk, spec.Basic.Deliver, spec.Basic.Return)
# Heartbeat timeouts without a byte after which a client is given up: RabbitMQ looks once in each,
# and wants to have seen two of them silent.
_SILENCE = 3
_CLOSE_TIMEOUT = 10.0  # seconds to wait for Connection.CloseOk
_LOGIN_TIMEOUT = 10.0  # seconds for all of the handshake


class ServerConnection:
    """One client.

    Attributes:
      name: who it is, in logs.
      state: 'login', 'open', 'closing' or 'ended'.
      user, virtual_host: as whom and where, once it is open.
      channels: by number.
      exclusive_queues: those that end with it.
      bytes_sent: those that its owner has taken.
      on_frame: called with '<' or '>', the channel, and a method or what a message holds; None for
        nobody.
      on_output: called when something is to be sent that its own bytes did not bring about.
    """

    user: User
    virtual_host: VirtualHost

    def __init__(self, broker: MemoryBroker, name: str, certified: str | None = None) -> None:
        self.broker = broker
        self.name = name
        self.state = LOGIN
        self.channels: dict[int, Channel] = {}
        self.exclusive_queues: dict[Queue, None] = {}
        self.on_output: Callable[[], object] = _nothing
        self.on_frame: Callable[[str, int, object], object] | None = None
        self.blocked = False
        self.heartbeat = 0
        self.bytes_sent = 0
        self._login = Login(self, certified)
        self._greeted = False
        self._lost = False  # the place in the stream: only the client's last words are looked for
        self._frames = frame.FrameReader(self._find_sink,
                                         broker.frame_max - frame.OVERHEAD + broken.FUDGE)
        self._max_payload = broker.frame_max - frame.OVERHEAD
        self._incoming: dict[int, content.IncomingContent] = {}
        self._output: list[Chunk] = []
        self._pending = 0
        self._held: list[bytes] = []  # what a blocked client has sent
        self._heard = broker.clock.now()
        self._sent = self._heard
        self._deadline: float | None = self._heard + _LOGIN_TIMEOUT
        self._capabilities: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f'<ServerConnection {self.name!r}, {self.state}>'

    # What the owner asks.

    @property
    def is_over(self) -> bool:
        """Whether the stream is to be closed: all was said, and handed over."""
        return self.state == ENDED and not (self._output and self.broker.faults.stalled)

    @property
    def wants_data(self) -> bool:
        """Whether the owner should go on reading: not while an alarm blocks the client."""
        return not self.blocked and self.state != ENDED

    @property
    def congested(self) -> bool:
        """Whether so much is unsent that deliveries wait."""
        return self._pending > CONGESTED

    @property
    def bytes_pending(self) -> int:
        """Bytes that `data_to_send()` would hand over."""
        return self._pending

    def can(self, capability: str) -> bool:
        """Whether the client said that it understands an extension."""
        return self._capabilities.get(capability) is True

    def receive_data(self, received: bytes) -> None:
        """Take bytes from the stream; any bytes at all."""
        self._heard = self.broker.clock.now()
        if self.blocked:
            self._held.append(received)
            return
        if self._lost:
            if received.endswith(_CLOSE_OK):
                self._end()
            return
        if self.state == ENDED:
            return
        self._frames.feed(received)
        self._act(self._read)

    def receive_eof(self) -> None:
        """The client has gone."""
        self._end()

    def data_to_send(self) -> list[Chunk]:
        """Hand over the chunks to write, in order; each is handed over once."""
        faults = self.broker.faults
        if faults.stalled or not self._output:
            return []
        output, self._output = self._output, []
        self._sent = self.broker.clock.now()
        was_congested = self.congested
        size, self._pending = self._pending, 0
        if was_congested and self.state == OPEN:
            for channel in list(self.channels.values()):
                channel.wake()
        output, cut = faults.shape(output, self.bytes_sent)
        self.bytes_sent += size
        if cut:
            self.drop()
            self._output.clear()
        return output

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due; None for never."""
        moments = [] if self._deadline is None else [self._deadline]
        if self.heartbeat and self.state == OPEN:
            moments.append(self._sent + self.heartbeat / 2)
            if not self.blocked:
                moments.append(self._heard + _SILENCE * self.heartbeat)
        return min(moments, default=None)

    def handle_timeout(self, now: float) -> None:
        """Time has passed: send a heartbeat, or give up a client that is silent."""
        if self._deadline is not None and now >= self._deadline:
            self._end()
        elif self.heartbeat and self.state == OPEN:
            if now >= self._heard + _SILENCE * self.heartbeat and not self.blocked:
                self._end()
            elif now >= self._sent + self.heartbeat / 2:
                self._sent = now
                if self.broker.faults.heartbeats:
                    self._write(frame.HEARTBEAT_FRAME)

    # What the broker asks.

    def send(self, channel: int, method: Method) -> None:
        """Send a method."""
        if self.on_frame is not None:
            self.on_frame('>', channel, method)
        self._write(frame.method_frame(channel, method))

    def send_message(self, channel: int, method: Method, properties: bytes, body: bytes) -> None:
        """Send a message; its body goes out by reference."""
        if self.on_frame is not None:
            self.on_frame('>', channel, method)
            self.on_frame('>', channel, _Content(properties, body))
        self._write(*content.encode(frame.method_frame(channel, method), channel, properties, body,
                                    self._max_payload))

    def close(self, refusal: Refusal) -> None:
        """Close the connection with the code and text of `refusal`."""
        if self.state not in (OPEN, LOGIN):
            return
        self._release()
        self.state = CLOSING
        self._deadline = self.broker.clock.now() + _CLOSE_TIMEOUT
        method = refusal.method or 0
        self.send(0, spec.Connection.Close(refusal.code, refusal.text, method >> 16,
                                           method & 0xFFFF))

    def close_channel(self, number: int, refusal: Refusal) -> None:
        """Close a channel with the code and text of `refusal`."""
        channel = self.channels[number]
        if channel.closing:
            return
        channel.close()
        self._incoming.pop(number, None)
        method = refusal.method or 0
        self.send(number,
                  spec.Channel.Close(refusal.code, refusal.text, method >> 16, method & 0xFFFF))

    def drop(self) -> None:
        """End the connection without a word."""
        self._end()
        self.on_output()

    def block(self, reason: str) -> None:
        """Take nothing more from the client until `unblock`."""
        self.blocked = True
        if self.can('connection.blocked'):
            self.send(0, spec.Connection.Blocked(reason))

    def unblock(self) -> None:
        """Go on with what the client has sent."""
        self.blocked = False
        self._heard = self.broker.clock.now()
        if self.can('connection.blocked'):
            self.send(0, spec.Connection.Unblocked())
        self.on_output()
        held, self._held = self._held, []
        self._act(self._read)
        for received in held:
            self.receive_data(received)

    def opened(self, user: User, virtual_host: VirtualHost) -> None:
        """The login has come to its end."""
        self.user = user
        self.virtual_host = virtual_host
        self.state = OPEN
        self._deadline = None

    def tuned(self, frame_max: int, heartbeat: int, capabilities: object) -> None:
        """What was negotiated; frame_max in bytes, heartbeat in seconds."""
        self._max_payload = frame_max - frame.OVERHEAD
        self._frames.max_payload = self._max_payload + broken.FUDGE
        self.heartbeat = heartbeat
        if isinstance(capabilities, dict):
            self._capabilities = capabilities

    # The stream.

    def _write(self, *chunks: Chunk) -> None:
        if self.state == ENDED:
            return
        if not self._output:
            self.on_output()
        self._output.extend(chunks)
        for chunk in chunks:
            self._pending += len(chunk)

    def _act(self, step: Callable[[], None]) -> None:
        """Do something that the client may have made impossible."""
        try:
            step()
        except HangUp:
            self._end()
        except Refusal as refusal:
            if self.state == LOGIN:  # no closing words before Open (clause 2.2.4)
                self._end()
            else:
                self.close(refusal)
        except Exception:  # a mistake in here: it must not end the broker for others
            LOGGER.exception('%r', self)
            self.close(Refusal(spec.INTERNAL_ERROR, method=0))

    def _read(self) -> None:
        if not self._greeted and not self._greet():
            return
        while self.state != ENDED and not self.blocked:
            try:
                found = self._frames.next()
            except exceptions.AMQPError as error:
                self._lost = True
                if self.state == LOGIN:
                    raise HangUp from error
                raise broken.frame_refusal(self._frames) from error
            if found is None:
                return
            kind, channel, start, end = found
            self._KINDS[kind](self, channel, start, end)

    def _greet(self) -> bool:
        """Look at the protocol header."""
        beginning = self._frames.beginning
        if len(beginning) < 8:
            return False
        self._greeted = True
        if self.on_frame is not None:
            self.on_frame('<', 0, beginning)
        if beginning != frame.PROTOCOL_HEADER:
            if self.on_frame is not None:
                self.on_frame('>', 0, self.broker.version.greeting)
            self._write(self.broker.version.greeting)
            raise HangUp
        self._frames.offset += 8
        self._login.start()
        return True

    def _find_sink(self, channel: int, size: int) -> content.IncomingContent | None:
        incoming = self._incoming.get(channel)
        return incoming if incoming is not None and incoming.expects(size) else None

    def _payload(self, start: int, end: int) -> bytes:
        return self._frames.buffer[start:end]

    def _on_method(self, number: int, start: int, end: int) -> None:
        payload = self._payload(start, end)
        if len(payload) < 4:
            raise broken.unknown_frame(frame.METHOD, octets(payload))
        if self.state == OPEN and number in self._incoming:
            raise self._unexpected(number)
        method = broken.decode(payload)
        if self.on_frame is not None:
            self.on_frame('<', number, method)
        if number == 0:
            self._on_connection_method(method)
        elif self.state == OPEN:
            self._on_channel_method(number, method)
        elif self.state == LOGIN:
            raise HangUp

    def _on_connection_method(self, method: Method) -> None:
        if self.state == LOGIN:
            self._login.on_method(method)
        elif self.state == CLOSING:
            if isinstance(method, spec.Connection.CloseOk):
                self._end()
            elif isinstance(method, spec.Connection.Close):
                self.send(0, spec.Connection.CloseOk())
        elif isinstance(method, spec.Connection.Close):
            self._release()
            self.send(0, spec.Connection.CloseOk())
            self._end()
        elif isinstance(method, spec.Connection.UpdateSecret):
            self.send(0, spec.Connection.UpdateSecretOk())
        else:
            raise Refusal(spec.CHANNEL_ERROR, 'unexpected method in connection state running',
                          method.INDEX)

    def _on_channel_method(self, number: int, method: Method) -> None:
        channel = self.channels.get(number)
        if channel is not None and channel.closing:
            self._on_method_while_closing(number, method)
        elif isinstance(method, _CONTENT):
            self._incoming[number] = content.IncomingContent(method)
        elif channel is None:
            self._open_channel(number, method)
        elif isinstance(method, spec.Channel.Open):
            raise Refusal(spec.CHANNEL_ERROR, "second 'channel.open' seen", method.INDEX)
        elif isinstance(method, spec.Channel.Close):
            channel.close()
            del self.channels[number]
            self.send(number, spec.Channel.CloseOk())
        else:
            self._do(number, method, lambda: channel.handle(method))

    def _on_method_while_closing(self, number: int, method: Method) -> None:
        if isinstance(method, spec.Channel.CloseOk):
            del self.channels[number]
        elif isinstance(method, spec.Channel.Close):
            self.send(number, spec.Channel.CloseOk())
            del self.channels[number]

    def _open_channel(self, number: int, method: Method) -> None:
        if not isinstance(method, spec.Channel.Open):
            raise Refusal(spec.CHANNEL_ERROR, "expected 'channel.open'", method.INDEX)
        limit = self._login.channel_max
        if len(self.channels) >= limit:
            raise Refusal(
                spec.NOT_ALLOWED, f'number of channels opened ({len(self.channels)}) has reached '
                f'the negotiated channel_max ({limit})', 0)
        self.channels[number] = Channel(number, self)
        self.send(number, spec.Channel.OpenOk())

    def _do(self, number: int, method: Method, step: Callable[[], None]) -> None:
        try:
            step()
        except Refusal as refusal:
            if refusal.method is None:
                refusal.method = method.INDEX
            if refusal.ends_connection:
                raise
            self.close_channel(number, refusal)

    # Messages.

    def _on_header(self, number: int, start: int, end: int) -> None:
        payload = self._payload(start, end)
        if number == 0:
            raise broken.unexpected_frame(frame.HEADER, octets(payload))
        if len(payload) < 14:
            raise broken.unknown_frame(frame.HEADER, octets(payload))
        if self._is_ignored(number):
            return
        incoming = self._incoming.get(number)
        if incoming is None or incoming.properties is not None:
            raise self._unexpected(number)
        index = incoming.method.INDEX
        class_id = int.from_bytes(payload[:2], 'big')
        if class_id != index >> 16:
            raise Refusal(
                spec.UNEXPECTED_FRAME, f'expected content header for class {index >> 16}, got one '
                f'for class {class_id} instead', index)
        size = int.from_bytes(payload[4:12], 'big')
        if size > content.MAX_BODY_SIZE:
            if self.broker.version.refuses_long_bodies:
                raise Refusal(
                    spec.FRAME_ERROR, f'content body size {size} exceeds maximum allowed size '
                    f'{content.MAX_BODY_SIZE}', index)
            self._incoming[number] = _Endless(incoming.method)
            return
        try:
            complete = incoming.header(payload, 0, len(payload))
        except exceptions.ProtocolViolationError as error:
            raise self._unexpected(number) from error
        if complete:
            self._on_message(number, incoming)

    def _on_body(self, number: int, start: int, end: int) -> None:
        if number == 0:
            raise broken.unexpected_frame(frame.BODY, octets(self._payload(start, end)))
        if self._is_ignored(number):
            return
        incoming = self._expect_body(number)
        if not incoming.expects(end - start):
            self._too_long(number, incoming)
        elif incoming.whole_frame(self._frames.buffer, start, end):
            self._on_message(number, incoming)

    def _on_streamed_body(self, number: int, start: int, unwanted: int) -> None:
        if self._is_ignored(number):
            return
        incoming = self._expect_body(number)
        if unwanted:
            self._too_long(number, incoming)
        elif incoming.streamed_frame():
            self._on_message(number, incoming)

    def _expect_body(self, number: int) -> content.IncomingContent:
        incoming = self._incoming.get(number)
        if incoming is None or incoming.properties is None:
            raise self._unexpected(number)
        return incoming

    def _too_long(self, number: int, incoming: content.IncomingContent) -> None:
        if self.broker.version.refuses_long_bodies:
            raise Refusal(spec.FRAME_ERROR, 'content body frame exceeds remaining content size',
                          incoming.method.INDEX)
        # RabbitMQ 3.10 waits for more of a body that has had too much already.
        self._incoming[number] = _Endless(incoming.method)

    def _is_ignored(self, number: int) -> bool:
        if self.state == LOGIN:
            raise HangUp
        channel = self.channels.get(number)
        return self.state != OPEN or channel is not None and channel.closing

    def _on_message(self, number: int, incoming: content.IncomingContent) -> None:
        del self._incoming[number]
        method = incoming.method
        channel = self.channels.get(number)
        if channel is None:
            raise Refusal(spec.CHANNEL_ERROR, "expected 'channel.open'", method.INDEX)
        properties = incoming.properties or b'\0\0'
        body = incoming.body
        if self.on_frame is not None:
            self.on_frame('<', number, _Content(properties, body))
        self._do(number, method, lambda: channel.handle_message(method, properties, body))
        if self.broker.alarm is not None and self.state == OPEN:
            self.block(self.broker.alarm)

    def _unexpected(self, number: int) -> Refusal:
        """The refusal of a frame that is not the one that is due."""
        incoming = self._incoming.get(number)
        if incoming is None:
            return Refusal(spec.UNEXPECTED_FRAME,
                           'expected method frame, got non method frame instead', 0)
        index = incoming.method.INDEX
        if incoming.properties is None:
            return Refusal(
                spec.UNEXPECTED_FRAME, f'expected content header for class {index >> 16}, got non '
                'content header frame instead', index)
        return Refusal(spec.UNEXPECTED_FRAME,
                       'expected content body, got non content body frame instead', index)

    def _on_heartbeat(self, number: int, start: int, end: int) -> None:
        payload = octets(self._payload(start, end))
        if end > start:
            raise broken.unknown_frame(frame.HEARTBEAT, payload)
        if number:
            raise broken.unexpected_frame(frame.HEARTBEAT, payload)

    _KINDS: ClassVar[dict[int, Callable[[ServerConnection, int, int, int], None]]] = {
        frame.METHOD: _on_method,
        frame.HEADER: _on_header,
        frame.BODY: _on_body,
        frame.STREAMED_BODY: _on_streamed_body,
        frame.HEARTBEAT: _on_heartbeat,
    }

    # The end.

    def _release(self) -> None:
        """Give back what the client had."""
        for channel in list(self.channels.values()):
            if not channel.closing:
                channel.close()
        self.channels.clear()
        self._incoming.clear()
        for queue in list(self.exclusive_queues):
            self.virtual_host.delete_queue(queue)

    def _end(self) -> None:
        if self.state == ENDED:
            return
        self._release()
        self.state = ENDED
        self._deadline = None
        self._held.clear()
        self.blocked = False
        self.broker.forget(self)


class _Content:
    """Header and body of a message, in words."""

    def __init__(self, properties: bytes, body: bytes) -> None:
        self._properties = spec.BasicProperties.from_raw(properties)
        self._body = body

    def __repr__(self) -> str:
        beginning = f'{self._body[:_SHOWN]!r}{"..." if len(self._body) > _SHOWN else ""}'
        return f'{self._properties!r} and {len(self._body)} bytes: {beginning}'


class _Endless(content.IncomingContent):
    """A message that is too long: nothing of it is kept, and nothing completes it."""

    def __init__(self, method: Method) -> None:
        super().__init__(method)
        self.properties = b''

    def expects(self, size: int) -> bool:
        return False


def _nothing() -> None:
    pass
