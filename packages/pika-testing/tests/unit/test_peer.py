"""The scripted peer: what it hears, what it answers, what it refuses."""

from __future__ import annotations

import pytest
from pika import events, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import (
    HANDSHAKE,
    HANDSHAKE_SCRIPT,
    ScriptedPeer,
    converse,
    message_frames,
    open_channel,
    open_connection,
)

QOS = frame.method_frame(1, spec.Basic.Qos(prefetch_count=5))
QOS_OK = frame.method_frame(1, spec.Basic.QosOk())


def test_peer_answers_what_its_script_expects():
    peer = ScriptedPeer([(spec.Basic.Qos, [QOS_OK, b'and more']), (spec.Basic.Qos, [])])
    assert not peer.done
    assert peer.receive(QOS) == QOS_OK + b'and more'
    assert not peer.done
    assert peer.receive(QOS) == b''
    assert peer.done
    assert [heard.method.prefetch_count for heard in peer.heard] == [5, 5]


def test_peer_hears_frames_in_pieces():
    peer = ScriptedPeer([(spec.Basic.Qos, [QOS_OK])])
    for octet in QOS[:-1]:
        assert peer.receive(bytes([octet])) == b''
    assert not peer.done
    assert peer.receive(QOS[-1:] + b'\1') == QOS_OK
    assert not peer.done, 'half a frame is left'


@pytest.mark.parametrize(
    ('expected', 'data'),
    [(spec.Basic.Ack, frame.method_frame(1, spec.Basic.Ack(1))),
     (frame.Header, frame.content_header_frame(1, 0, b'\0\0')),
     (frame.Body, frame.Body(1, b'body').marshal()), (frame.Heartbeat, frame.HEARTBEAT_FRAME),
     (frame.ProtocolHeader, frame.PROTOCOL_HEADER),
     (spec.Basic.Ack(1, True), frame.method_frame(1, spec.Basic.Ack(1, True)))])
def test_peer_expects_any_kind_of_frame(expected, data):
    peer = ScriptedPeer([(expected, [b'yes'])])
    assert peer.receive(data) == b'yes'


@pytest.mark.parametrize('expected', [
    spec.Basic.Ack, frame.Header, frame.Method,
    spec.Basic.Qos(prefetch_count=6),
    spec.Basic.Ack(1)
])
def test_peer_refuses_what_it_does_not_expect(expected):
    peer = ScriptedPeer([(expected, [b'never'])])
    with pytest.raises(AssertionError, match='expected.*heard.*prefetch_count=5'):
        peer.receive(QOS)


def test_peer_that_expects_a_method_refuses_other_frames():
    peer = ScriptedPeer([(spec.Basic.Ack(1), [])])
    with pytest.raises(AssertionError, match='heard'):
        peer.receive(frame.HEARTBEAT_FRAME)


def test_peer_refuses_what_comes_behind_its_script():
    with pytest.raises(AssertionError, match='nothing is expected'):
        ScriptedPeer([]).receive(QOS)


def test_message_frames_are_those_of_a_message():
    method = spec.Basic.Deliver('t', 1, False, '', 'q')
    properties = spec.BasicProperties(priority=1)
    assert message_frames(1, method, properties, b'0123456789', 8 + 4) == [
        frame.method_frame(1, method),
        frame.content_header_frame(1, 10, b'\x08\0\1'),
        frame.Body(1, b'0123').marshal(),
        frame.Body(1, b'4567').marshal(),
        frame.Body(1, b'89').marshal()
    ]
    assert message_frames(
        2, method) == [frame.method_frame(2, method),
                       frame.content_header_frame(2, 0, b'\0\0')]


def test_both_converse_until_neither_says_more():
    protocol = Protocol(ConnectionParameters())
    open_connection(protocol)
    assert protocol.is_open
    assert protocol.server_properties['product'] == 'scripted peer'
    assert [open_channel(protocol), open_channel(protocol)] == [1, 2]
    protocol.call(2, spec.Basic.Qos(), 'qos')
    answer = frame.method_frame(2, spec.Basic.QosOk())
    (reply,) = converse(protocol, ScriptedPeer([(spec.Basic.Qos, [answer])]))
    assert isinstance(reply, events.Reply)
    assert reply.context == 'qos'
    assert protocol.data_to_send() == []


def test_channel_is_opened_after_a_handshake():
    protocol = Protocol(ConnectionParameters())
    assert open_channel(protocol, 7.0) == 1
    assert protocol.is_open
    assert protocol.next_timeout() == 37.0, 'half of the heartbeat of the scripted broker'


def test_script_of_the_handshake_says_what_its_list_has():
    said = b''.join(answer for _, answers in HANDSHAKE_SCRIPT for answer in answers)
    assert said == b''.join(frame.method_frame(0, method) for method in HANDSHAKE)
