"""Frames, both ways, with literal bytes: whole, one byte at a time, and with bytes behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import exceptions, frame, spec

ACK = b'\1\0\7\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\1\2\1\xce'  # channel 7, tag 258, multiple
HEARTBEAT = b'\x08\0\0\0\0\0\0\xce'
MAX = 100


class Sink:
    """Takes what is streamed, and knows how it was asked."""

    def __init__(self):
        self.data = bytearray()
        self.rooms = []
        self._room = None

    def feed(self, data):
        assert isinstance(data, memoryview)
        self.data += data

    def get_buffer(self, size):
        self.rooms.append(size)
        self._room = bytearray(size)
        return memoryview(self._room)

    def buffer_updated(self, size):
        self.data += self._room[:size]


class Reading:
    """A reader, and what came of it: (type, channel, payload); streamed bodies from their sink."""

    def __init__(self, max_payload=MAX, has_sink=True):
        self.asked = []
        self.sinks = []
        self.frames = []
        self.reader = frame.FrameReader(self._find_sink, max_payload)
        self._has_sink = has_sink

    def _find_sink(self, channel, size):
        self.asked.append((channel, size))
        self.sinks.append(Sink() if self._has_sink else None)
        return self.sinks[-1]

    def feed(self, data, size=None):
        size = size or len(data) or 1
        for start in range(0, len(data), size):
            self.reader.feed(data[start:start + size])
            self.pull()
        return self

    def fill(self, data, size=None):
        """By the other door, at most `size` bytes at a time."""
        while data:
            room = self.reader.get_buffer()
            count = min(len(room), len(data), size or len(data))
            room[:count] = data[:count]
            self.reader.buffer_updated(count)
            data = data[count:]
            self.pull()
        return self

    def pull(self):
        place = self.reader.next()
        while place is not None:
            kind, channel, start, end = place
            if kind == frame.STREAMED_BODY:
                sink = self.sinks[-1]
                assert start == 0
                payload = end if sink is None else bytes(sink.data)
                assert sink is None or end == 0
            else:
                payload = self.reader.buffer[start:end]
            self.frames.append((kind, channel, payload))
            place = self.reader.next()


def body_frame(channel, payload):
    return frame.Body(channel, payload).marshal()


def alike(frames):
    """Bodies that were streamed count as bodies."""
    return [(kind or frame.BODY, channel, payload) for kind, channel, payload in frames]


# To bytes.


def test_method_frame_has_these_bytes():
    """Rule 42: bits in an octet, reserved fields zero."""
    assert frame.method_frame(7, spec.Basic.Ack(258, True)) == ACK
    assert frame.method_frame(65535, spec.Tx.Select()) == b'\1\xff\xff\0\0\0\4\0\x5a\0\x0a\xce'
    assert frame.method_frame(
        0, spec.Connection.Open('/v')) == (b'\1\0\0\0\0\0\x09\0\x0a\0\x28\2/v\0\0\xce')


@pytest.mark.parametrize('room', [13, 14, None])
def test_method_that_fits_its_frame(room):
    """Rule 11."""
    assert frame.method_frame(7, spec.Basic.Ack(258, True), room) == ACK


def test_method_that_does_not_fit_its_frame_is_refused():
    """Rule 11: methods cannot be split."""
    with pytest.raises(exceptions.ParameterValueError,
                       match='arguments of Basic.Ack must be at most 8 bytes.*9 bytes'):
        frame.method_frame(7, spec.Basic.Ack(258, True), 12)


@pytest.mark.parametrize(('tag', 'multiple'), [(1, False), (258, True), (2**63 - 1, 1)])
def test_short_way_for_acks_gives_the_same_bytes(tag, multiple):
    for channel in (1, 65535):
        assert frame.ack_frame(channel, tag,
                               multiple) == frame.method_frame(channel,
                                                               spec.Basic.Ack(tag, bool(multiple)))


@pytest.mark.parametrize('tag', [0, -1, 2**63, True, 1.0, '1', None])
def test_short_way_for_acks_leaves_odd_tags_to_the_general_way(tag):
    """Rule 23: a tag is a signed 64-bit number on the broker's side."""
    assert frame.ack_frame(1, tag, False) is None


def test_content_header_frame_has_these_bytes():
    """Rule 41: weight 0."""
    assert frame.content_header_frame(
        1, 258, b'\x08\0\5') == (b'\2\0\1\0\0\0\x0f\0\x3c\0\0\0\0\0\0\0\0\1\2\x08\0\5\xce')


