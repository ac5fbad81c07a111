"""Method, header and body: one message that arrives in pieces, or leaves in pieces.

Rule: this file does not know which side it is on. A channel carries one message at a time: a method
with content, a content header, then exactly the announced number of bytes in any number of body
frames (clause 4.2.6.1, rule 12).
"""

from __future__ import annotations

import io
import struct

from pika import frame, spec
from pika.exceptions import ParameterTypeError, ParameterValueError, ProtocolViolationError

TYPE_CHECKING = False
if TYPE_CHECKING:

    from pika import amqp_object

# Bytes; RabbitMQ allows no larger message (https://www.rabbitmq.com/docs/limits).
MAX_BODY_SIZE = 512 * 1024 * 1024
# Bytes; the buffer of a body up to this has its size from the beginning.
PREALLOCATED = 1024 * 1024
# Bytes; a smaller body is joined with its frames, a larger one goes out by reference.
COPY_LIMIT = 16 * 1024

_HEADER = struct.Struct('>HHQ')  # class, weight, body size; then come the properties
_FRAMED_HEADER = struct.Struct('>BHIHHQ')  # the same behind the head of its frame
_END_AND_HEAD = struct.Struct('>BBHI')  # the end octet of a frame and the head of the next

# What stands between method and small body, by channel, size of the body and properties. Properties
# that are longer are mostly new for each message.
_middles: dict[tuple[int, int, bytes], bytes] = {}
_MIDDLES_KEPT = 256
_PROPERTIES_KEPT = 64  # bytes


def as_bytes(body: bytes | bytearray | memoryview | str) -> bytes:
    """A body as it can be referred to for as long as it takes to send it; a str is sent as UTF-8.

    Raises:
      ParameterTypeError: anything else.
      ParameterValueError: a str with surrogates.
    """
    if isinstance(body, str):
        try:
            return body.encode('utf-8')
        except UnicodeEncodeError as error:
            raise ParameterValueError('body', body, 'a str that UTF-8 can express') from error
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise ParameterTypeError('body', body, 'bytes, bytearray, memoryview or str')


def encode_properties(properties: spec.BasicProperties, max_payload: int) -> bytes:
    """Flags and list as one piece. max_payload: bytes; a content header cannot be split (rule 11).

    Raises:
      ParameterTypeError, ParameterValueError, ShortStringTooLong: what cannot be sent, by name.
    """
    if not isinstance(properties, spec.BasicProperties):
        raise ParameterTypeError('properties', properties, 'BasicProperties or None')
    encoded = b''.join(properties.encode())
    if len(encoded) + _HEADER.size > max_payload:
        raise ParameterValueError(
            'properties', f'{len(encoded)} bytes',
            f'at most {max_payload - _HEADER.size} bytes encoded, as frame_max was negotiated')
    return encoded


def encode(method_frame: bytes, channel: int, properties: bytes, body: bytes,
           max_payload: int) -> list[bytes | memoryview]:
    r"""Return the chunks to send for a message: method, content header and body frames.

    properties: flags and list, ``b'\\0\\0'`` for none. max_payload: bytes in a frame at most. A
    small body is copied into one chunk with its frames; a large one is referred to, so it has to be
    immutable.
    """
    size = len(body)
    if size <= COPY_LIMIT and size <= max_payload:
        try:
            middle = _middles[channel, size, properties]
        except KeyError:
            middle = _new_middle(channel, size, properties)
        return [b''.join((method_frame, middle, body, frame.END_OCTET))]
    header = _FRAMED_HEADER.pack(frame.HEADER, channel, 12 + len(properties), spec.Basic.INDEX, 0,
                                 size)
    chunks: list[bytes | memoryview] = [b''.join((method_frame, header, properties))]
    view = memoryview(body)
    for start in range(0, size, max_payload):
        piece = view[start:start + max_payload]
        chunks.append(_END_AND_HEAD.pack(frame.END, frame.BODY, channel, len(piece)))
        chunks.append(piece)
    chunks.append(frame.END_OCTET)
    return chunks


