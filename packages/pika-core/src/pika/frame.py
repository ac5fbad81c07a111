"""Frames, both ways: bytes to frames over one buffer and an offset, and frames to bytes.

Rule: this file knows the layout of a frame (clause 2.3.5 of AMQP 0-9-1) and nothing of what frames
mean.

A frame is `type octet, channel short, size long, payload, end octet`. A wrong type or end octet
means that the place in the stream is lost, so it ends the stream (rule 13); a frame over the
negotiated size is refused before anything is allocated for it.
"""

from __future__ import annotations

import struct

from pika import amqp_object, exceptions, spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Generic, Protocol, Union

    from typing_extensions import TypeVar

    # Programs of pika 1.x write the bare `Method`: then nothing is known of its method.
    M = TypeVar('M', bound=amqp_object.Method, default=Any)
    AnyFrame = Union['Method', 'Header', 'Body', 'Heartbeat', 'ProtocolHeader']

    class BodySink(Protocol):
        """Takes the payload of a body frame while the frame is still arriving."""

        def feed(self, data: memoryview) -> None:
            """Take `data`, which is only lent."""

        def get_buffer(self, size: int) -> memoryview:
            """Room for up to `size` bytes of payload, valid until `buffer_updated`."""
            ...

        def buffer_updated(self, size: int) -> None:
            """The first `size` bytes of the room were filled."""

    class SinkFinder(Protocol):
        """Says where the payload of a body frame goes; None where it is to be thrown away."""

        def __call__(self, channel: int, size: int) -> BodySink | None:
            """Channel and size, in bytes, are those of the frame."""
            ...

    class _Holding(Generic[M]):
        """What holds a method of type M."""
else:
    M = None

    class _Holding:
        """The same at run time, when importing `typing` would cost more than this file."""

        def __class_getitem__(cls, item):
            return cls


METHOD = spec.FRAME_METHOD
HEADER = spec.FRAME_HEADER
BODY = spec.FRAME_BODY
HEARTBEAT = spec.FRAME_HEARTBEAT
END = spec.FRAME_END
END_OCTET = bytes((END,))
OVERHEAD = spec.FRAME_HEADER_SIZE + spec.FRAME_END_SIZE  # bytes of a frame beside its payload

# Not on the wire: what FrameReader calls a body frame whose payload went into its sink while it
# arrived. The end of its place is the number of bytes that had no sink to go to.
STREAMED_BODY = 0

HEAD = struct.Struct('>BHI')
_METHOD_HEAD = struct.Struct('>BHII')
_INDEX = struct.Struct('>I')
_ACK = struct.Struct('>BHIIQBB')
LAST_TAG = (1 << 63) - 1  # delivery tags are signed on RabbitMQ's side (rule 23)
_CONTENT_HEAD = struct.Struct('>BHIHHQ')
_KNOWN_TYPES = frozenset((METHOD, HEADER, BODY, HEARTBEAT))

HEARTBEAT_FRAME = HEAD.pack(HEARTBEAT, 0, 0) + END_OCTET
PROTOCOL_HEADER = b'AMQP\x00' + bytes(spec.PROTOCOL_VERSION)

SCRATCH_SIZE = 65536  # bytes; what one read of a socket can bring when no body is under way


def method_frame(channel: int, method: amqp_object.Method, max_payload: int | None = None) -> bytes:
    """Return the whole frame of `method`; its values are checked while they are encoded.

    max_payload: bytes; a method cannot be split (rule 11).
    """
    arguments = b''.join(method.encode())
    if max_payload is not None and len(arguments) + 4 > max_payload:
        raise exceptions.ParameterValueError(
            f'arguments of {method.NAME}', f'{len(arguments)} bytes',
            f'at most {max_payload - 4} bytes together, as frame_max was negotiated')
    return b''.join((_METHOD_HEAD.pack(METHOD, channel,
                                       len(arguments) + 4, method.INDEX), arguments, END_OCTET))