# From bytes.

STREAM = ACK + HEARTBEAT + b'\2\0\1\0\0\0\3abc\xce' + body_frame(3, b'x' * MAX) + body_frame(
    4, b'') + b'\1\0\0\0\0\0\0\xce'
FRAMES = [(1, 7, ACK[7:-1]), (8, 0, b''), (2, 1, b'abc'), (3, 3, b'x' * MAX), (3, 4, b''),
          (1, 0, b'')]


@pytest.mark.parametrize('size', [None, *range(1, 40)])
def test_stream_is_cut_into_frames(size):
    """Rule 14: however it comes, and through either door."""
    assert alike(Reading().feed(STREAM, size).frames) == FRAMES
    assert alike(Reading().fill(STREAM, size).frames) == FRAMES


@given(st.lists(st.integers(1, 60)))
def test_stream_is_cut_into_frames_through_both_doors_in_turn(sizes):
    reading = Reading()
    rest = STREAM
    for place, size in enumerate(sizes):
        (reading.feed, reading.fill)[place % 2](rest[:size])
        rest = rest[size:]
    reading.feed(rest)
    assert alike(reading.frames) == FRAMES


@pytest.mark.parametrize('data', [ACK, HEARTBEAT, body_frame(3, b'abc')])
def test_frame_is_there_with_its_last_byte_and_not_before(data):
    reading = Reading().feed(data[:-1], 1)
    assert reading.frames == []
    reading.feed(data[-1:])
    assert len(reading.frames) == 1


@pytest.mark.parametrize('kind', [0, 4, 5, 6, 7, 9, 0x41, 255])
@pytest.mark.parametrize('size', [None, 1])
def test_unknown_frame_type_ends_the_stream(kind, size):
    """Rule 13: as soon as there are 8 bytes, the least that a frame has."""
    data = bytes([kind]) + b'\0\1\0\0\0\0\xce'
    reading = Reading().feed(ACK + data[:-1], size)
    with pytest.raises(exceptions.InvalidFrameError, match=f'unknown frame type {kind}$'):
        reading.feed(data[-1:])
    assert reading.frames == FRAMES[:1]


@pytest.mark.parametrize('octet', [0, 205, 207, 255])
@pytest.mark.parametrize('data', [ACK, HEARTBEAT, body_frame(3, b'abc'), body_frame(3, b'')])
@pytest.mark.parametrize('size', [None, 1])
def test_wrong_end_octet_ends_the_stream(data, octet, size):
    """Rule 13."""
    reading = Reading().feed(ACK + data[:-1], size)
    with pytest.raises(exceptions.InvalidFrameError, match=f'octet {octet}, not 206$'):
        reading.feed(bytes([octet]) + HEARTBEAT)
    assert reading.frames == FRAMES[:1]


@pytest.mark.parametrize('kind', [1, 2, 3, 8])
def test_frame_over_the_negotiated_size_is_refused_by_its_head(kind):
    """Rules 11 and 13: before anything is allocated for it."""
    head = bytes([kind]) + b'\0\5\0\0\0'
    reading = Reading().feed(head + bytes([MAX]) + b'x' * MAX + b'\xce')
    assert alike(reading.frames) == [(kind, 5, b'x' * MAX)]
    reading.feed((head + bytes([MAX + 1])), 1)
    with pytest.raises(exceptions.ProtocolViolationError) as caught:
        reading.feed(b'x')
    assert caught.value.args == (501, 'frame of 101 bytes on channel 5, negotiated are 100')
    with pytest.raises(exceptions.ProtocolViolationError):
        Reading().feed(bytes([kind]) + b'\0\5\xff\xff\xff\xff' + b'x')


def test_size_that_is_allowed_can_change_between_frames():
    reading = Reading().feed(body_frame(1, b'x' * MAX))
    reading.reader.max_payload = 10
    reading.feed(body_frame(1, b'x' * 10))
    with pytest.raises(exceptions.ProtocolViolationError, match='negotiated are 10'):
        reading.feed(body_frame(1, b'x' * 11))


def test_body_that_comes_in_pieces_goes_to_its_sink_at_once():
    reading = Reading().feed(ACK + body_frame(3, b'0123456789')[:10])
    assert reading.asked == [(3, 10)]
    assert bytes(reading.sinks[0].data) == b'012'
    reading.feed(b'3456')
    assert bytes(reading.sinks[0].data) == b'0123456'
    reading.feed(b'789')
    assert reading.frames == FRAMES[:1]
    reading.feed(b'\xce' + HEARTBEAT)
    assert reading.frames[1:] == [(frame.STREAMED_BODY, 3, b'0123456789'), (8, 0, b'')]
    assert reading.asked == [(3, 10)]


