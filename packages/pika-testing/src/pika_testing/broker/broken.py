"""Frames and methods that cannot be, and what RabbitMQ says to them."""

from __future__ import annotations

from pika import exceptions, frame, spec

from pika_testing.broker.refusals import HangUp, Refusal, octets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika.amqp_object import Method

# Frames may have these bytes more than negotiated on RabbitMQ.
FUDGE = frame.OVERHEAD
# How the errors of arguments begin for which RabbitMQ has words; inside a table it just ends.
_AROUND_TABLES = ('the arguments ', 'table at offset 0 ')


def frame_refusal(frames: frame.FrameReader) -> Refusal:
    """What is wrong with the frame that cannot be read."""
    rest = frames.buffer[frames.offset:]
    max_payload = frames.max_payload
    if frames.streaming:  # the payload has gone to its place before the end came
        return Refusal(
            spec.FRAME_ERROR, f'type {frame.BODY}, all octets = <<>>: '
            f'{{invalid_frame_end_marker,{rest[0]}}}', 0)
    kind, _, size = frame.HEAD.unpack_from(rest)
    if size > max_payload:
        return Refusal(
            spec.FRAME_ERROR, f'type {kind}, all octets = <<>>: '
            f'{{frame_too_large,{size},{max_payload - FUDGE}}}', 0)
    end = 7 + size
    payload = octets(rest[7:end])
    if len(rest) > end and rest[end] != frame.END:
        return Refusal(
            spec.FRAME_ERROR, f'type {kind}, all octets = {payload}: '
            f'{{invalid_frame_end_marker,{rest[end]}}}', 0)
    return unknown_frame(kind, payload)


def unknown_frame(kind: int, payload: str) -> Refusal:
    """A frame that is none; payload: in words."""
    return Refusal(spec.FRAME_ERROR, f'type {kind}, all octets = {payload}: unknown_frame', 0)


def unexpected_frame(kind: int, payload: str) -> Refusal:
    """A frame where there can be none of its kind; payload: in words."""
    return Refusal(spec.UNEXPECTED_FRAME, f'type {kind}, all octets = {payload}', 0)


def decode(payload: bytes) -> Method:
    """The method in a frame.

    Raises:
      Refusal, HangUp: there is none.
    """
    try:
        method = frame.decode_method(payload, 0, len(payload))
    except exceptions.ProtocolViolationError as error:
        index = int.from_bytes(payload[:4], 'big')
        if not str(error.__cause__).startswith(_AROUND_TABLES):  # no such method, or a bad table
            raise HangUp from error
        raise Refusal(spec.FRAME_ERROR, f'cannot decode {octets(payload[4:])}', index) from error

    for value in vars(method).values():
        if isinstance(value, str) and not value.isascii() and not _is_utf_8(value):
            raise Refusal(spec.FRAME_ERROR, 'Malformed UTF-8 in shortstr', 0)
    return method


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # octets that are none stand in it as surrogates
        return False
    return True
