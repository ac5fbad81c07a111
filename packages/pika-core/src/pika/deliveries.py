"""Small messages for consumers: method, header and body out of one buffer in one go.

Rule: this is only the short way. It takes a delivery that lies whole in the buffer, whose consumer
has had a delivery before, and that is well-formed to its last octet. All else it leaves where it
is: frame by frame is the long way, which says what is wrong.

Of the frame of Basic.Deliver all but delivery tag and flag is the same again and again: what lies
before them names channel and consumer, what lies behind them exchange and routing key. Each is
looked up by its bytes. A delivery costs 0.8 microseconds less so, of 2.3 (CPython 3.11).
"""

from __future__ import annotations

import struct

from pika import events, spec
from pika.frame import BODY, END, END_OCTET, HEADER, OVERHEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika.channel_state import ChannelState
    from pika.frame import FrameReader

    # What the octets of a Basic.Deliver before its delivery tag say: channel, consumer tag, size of
    # the whole frame; how the next frame has to begin; the end of that one, and how the next but
    # one has to begin.
    Beginning = tuple[int, str, int, bytes, bytes]

_TAG = struct.Struct('>QB')
_HEADER = struct.Struct('>3sIIQ')  # type and channel, size, class and weight, body size
_BODY = struct.Struct('>4sI')  # end of the frame before, type and channel, size
_CHANNEL = struct.Struct('>BH')
_CONTENT = spec.Basic.INDEX << 16  # class, and weight, which is 0
_LEAST = 14  # bytes of a content header without properties
_KEPT = 256  # beginnings, and routes


class Deliveries:
    """The short way, with what it has learnt."""

    def __init__(self, channels: dict[int, ChannelState]) -> None:
        self._channels = channels
        self._beginnings: dict[bytes, Beginning] = {}
        self._routes: dict[bytes, tuple[str, str]] = {}

    def learn(self, channel: int, method: spec.Basic.Deliver, buffer: bytes, start: int,
              end: int) -> None:
        """A delivery goes the long way; the payload of its method is `buffer[start:end]`."""
        if len(self._beginnings) >= _KEPT:
            self._beginnings.clear()
        tag_at = start + 5 + buffer[start + 4]
        self._beginnings[buffer[start - 7:tag_at]] = (channel, method.consumer_tag,
                                                      end - start + OVERHEAD,
                                                      _CHANNEL.pack(HEADER, channel),
                                                      END_OCTET + _CHANNEL.pack(BODY, channel))

    def take(self, reader: FrameReader) -> events.Delivery | None:
        """Take the message that comes next; None leaves all to the long way."""
        if reader.streaming:
            return None
        buffer = reader.buffer
        offset = reader.offset
        try:
            tag_at = offset + 12 + buffer[offset + 11]
            beginning = self._beginnings.get(buffer[offset:tag_at])
            if beginning is None:
                return None
            channel, consumer_tag, frame_size, header, body = beginning
            delivery_tag, redelivered = _TAG.unpack_from(buffer, tag_at)
            header_at = offset + frame_size
            route = buffer[tag_at + 9:header_at]
            kind, size, content, body_size = _HEADER.unpack_from(buffer, header_at)
            header_end = header_at + 7 + size
            end = header_end
            if body_size:
                before, piece = _BODY.unpack_from(buffer, header_end)
                end += 8 + body_size
                if before != body or piece != body_size:
                    return None
            if (buffer[end] != END or kind != header or content != _CONTENT or size < _LEAST or
                    size > reader.max_payload or body_size > reader.max_payload):
                return None
        except (IndexError, struct.error):  # it has not arrived whole
            return None
        names = self._routes.get(route) or self._new_route(route)
        state = self._channels.get(channel)
        if names is None or state is None:
            return None
        consumer = state.consumer_of(consumer_tag)
        if consumer is None:
            return None
        reader.offset = end + 1
        return events.Delivery(
            channel, spec.Basic.Deliver(consumer_tag, delivery_tag, redelivered & 1 != 0, *names),
            spec.BasicProperties.from_raw(buffer[header_at + 19:header_end]),
            buffer[header_end + 8:end], consumer.owner)

    def _new_route(self, encoded: bytes) -> tuple[str, str] | None:
        """Exchange and routing key, which the end octet follows; None if that is not so."""
        middle = 1 + encoded[0]
        if len(encoded) < middle + 2 or middle + 2 + encoded[middle] != len(encoded):
            return None
        if encoded[-1] != END:
            return None
        route = (encoded[1:middle].decode('utf-8', 'surrogateescape'),
                 encoded[middle + 1:-1].decode('utf-8', 'surrogateescape'))
        if len(self._routes) >= _KEPT:
            self._routes.clear()
        self._routes[encoded] = route
        return route