def test_body_that_comes_whole_needs_no_sink():
    reading = Reading().feed(body_frame(3, b'0123456789'))
    assert reading.asked == []
    assert reading.frames == [(3, 3, b'0123456789')]


def test_body_without_a_sink_is_thrown_away_and_counted():
    for door in (Reading.feed, Reading.fill):
        reading = Reading(has_sink=False)
        door(reading, body_frame(3, b'0123456789') + ACK, 1)
        assert reading.frames == [(frame.STREAMED_BODY, 3, 10), FRAMES[0]]


def test_other_door_asks_the_sink_for_the_rest_of_the_frame():
    reading = Reading().fill(body_frame(3, b'0123456789')[:10])
    assert reading.asked == [(3, 10)]
    room = reading.reader.get_buffer()
    assert len(room) == 7
    room[:2] = b'34'
    reading.reader.buffer_updated(2)
    assert reading.reader.next() is None
    reading.fill(b'56789')
    assert reading.sinks[0].rooms == [7, 5]
    assert len(reading.reader.get_buffer()) == frame.SCRATCH_SIZE, 'the end octet is no payload'
    reading.fill(b'\xce' + ACK)
    assert reading.frames == [(frame.STREAMED_BODY, 3, b'0123456789'), FRAMES[0]]


def test_room_of_the_other_door_is_what_one_read_brings():
    reading = Reading()
    assert len(reading.reader.get_buffer()) == 65536
    reading.fill(ACK)
    first, again = reading.reader.get_buffer(), reading.reader.get_buffer()
    assert first.obj is again.obj, 'one scratch is enough'
    assert reading.frames == FRAMES[:1]


def test_room_that_was_asked_for_and_not_filled_does_no_harm():
    """The owner of the stream may find nothing to read."""
    reading = Reading().fill(body_frame(3, b'0123456789')[:10])
    reading.reader.get_buffer()
    reading.reader.buffer_updated(0)
    reading.reader.get_buffer()
    reading.feed(b'3456789\xce')
    assert reading.frames == [(frame.STREAMED_BODY, 3, b'0123456789')]


def test_update_without_a_room_brings_nothing():
    reading = Reading()
    reading.reader.buffer_updated(5)
    assert reading.feed(ACK).frames == FRAMES[:1]


def test_frames_that_are_not_taken_yet_are_kept():
    reading = Reading()
    for start in range(0, len(STREAM), 10):
        reading.reader.feed(STREAM[start:start + 10])
    reading.pull()
    assert alike(reading.frames) == FRAMES


def test_beginning_of_the_stream_is_kept():
    """Rule 1: it tells what the peer speaks."""
    for size in (None, 1, 3, 5):
        reading = Reading()
        assert reading.reader.beginning == b''
        reading.feed(ACK[:5], size)
        assert reading.reader.beginning == ACK[:5]
        reading.feed(ACK[5:], size)
        assert reading.reader.beginning == ACK[:8]


@pytest.mark.parametrize('kind', [1, 2, 3])
@pytest.mark.parametrize('door', [Reading.feed, Reading.fill])
def test_frame_that_comes_byte_by_byte_is_copied_a_few_times(kind, door):
    """Linear time, judged by the bytes that are copied."""

    class Counting(frame.FrameReader):
        copied = 0

        def __setattr__(self, name, value):
            if name == 'buffer':
                self.copied += len(value)
            super().__setattr__(name, value)

    reading = Reading(50000)
    reading.reader = Counting(reading._find_sink, 50000)
    data = bytes([kind]) + b'\0\1' + (50000).to_bytes(4, 'big') + b'x' * 50000 + b'\xce'
    door(reading, data, 1)
    assert alike(reading.frames) == [(kind, 1, b'x' * 50000)]
    assert reading.reader.copied <= 2 * len(data)


def test_many_frames_at_once_are_not_copied_again_and_again():
    """Linear time: the buffer stays as it is until all of it is taken."""
    reading = Reading()
    data = ACK * 1000
    reading.reader.feed(data)
    for _ in range(1000):
        assert reading.reader.next() is not None
        assert reading.reader.buffer is data
    assert reading.reader.next() is None