def ack_frame(channel: int, delivery_tag: int, multiple: bool) -> bytes | None:
    """Return the frame of Basic.Ack in one go; None for values that only `method_frame` can judge.

    The general way takes 0.5 microseconds more, and consumers ack each message.
    """
    if delivery_tag.__class__ is not int or not 0 < delivery_tag <= LAST_TAG:
        return None
    return _ACK.pack(METHOD, channel, 13, spec.Basic.Ack.INDEX, delivery_tag, 1 if multiple else 0,
                     END)


def content_header_frame(channel: int, body_size: int, properties: bytes) -> bytes:
    """Return the frame of a content header; properties: flags and list, encoded."""
    head = _CONTENT_HEAD.pack(HEADER, channel, 12 + len(properties), spec.Basic.INDEX, 0, body_size)
    return head + properties + END_OCTET


class FrameReader:
    """Cuts a stream of bytes into frames; holds what has arrived and not been taken yet.

    A complete frame comes out of `next()` as a place in `buffer`. A body frame that has not arrived
    whole is not waited
    for: its payload goes to its sink as it comes, so that a large body is held once only.
    """

    def __init__(self, find_sink: SinkFinder, max_payload: int) -> None:
        self.buffer = b''
        self.offset = 0
        self.max_payload = max_payload
        self.beginning = b''  # the first 8 bytes of the stream
        self._find_sink = find_sink
        self._stash = bytearray()  # the beginning of a frame that has not arrived whole
        self._stash_target = 0  # bytes that the stash needs before it is worth looking at
        self.streaming = False
        self._stream_channel = 0
        self._stream_left = 0  # bytes of payload still to come
        self._unwanted = 0  # bytes of payload that no sink took
        self._sink: BodySink | None = None
        self._lent: memoryview | None = None
        self._scratch: bytearray | None = None

    def __del__(self) -> None:
        if self._lent is not None:  # else it makes noise to be collected with what it is a view of
            self._lent.release()

    def feed(self, data: bytes) -> None:
        """Take bytes off the wire."""
        self._take_back()  # asked for, and then not filled
        if len(self.beginning) < 8:
            self.beginning += data[:8 - len(self.beginning)]
        if self._stash:
            self._stash += data
            if len(self._stash) < self._stash_target:
                return
            self.buffer = bytes(self._stash)
            self._stash = bytearray()
        elif self.offset < len(self.buffer):
            self.buffer = self.buffer[self.offset:] + data
        else:
            self.buffer = data
        self.offset = 0

    def get_body_buffer(self) -> memoryview | None:
        """Room for the next bytes mid-body: the rest of this frame's payload; else None."""
        self._take_back()
        if self.streaming and self._stream_left and self._sink is not None and self.offset >= len(
                self.buffer):
            self._lent = self._sink.get_buffer(self._stream_left)
        return self._lent

    def _take_back(self) -> None:
        """Release what was lent: its reader may still hold it, and the sink has to grow."""
        if self._lent is not None:
            self._lent.release()
            self._lent = None

    def get_buffer(self) -> memoryview:
        """Room for the next bytes: that, or a scratch."""
        room = self.get_body_buffer()
        if room is not None:
            return room
        if self._scratch is None:
            self._scratch = bytearray(SCRATCH_SIZE)
        return memoryview(self._scratch)

    def buffer_updated(self, size: int) -> None:
        """Take the first `size` bytes of what `get_buffer` lent."""
        if self._lent is not None and self._sink is not None:
            self._take_back()
            self._sink.buffer_updated(size)
            self._stream_left -= size
        elif self._scratch is not None:
            self.feed(bytes(memoryview(self._scratch)[:size]))

    def next(self) -> tuple[int, int, int, int] | None:
        """Take the next frame; None until more bytes come.

        Returns (type, channel, start and end of its payload in `buffer`).

        Raises:
          InvalidFrameError: a type or an end octet that no frame has; there is no way on from here.
          ProtocolViolationError: a frame larger than was negotiated.
        """
        if self.streaming:
            return self._stream()
        buffer = self.buffer
        offset = self.offset
        available = len(buffer) - offset
        if available < OVERHEAD:
            if available:
                self._stash_from(offset, OVERHEAD)
            return None
        kind, channel, size = HEAD.unpack_from(buffer, offset)
        if kind not in _KNOWN_TYPES:
            raise exceptions.InvalidFrameError(f'unknown frame type {kind}')
        if size > self.max_payload:
            raise exceptions.ProtocolViolationError(
                spec.FRAME_ERROR,
                f'frame of {size} bytes on channel {channel}, negotiated are {self.max_payload}')
        if size + OVERHEAD > available:
            if kind != BODY:
                self._stash_from(offset, size + OVERHEAD)
                return None
            self.offset = offset + 7
            self.streaming = True
            self._stream_channel = channel
            self._stream_left = size
            self._sink = self._find_sink(channel, size)
            self._unwanted = size if self._sink is None else 0
            return self._stream()
        start = offset + 7
        end = start + size
        if buffer[end] != END:
            raise exceptions.InvalidFrameError(f'frame ends with octet {buffer[end]}, not {END}')
        self.offset = end + 1
        return kind, channel, start, end

    def _stash_from(self, offset: int, target: int) -> None:
        self._stash += memoryview(self.buffer)[offset:]
        self._stash_target = target
        self.buffer = b''
        self.offset = 0

    def _stream(self) -> tuple[int, int, int, int] | None:
        """Hand on what has arrived of a body frame; tell of the frame once it is complete."""
        available = len(self.buffer) - self.offset
        piece = min(available, self._stream_left)
        if piece:
            if self._sink is not None:
                self._sink.feed(memoryview(self.buffer)[self.offset:self.offset + piece])
            self.offset += piece
            self._stream_left -= piece
        if self._stream_left or available == piece:
            return None
        octet = self.buffer[self.offset]
        if octet != END:
            raise exceptions.InvalidFrameError(f'frame ends with octet {octet}, not {END}')
        self.offset += 1
        self.streaming = False
        self._sink = None
        return STREAMED_BODY, self._stream_channel, 0, self._unwanted


