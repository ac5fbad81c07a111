"""A message in pieces, out and in: exact chunks, every order that is wrong."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import content, exceptions, frame, spec

METHOD_FRAME = b'<the method>'
PROPERTIES = b'\x08\0\5'
DELIVER = spec.Basic.Deliver('t', 1, False, '', 'q')


def head(kind, size, channel=7):
    return bytes([kind]) + channel.to_bytes(2, 'big') + size.to_bytes(4, 'big')


def header_frame(body_size, properties=PROPERTIES, channel=7):
    return (head(2, 12 + len(properties), channel) + b'\0\x3c\0\0' + body_size.to_bytes(8, 'big') +
            properties + b'\xce')


def body_frame(body, channel=7):
    return head(3, len(body), channel) + body + b'\xce'


# Out.


def encode(body, max_payload, properties=PROPERTIES):
    chunks = content.encode(METHOD_FRAME, 7, properties, body, max_payload)
    return chunks, b''.join(chunks)


@pytest.mark.parametrize('size', [0, 1, 9, 10, 11, 20, 21, 25])
def test_body_is_cut_into_frames(size):
    """Rule 12: exactly the announced bytes, in 0..n frames; none for an empty body."""
    body = bytes(range(size))
    _, encoded = encode(body, 10)
    pieces = [body[start:start + 10] for start in range(0, size, 10)]
    assert encoded == METHOD_FRAME + header_frame(size) + b''.join(map(body_frame, pieces))


@pytest.mark.parametrize(('size', 'max_payload', 'chunks'), [
    (0, 131064, 1),
    (1, 131064, 1),
    (content.COPY_LIMIT, 131064, 1),
    (content.COPY_LIMIT + 1, 131064, 4),
    (100, 100, 1),
    (101, 100, 6),
    (131064, 131064, 4),
    (131065, 131064, 6),
    (262129, 131064, 8),
])
def test_small_body_leaves_in_one_chunk_and_a_large_one_by_reference(size, max_payload, chunks):
    body = bytes(size)
    made, encoded = encode(body, max_payload)
    assert len(made) == chunks
    assert len(encoded) == len(METHOD_FRAME) + len(
        header_frame(0)) + size + 8 * -(-size // max_payload)
    views = [chunk for chunk in made if isinstance(chunk, memoryview)]
    assert len(views) == (chunks - 1) // 2
    assert all(view.obj is body for view in views)


def test_no_properties_are_two_octets():
    _, encoded = encode(b'', 10, b'\0\0')
    assert encoded == METHOD_FRAME + header_frame(0, b'\0\0')


@pytest.mark.parametrize(('body', 'expected'), [
    (b'bytes', b'bytes'),
    (bytearray(b'array'), b'array'),
    (memoryview(b'abcd')[::2], b'ac'),
    ('\u00e9', b'\xc3\xa9'),
    ('', b''),
])
def test_body_is_taken_as_bytes(body, expected):
    taken = content.as_bytes(body)
    assert taken == expected
    assert type(taken) is bytes


@pytest.mark.parametrize('body', [None, 5, ['a'], {}])
def test_body_that_is_none_is_refused(body):
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        content.as_bytes(body)
    assert caught.value.args == ('body', body, 'bytes, bytearray, memoryview or str')


def test_text_that_utf_8_cannot_hold_is_refused():
    with pytest.raises(exceptions.ParameterValueError) as caught:
        content.as_bytes('\ud800')
    assert caught.value.args == ('body', '\ud800', 'a str that UTF-8 can express')


def test_properties_are_encoded_if_one_frame_holds_them():
    """Rule 11."""
    properties = spec.BasicProperties(type='x' * 85)
    assert content.encode_properties(properties, 100) == b'\0\x20\x55' + b'x' * 85
    with pytest.raises(exceptions.ParameterValueError,
                       match='properties must be at most 87 bytes.*88 bytes'):
        content.encode_properties(properties, 99)
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        content.encode_properties({'type': 'x'}, 100)
    assert caught.value.args == ('properties', {'type': 'x'}, 'BasicProperties or None')


def test_what_is_kept_of_small_messages_is_bounded():
    long = b'\x08\0' + bytes(100)
    for size in range(600):
        for properties in (PROPERTIES, long):
            _, encoded = encode(bytes(size), 1000, properties)
            body = body_frame(bytes(size)) if size else b''
            assert encoded == METHOD_FRAME + header_frame(size, properties) + body
    assert 0 < len(content._middles) <= 256
    assert not any(properties == long for _, _, properties in content._middles)


# In, frame by frame.


def header(body_size, properties=PROPERTIES, class_id=60, weight=0):
    return (class_id.to_bytes(2, 'big') + weight.to_bytes(2, 'big') + body_size.to_bytes(8, 'big') +
            properties)


def take_header(incoming, payload):
    return incoming.header(b'\xff\xff' + payload + b'\xff', 2, 2 + len(payload))


def take_body(incoming, payload):
    return incoming.whole_frame(b'\xff\xff' + payload + b'\xff', 2, 2 + len(payload))


@pytest.fixture
def incoming():
    return content.IncomingContent(DELIVER)


def test_message_without_a_body_ends_with_its_header(incoming):
    """Rule 12."""
    assert incoming.method is DELIVER
    assert incoming.properties is None
    assert take_header(incoming, header(0)) is True
    assert (incoming.properties, incoming.body) == (PROPERTIES, b'')


def test_message_with_one_body_frame(incoming):
    assert take_header(incoming, header(4)) is False
    assert take_body(incoming, b'body') is True
    assert incoming.body == b'body'
    assert type(incoming.body) is bytes


@pytest.mark.parametrize('sizes', [(1, 3), (3, 1), (0, 4), (4, 0), (2, 0, 2), (1, 1, 1, 1)])
def test_message_with_several_body_frames(incoming, sizes):
    """Rule 12: exactly the announced number of bytes in 0..n frames."""
    take_header(incoming, header(4))
    rest = b'body'
    for size in sizes:
        done = take_body(incoming, rest[:size])
        rest = rest[size:]
        assert done is (not rest)
        if done:
            break
    assert incoming.body == b'body'


def refused(call, code, text):
    with pytest.raises(exceptions.ProtocolViolationError) as caught:
        call()
    assert caught.value.args == (code, text)


@pytest.mark.parametrize(('payload', 'code', 'text'), [
    (header(0, b'\0'), 501, 'content header of 13 bytes'),
    (b'', 501, 'content header of 0 bytes'),
    (header(0, class_id=61), 505, 'content header of class 61 for Basic.Deliver'),
    (header(0, class_id=50), 505, 'content header of class 50 for Basic.Deliver'),
    (header(0, weight=1), 502, 'content header with weight 1'),
    (header(2**29 + 1), 502, 'body of 536870913 bytes announced, allowed are 536870912'),
    (header(2**63), 502, 'body of 9223372036854775808 bytes announced, allowed are 536870912'),
])
def test_header_that_is_wrong_is_a_violation(incoming, payload, code, text):
    """Rules 13, 41 and 44: before anything is allocated."""
    refused(lambda: take_header(incoming, payload), code, text)


def test_largest_body_may_be_announced(incoming):
    """Rule 44: 512 MiB is the most that RabbitMQ can be set to; nothing is allocated for it yet."""
    tracemalloc.start()
    try:
        assert take_header(incoming, header(2**29)) is False
        assert tracemalloc.get_traced_memory()[1] < 10000
    finally:
        tracemalloc.stop()


def test_shortest_header_has_no_properties(incoming):
    assert take_header(incoming, header(0, b'\0\0')) is True
    assert incoming.properties == b'\0\0'


def test_second_header_is_a_violation(incoming):
    take_header(incoming, header(4))
    refused(lambda: take_header(incoming, header(4)), 505, 'second content header')


def test_body_before_the_header_is_a_violation(incoming):
    text = 'body frame where a content header is due'
    refused(lambda: take_body(incoming, b'x'), 505, text)
    refused(lambda: take_body(incoming, b''), 505, text)
    refused(incoming.streamed_frame, 505, text)


def test_body_longer_than_announced_is_a_violation(incoming):
    """Rule 13."""
    take_header(incoming, header(4))
    refused(lambda: take_body(incoming, b'body!'), 505, 'body longer than announced: 5 of 4 bytes')
    take_body(incoming, b'bod')
    refused(lambda: take_body(incoming, b'y!'), 505, 'body longer than announced: 5 of 4 bytes')
    refused(lambda: incoming.streamed_frame(2), 505, 'body longer than announced: 5 of 4 bytes')
    assert take_body(incoming, b'y') is True


def test_what_a_frame_may_bring_is_known_beforehand(incoming):
    assert not incoming.expects(0)
    take_header(incoming, header(4))
    assert [incoming.expects(size) for size in (0, 3, 4, 5)] == [True, True, True, False]
    take_body(incoming, b'bod')
    assert [incoming.expects(size) for size in (0, 1, 2)] == [True, True, False]


def test_body_that_is_fed(incoming):
    take_header(incoming, header(6))
    for piece in (b'a', b'b'):
        incoming.feed(memoryview(piece))
    assert incoming.streamed_frame() is False
    assert take_body(incoming, b'cd') is False
    incoming.feed(memoryview(b'ef'))
    assert incoming.streamed_frame() is True
    assert incoming.body == b'abcdef'
    assert type(incoming.body) is bytes


@given(st.data())
def test_body_that_comes_through_both_doors(data):
    body = bytes(range(data.draw(st.integers(1, 40))))
    incoming = content.IncomingContent(DELIVER)
    take_header(incoming, header(len(body)))
    received = 0
    while received < len(body):
        size = data.draw(st.integers(1, len(body) - received))
        piece = body[received:received + size]
        door = data.draw(st.sampled_from(['feed', 'frame', 'room']))
        if door == 'frame':
            done = take_body(incoming, piece)
        elif door == 'feed':
            incoming.feed(memoryview(piece))
            done = incoming.streamed_frame()
        else:
            room = incoming.get_buffer(data.draw(st.integers(size, len(body) - received)))
            room[:size] = piece
            room.release()
            incoming.buffer_updated(size)
            done = incoming.streamed_frame()
        received += size
        assert done is (received == len(body))
        assert done or incoming.received == received
    assert incoming.body == body


def test_room_is_that_of_one_frame_and_is_kept(incoming):
    take_header(incoming, header(2**20))
    room = incoming.get_buffer(10)
    assert len(room) == 10
    room[:3] = b'abc'
    room.release()
    incoming.buffer_updated(3)
    again = incoming.get_buffer(7)
    assert len(again) == 7
    again[:] = b'defghij'
    again.release()
    incoming.buffer_updated(7)
    larger = incoming.get_buffer(100)
    assert len(larger) == 100
    larger.release()
    incoming.feed(memoryview(b'k'))
    assert incoming.received == 11
    assert incoming.streamed_frame() is False


def test_large_body_is_held_once_while_it_comes():
    """The buffer grows with what has arrived, and what is delivered is that buffer."""
    size = 2**21
    incoming = content.IncomingContent(DELIVER)
    take_header(incoming, header(size))
    piece = memoryview(bytes(2**16))
    tracemalloc.start()
    try:
        for _ in range(size // len(piece)):
            incoming.feed(piece)
        assert incoming.streamed_frame() is True
        assert tracemalloc.get_traced_memory()[1] < 1.3 * size
    finally:
        tracemalloc.stop()
    assert len(incoming.body) == size


def test_frames_of_a_message_come_back_as_that_message():
    """Either side's frames: this file knows no role."""
    for size in (0, 1, 100, 101, 1000):
        body = bytes(size)
        encoded = b''.join(content.encode(b'', 1, PROPERTIES, body, 100))
        incoming = content.IncomingContent(spec.Basic.Publish())
        reader = frame.FrameReader(lambda channel, size: None, 100)
        reader.feed(encoded)
        done, place = False, reader.next()
        while place is not None:
            kind, _, start, end = place
            take_frame = incoming.header if kind == frame.HEADER else incoming.whole_frame
            done = take_frame(reader.buffer, start, end)
            place = reader.next()
        assert done
        assert (incoming.properties, incoming.body) == (PROPERTIES, body)