def _new_middle(channel: int, size: int, properties: bytes) -> bytes:
    """Make what stands between method and small body; kept, it saves 0.09 of 0.7 microseconds."""
    middle = _FRAMED_HEADER.pack(frame.HEADER, channel, 12 + len(properties), spec.Basic.INDEX, 0,
                                 size) + properties
    if size:
        middle += _END_AND_HEAD.pack(frame.END, frame.BODY, channel, size)
    if len(properties) <= _PROPERTIES_KEPT:
        if len(_middles) >= _MIDDLES_KEPT:
            _middles.clear()
        _middles[channel, size, properties] = middle
    return middle


class IncomingContent:
    """One message on its way in, from its method to its last byte."""
    __slots__ = ('method', 'properties', 'size', 'received', 'body', '_buffer')

    def __init__(self, method: amqp_object.Method) -> None:
        self.method = method
        self.properties: bytes | None = None  # the raw flags and list, once the header is there
        self.size = 0
        self.received = 0
        self.body = b''
        self._buffer: io.BytesIO | None = None

    def header(self, payload: bytes, start: int, end: int) -> bool:
        """Take the content header; True when there is no body to wait for."""
        if self.properties is not None:
            raise ProtocolViolationError(spec.UNEXPECTED_FRAME, 'second content header')
        if end - start < _HEADER.size + 2:
            raise ProtocolViolationError(spec.FRAME_ERROR, f'content header of {end - start} bytes')
        class_id, weight, size = _HEADER.unpack_from(payload, start)
        if class_id != self.method.INDEX >> 16:
            raise ProtocolViolationError(
                spec.UNEXPECTED_FRAME, f'content header of class {class_id} for {self.method.NAME}')
        if weight:
            raise ProtocolViolationError(spec.SYNTAX_ERROR, f'content header with weight {weight}')
        if size > MAX_BODY_SIZE:
            raise ProtocolViolationError(
                spec.SYNTAX_ERROR, f'body of {size} bytes announced, allowed are {MAX_BODY_SIZE}')
        self.properties = payload[start + _HEADER.size:end]
        self.size = size
        return not size

    def expects(self, size: int) -> bool:
        """Whether `size` more bytes of body may come now."""
        return self.properties is not None and size <= self.size - self.received

    def whole_frame(self, payload: bytes, start: int, end: int) -> bool:
        """Take the payload of a body frame; True when the body is complete."""
        self._check(end - start)
        if self._buffer is None and end - start == self.size:
            self.body = payload[start:end]
            return True
        self.feed(memoryview(payload)[start:end])
        return self.streamed_frame()

    def streamed_frame(self, unwanted: int = 0) -> bool:
        """A body frame ended, fed but for `unwanted` bytes; True when the body is complete."""
        self._check(unwanted)
        if self.received < self.size:
            return False
        if self._buffer is not None:
            self.body = self._buffer.getvalue()
            self._buffer = None
        return True

    def _check(self, size: int) -> None:
        if self.properties is None:
            raise ProtocolViolationError(spec.UNEXPECTED_FRAME,
                                         'body frame where a content header is due')
        if size > self.size - self.received:
            raise ProtocolViolationError(
                spec.UNEXPECTED_FRAME,
                f'body longer than announced: {self.received + size} of {self.size} bytes')

    # The sink of a body frame that arrives piecemeal. But for the size of a small body its buffer
    # grows with what has arrived, and by the room of one frame that was asked for; never by what
    # was only announced.

    def feed(self, data: memoryview) -> None:
        """Take a piece of the body."""
        if self._buffer is None:
            self._buffer = self._new_buffer()
        self._buffer.write(data)
        self.received += len(data)

    def get_buffer(self, size: int) -> memoryview:
        """Room for `size` more bytes of body."""
        if self._buffer is None:
            self._buffer = self._new_buffer()
        buffer = self._buffer
        if buffer.seek(0, io.SEEK_END) < self.received + size:
            buffer.seek(self.received + size - 1)
            buffer.write(b'\0')
        return buffer.getbuffer()[self.received:self.received + size]

    def _new_buffer(self) -> io.BytesIO:
        # What has its final size is never moved as it grows: 1 MiB takes 0.3 ms so, and 0.8
        # without. With 16 MiB it is the other way round, 12 ms and 8: each page is a new one.
        return io.BytesIO(bytes(self.size) if self.size <= PREALLOCATED else b'')

    def buffer_updated(self, size: int) -> None:
        """`size` bytes of the room were filled."""
        assert self._buffer is not None
        self.received += size
        self._buffer.seek(self.received)