class Frame(amqp_object.AMQPObject):
    """The base of the frame objects, the public face of this file in pika 1.x."""
    NAME = 'Frame'

    def __init__(self, frame_type: int, channel_number: int) -> None:
        self.frame_type = frame_type
        self.channel_number = channel_number

    def _marshal(self, payload: bytes) -> bytes:
        return b''.join((HEAD.pack(self.frame_type, self.channel_number,
                                   len(payload)), payload, END_OCTET))

    def marshal(self) -> bytes:
        """Return the frame's bytes."""
        raise NotImplementedError(f'{type(self).__name__} has no payload of its own')


class Method(Frame, _Holding[M]):
    """A frame with a method: what completion callbacks get.

    For type checkers `Method[spec.Queue.DeclareOk]` says which method, `Method` that it may be any.
    """
    NAME = 'METHOD'

    def __init__(self, channel_number: int, method: M) -> None:
        super().__init__(METHOD, channel_number)
        self.method = method

    def marshal(self) -> bytes:
        """Return the frame's bytes."""
        return method_frame(self.channel_number, self.method)


class Header(Frame):
    """A frame with a content header; body_size in bytes."""
    NAME = 'Header'

    def __init__(self, channel_number: int, body_size: int, props: spec.BasicProperties) -> None:
        super().__init__(HEADER, channel_number)
        self.body_size = body_size
        self.properties = props

    def marshal(self) -> bytes:
        """Return the frame's bytes."""
        return content_header_frame(self.channel_number, self.body_size,
                                    b''.join(self.properties.encode()))


class Body(Frame):
    """A frame with a piece of a body."""
    NAME = 'Body'

    def __init__(self, channel_number: int, fragment: bytes) -> None:
        super().__init__(BODY, channel_number)
        self.fragment = fragment

    def marshal(self) -> bytes:
        """Return the frame's bytes."""
        return self._marshal(self.fragment)


