"""Frames as objects, the public face of pika 1.x, and methods in frames."""

from __future__ import annotations

import pytest
from pika import exceptions, frame, spec

ACK = b'\1\0\7\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\1\2\1\xce'  # channel 7, tag 258, multiple
HEARTBEAT = b'\x08\0\0\0\0\0\0\xce'


def body_frame(channel, payload):
    return frame.Body(channel, payload).marshal()


def test_frame_objects_marshal_themselves():
    """The public face of pika 1.x."""
    ack = frame.Method(7, spec.Basic.Ack(258, True))
    assert (ack.frame_type, ack.channel_number, ack.method.delivery_tag) == (1, 7, 258)
    assert ack.marshal() == ACK
    header = frame.Header(1, 258, spec.BasicProperties(priority=5))
    assert (header.frame_type, header.body_size, header.properties.priority) == (2, 258, 5)
    assert header.marshal() == frame.content_header_frame(1, 258, b'\x08\0\5')
    body = frame.Body(2, b'ab')
    assert (body.frame_type, body.fragment) == (3, b'ab')
    assert body.marshal() == b'\3\0\2\0\0\0\2ab\xce'
    heartbeat = frame.Heartbeat()
    assert (heartbeat.frame_type, heartbeat.channel_number) == (8, 0)
    assert heartbeat.marshal() == HEARTBEAT == frame.HEARTBEAT_FRAME
    names = [item.NAME for item in (ack, header, body, heartbeat, frame.ProtocolHeader())]
    assert names == ['METHOD', 'Header', 'Body', 'Heartbeat', 'ProtocolHeader']
    with pytest.raises(NotImplementedError, match='Frame has no payload'):
        frame.Frame(1, 1).marshal()


def test_protocol_header_has_these_bytes():
    """Rule 1."""
    assert frame.ProtocolHeader().marshal() == b'AMQP\0\0\x09\x01' == frame.PROTOCOL_HEADER
    assert frame.ProtocolHeader(8, 0, 0).marshal() == b'AMQP\0\x08\0\0'
    other = frame.ProtocolHeader(3, 1, 2)
    assert (other.frame_type, other.major, other.minor, other.revision) == (-1, 3, 1, 2)


# Methods in frames.


def decode(payload):
    return frame.decode_method(b'\xff' + payload + b'\xff', 1, 1 + len(payload))


def test_method_is_decoded_from_its_place():
    method = frame.decode_method(ACK + ACK, 7, 20)
    assert type(method) is spec.Basic.Ack
    assert (method.delivery_tag, method.multiple) == (258, True)


@pytest.mark.parametrize(('payload', 'code', 'text'), [
    (b'', 501, 'method frame of 0 bytes'),
    (b'\0\x3c\0', 501, 'method frame of 3 bytes'),
    (b'\0\x3c\0\1', 540, 'unknown method 60.1'),
    (b'\1\0\0\x0a', 540, 'unknown method 256.10'),
    (b'\0\x3c\0\x50', 502, 'Basic.Ack cannot be decoded'),
    (b'\0\x3c\0\x50' + b'\0' * 8, 502, 'Basic.Ack cannot be decoded'),
    (b'\0\x3c\0\x50' + b'\0' * 10, 502, 'Basic.Ack cannot be decoded'),
    (b'\0\x3c\0\x0b\0', 502, 'Basic.QosOk cannot be decoded'),
    (b'\0\x14\0\x28\1\x94\xff', 502, 'Channel.Close cannot be decoded'),
])
def test_method_that_cannot_be_decoded_is_a_violation(payload, code, text):
    """Rule 13: with the right code."""
    with pytest.raises(exceptions.ProtocolViolationError) as caught:
        decode(payload)
    assert caught.value.reply_code == code
    assert caught.value.reply_text.startswith(text)


def test_shortest_method_is_decoded():
    assert type(decode(b'\0\x3c\0\x0b')) is spec.Basic.QosOk


# The public face of pika 1.x.


@pytest.mark.parametrize('data', [
    ACK,
    HEARTBEAT,
    body_frame(2, b'ab'),
    body_frame(2, b''),
    frame.content_header_frame(1, 258, b'\x08\0\5'),
    b'AMQP\0\x08\0\2',
])
def test_frame_is_decoded_wherever_it_lies(data):
    for before in (b'', b'\xce'):
        for behind in (b'', b'\1', ACK, b'\xff' * 20):
            size, found = frame.decode_frame(before + data + behind, len(before))
            assert size == len(data)
            assert found.marshal() == data
    for end in range(len(data)):
        assert frame.decode_frame(data[:end]) == (0, None)
        assert frame.decode_frame(b'\xce' + data[:end], 1) == (0, None)


def test_decoded_frames_know_what_they_hold():
    ack = frame.decode_frame(ACK)[1]
    assert (type(ack), ack.channel_number, ack.method.delivery_tag) == (frame.Method, 7, 258)
    header = frame.decode_frame(frame.content_header_frame(1, 258, b'\x08\0\5'))[1]
    assert (type(header), header.body_size, header.properties.priority) == (frame.Header, 258, 5)
    body = frame.decode_frame(body_frame(2, b'ab'))[1]
    assert (type(body), body.channel_number, body.fragment) == (frame.Body, 2, b'ab')
    assert type(frame.decode_frame(HEARTBEAT)[1]) is frame.Heartbeat
    version = frame.decode_frame(b'AMQP\0\3\1\2')[1]
    assert (version.major, version.minor, version.revision) == (3, 1, 2)


@pytest.mark.parametrize(('data', 'error'), [
    (b'\5\0\0\0\0\0\0\xce', ('unknown frame type 5',)),
    (b'\5\0\0\xff\xff\xff\xff\xce', ('unknown frame type 5',)),
    (ACK[:-1] + b'\0', ('frame ends with octet 0, not 206',)),
    (b'\2\0\1\0\0\0\x0d' + b'\0' * 13 + b'\xce', (501, 'content header of 13 bytes')),
    (b'\1\0\1\0\0\0\0\xce', (501, 'method frame of 0 bytes')),
])
def test_what_is_no_frame_is_refused(data, error):
    kind = exceptions.ProtocolViolationError if len(error) > 1 else exceptions.InvalidFrameError
    with pytest.raises(kind) as caught:
        frame.decode_frame(data)
    assert caught.value.args == error


def test_least_content_header_is_decoded():
    header = frame.decode_frame(b'\2\0\1\0\0\0\x0e\0\x3c' + b'\0' * 12 + b'\xce')[1]
    assert (header.body_size, header.properties.encode()) == (0, [b'\0\0'])


def test_content_header_is_decoded_with_all_octets_of_its_size():
    header = frame.decode_frame(frame.content_header_frame(1, 0x0102030405060708, b'\0\0'))[1]
    assert header.body_size == 0x0102030405060708