class Heartbeat(Frame):
    """The empty frame that says: still here. Always on channel 0 (rule 5)."""
    NAME = 'Heartbeat'

    def __init__(self) -> None:
        super().__init__(HEARTBEAT, 0)

    def marshal(self) -> bytes:
        """Return the frame's bytes."""
        return HEARTBEAT_FRAME


class ProtocolHeader(amqp_object.AMQPObject):
    """The 8 bytes that open a connection; a broker that speaks another version answers so."""
    NAME = 'ProtocolHeader'

    def __init__(self,
                 major: int | None = None,
                 minor: int | None = None,
                 revision: int | None = None) -> None:
        self.frame_type = -1
        self.major = spec.PROTOCOL_VERSION[0] if major is None else major
        self.minor = spec.PROTOCOL_VERSION[1] if minor is None else minor
        self.revision = spec.PROTOCOL_VERSION[2] if revision is None else revision

    def marshal(self) -> bytes:
        """Return the 8 bytes."""
        return b'AMQP' + bytes((0, self.major, self.minor, self.revision))


def decode_method(payload: bytes, start: int, end: int) -> amqp_object.Method:
    """Decode the method whose index and arguments fill `payload[start:end]`.

    Raises:
      ProtocolViolationError: no such method, or arguments that do not fit it.
    """
    if end - start < 4:
        raise exceptions.ProtocolViolationError(spec.FRAME_ERROR,
                                                f'method frame of {end - start} bytes')
    index, = _INDEX.unpack_from(payload, start)
    method_class = spec.methods.get(index)
    if method_class is None:
        raise exceptions.ProtocolViolationError(spec.NOT_IMPLEMENTED,
                                                f'unknown method {index >> 16}.{index & 0xFFFF}')
    try:
        return method_class.from_bytes(payload, start + 4, end)
    except exceptions.ProtocolSyntaxError as error:
        raise exceptions.ProtocolViolationError(
            spec.SYNTAX_ERROR, f'{method_class.NAME} cannot be decoded: {error}') from error


def decode_frame(data_in: bytes, offset: int = 0) -> tuple[int, AnyFrame | None]:
    """Decode the frame that begins at `offset`.

    Returns (bytes consumed, frame object), or (0, None) while it is incomplete.

    Raises:
      InvalidFrameError: a type or an end octet that no frame has.
      ProtocolViolationError: a method that does not exist or cannot be decoded.
    """
    if len(data_in) - offset < OVERHEAD:
        return 0, None
    if data_in.startswith(b'AMQP', offset):
        return 8, ProtocolHeader(*data_in[offset + 5:offset + 8])
    kind, channel, size = HEAD.unpack_from(data_in, offset)
    if kind not in _OBJECTS:
        raise exceptions.InvalidFrameError(f'unknown frame type {kind}')
    end = offset + 7 + size
    if end >= len(data_in):
        return 0, None
    if data_in[end] != END:
        raise exceptions.InvalidFrameError(f'frame ends with octet {data_in[end]}, not {END}')
    return size + OVERHEAD, _OBJECTS[kind](channel, data_in, offset + 7, end)


def _method_object(channel: int, payload: bytes, start: int, end: int) -> Method:
    return Method(channel, decode_method(payload, start, end))


def _header_object(channel: int, payload: bytes, start: int, end: int) -> Header:
    if end - start < 14:
        raise exceptions.ProtocolViolationError(spec.FRAME_ERROR,
                                                f'content header of {end - start} bytes')
    size = int.from_bytes(payload[start + 4:start + 12], 'big')
    return Header(channel, size, spec.BasicProperties.from_raw(payload[start + 12:end]))


def _body_object(channel: int, payload: bytes, start: int, end: int) -> Body:
    return Body(channel, payload[start:end])


def _heartbeat_object(channel: int, payload: bytes, start: int, end: int) -> Heartbeat:
    return Heartbeat()


_OBJECTS: dict[int, Callable[[int, bytes, int, int], AnyFrame]] = {
    METHOD: _method_object,
    HEADER: _header_object,
    BODY: _body_object,
    HEARTBEAT: _heartbeat_object,
}
