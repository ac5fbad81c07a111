"""The broker in memory beside what scenarios show: its bounds, its refusals, its clock."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from pika import frame, spec
from pika_testing import Clock, MemoryBroker, message_frames
from pika_testing.broker.connection import CONGESTED
from scenarios import memory
from scenarios.client import Session


@pytest.fixture
def broker():
    return MemoryBroker(clock=Clock(running=False))


@pytest.fixture
def session(broker):
    return Session(lambda: memory.MemoryStream(broker), sleep=broker.advance)


def test_unknown_version():
    with pytest.raises(ValueError, match="version: '2.0' is not modelled, only 3.10, 4.3"):
        MemoryBroker('2.0')


@pytest.mark.parametrize('arguments', [
    {
        'x-queue-type': 'stream'
    },
    {
        'x-queue-type': 'quorum',
        'x-quorum-initial-group-size': 3
    },
])
def test_what_is_not_modelled_is_refused(session, arguments):
    channel = session.channel()
    channel.call(spec.Queue.Declare(0, 'q', durable=True, arguments=arguments))
    note, = session.notes
    assert 'reply_code=540' in note
    assert 'the broker in memory does not model this' in note


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match='seconds: -1'):
        Clock().advance(-1)


def test_a_clock_that_runs():
    clock = Clock()
    first = clock.now()
    clock.advance(3600)
    assert 3600 <= clock.now() - first < 3700


def test_bodies_are_held_once(broker, session):
    channel = session.channel()
    for name in ('a', 'b', 'c'):
        channel.queue(name)
        channel.bind(name, 'amq.fanout')
    body = b'x' * 300_000
    channel.publish('amq.fanout', '', body)
    queues = broker.virtual_hosts['/'].queues
    held = {id(entry.message.body) for queue in queues.values() for entry in queue.ready}
    assert len(held) == 1
    assert queues['a'].ready.head().message.body == body


def test_dead_letters_share_their_body(broker, session):
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  x_message_ttl=10,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'x' * 1000)
    body = broker.virtual_hosts['/'].queues['q'].ready.head().message.body
    broker.advance(1)
    assert broker.virtual_hosts['/'].queues['dead'].ready.head().message.body is body


def test_a_long_chain_of_dead_letters(broker, session):
    channel = session.channel()
    last = sys.getrecursionlimit() // 2  # each takes several calls
    for number in range(last):
        channel.queue(f'q{number}',
                      x_max_length=0,
                      x_dead_letter_exchange='',
                      x_dead_letter_routing_key=f'q{number + 1}')
    channel.queue(f'q{last}')
    channel.publish('', 'q0', b'x')
    message = broker.virtual_hosts['/'].queues[f'q{last}'].ready.head().message
    assert len(message.properties.headers['x-death']) == last


def test_deliveries_wait_for_a_slow_reader(broker, session):
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', *[b'x' * 100_000] * 50)
    channel.say(spec.Basic.Consume(0, 'q', 'tag', no_ack=True))
    connection, = broker.connections
    assert CONGESTED < connection.bytes_pending < CONGESTED + 200_000
    assert len(broker.virtual_hosts['/'].queues['q'].ready) > 30
    channel.client.answer(channel.number, (spec.Basic.ConsumeOk,))
    session.settle()
    assert sum('Basic.Deliver' in note for note in session.notes) == 50


def test_memory_of_a_queue_is_linear(broker, session):
    channel = session.channel()
    channel.queue('q')
    queue = broker.virtual_hosts['/'].queues['q']

    def size_of(count):
        tracemalloc.start()
        data = b''.join(message_frames(1, spec.Basic.Publish(0, '', 'q'), body=b'x' * 10))
        for _ in range(count // 100):
            channel.client.send(data * 100)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    small, large = size_of(1_000), size_of(10_000)
    assert len(queue.ready) == 11_000
    assert large < 12 * small


@pytest.mark.parametrize('size', [1, 3, 1000])
def test_any_chunking(broker, session, size):
    """Bytes may be cut anywhere."""
    client = session.bare_client()
    data = frame.PROTOCOL_HEADER + frame.method_frame(
        0, spec.Connection.StartOk({}, 'PLAIN', '\0guest\0guest', 'en_US'))
    data += frame.method_frame(0, spec.Connection.TuneOk(10, 131072, 0))
    data += frame.method_frame(0, spec.Connection.Open('/'))
    data += frame.method_frame(1, spec.Channel.Open())
    data += frame.method_frame(1, spec.Queue.Declare(0, 'q'))
    data += b''.join(message_frames(1, spec.Basic.Publish(0, '', 'q'), body=b'x' * 300_000))
    for start in range(0, len(data), size):
        client.send(data[start:start + size])
    assert len(broker.virtual_hosts['/'].queues['q'].ready.head().message.body) == 300_000


def test_a_mistake_ends_one_connection(broker, session, monkeypatch, caplog):
    from pika_testing.broker.virtual_host import VirtualHost
    other = session.channel()
    channel = session.channel()
    monkeypatch.setattr(VirtualHost, 'route', lambda *arguments: 1 / 0)
    channel.publish('', 'q', b'x')
    session.settle()
    note, = session.notes
    assert note == "c2 < Connection.Close(reply_code=541, reply_text='INTERNAL_ERROR')"
    assert 'division by zero' in caplog.text
    assert other.declare('q') is not None


def test_many_bindings_come_and_go(broker, session):
    channel = session.channel()
    channel.queue('q')
    keys = [f'{one}.{two}' for one in ('a', '*', '#', 'b') for two in ('c', '*', '#')]
    for key in keys:
        channel.bind('q', 'amq.topic', key)
    for key in keys:
        channel.do(spec.Queue.Unbind(0, 'q', 'amq.topic', key))
    channel.publish('amq.topic', 'a.c', b'1')
    exchange = broker.virtual_hosts['/'].exchanges['amq.topic']
    assert not exchange.bindings
    assert not exchange._router._root.children
    assert not broker.virtual_hosts['/'].queues['q'].ready


def test_amqplain(broker, session):
    from pika import data
    client = session.bare_client()
    client.send(frame.PROTOCOL_HEADER)
    client.answer(0, (spec.Connection.Start,))
    pieces = []
    data.encode_table(pieces, {'LOGIN': 'guest', 'PASSWORD': 'guest'})
    response = b''.join(pieces)[4:]
    client.say(0, spec.Connection.StartOk({}, 'AMQPLAIN', response, 'en_US'))
    assert client.answer(0, (spec.Connection.Tune,)) is not None


def test_external_needs_a_certificate(broker):
    for certified, expected in ((None, False), ('guest', True), ('nobody', False)):
        connection = broker.accept(certified=certified)
        connection.receive_data(
            frame.PROTOCOL_HEADER +
            frame.method_frame(0, spec.Connection.StartOk({}, 'EXTERNAL', '', 'en_US')))
        said = b''.join(connection.data_to_send())
        assert (b'EXTERNAL' in said) is (certified is not None)
        assert connection.is_over is not expected


def test_a_virtual_host_goes_with_its_connections(broker, session):
    broker.add_virtual_host('other')
    session.channel()
    session.client(virtual_host='other')
    broker.delete_virtual_host('other')
    session.settle()
    note, = session.notes
    assert note.startswith('c2 < Connection.Close(reply_code=320')
    assert len(broker.connections) == 1


def test_after_a_broken_frame_nothing_is_kept(broker, session):
    client = session.client()
    client.send(b'\x07' + bytes(6) + b'\xce')
    connection, = broker.connections
    for _ in range(100):
        client.send(b'x' * 100_000)
    assert len(connection._frames.buffer) < 1000
    client.say(0, spec.Connection.CloseOk())
    assert not broker.connections


def test_what_goes_over_the_wire_is_told(broker, session):
    channel = session.channel()
    connection, = broker.connections
    told = []
    connection.on_frame = lambda arrow, number, what: told.append(f'{arrow} {number} {what!r}')
    channel.queue('q')
    channel.publish('', 'q', b'x' * 100, message_id='m')
    channel.get('q')
    properties = "<BasicProperties(['message_id=m'])>"
    assert [line[:13] for line in told] == [
        '< 1 <Queue.De', '> 1 <Queue.De', '< 1 <Basic.Pu', f'< 1 {properties[:9]}', '< 1 <Basic.Ge',
        '> 1 <Basic.Ge', f'> 1 {properties[:9]}'
    ]
    assert told[3] == f"< 1 {properties} and 100 bytes: b'{'x' * 60}'..."


def test_wrong_end_of_a_body_that_comes_in_pieces(session):
    client = session.client()
    client.channel()
    data = b''.join(message_frames(1, spec.Basic.Publish(0, '', 'q'), body=b'x' * 100))
    client.send(data[:-50])
    client.send(data[-50:-1] + b'\0')
    session.settle()
    note, = session.notes
    assert 'reply_code=501' in note and '{invalid_frame_end_marker,0}' in note


def test_who_does_not_close_is_given_up(broker, session):
    client = session.client()
    client.send(b'\x07' + bytes(6) + b'\xce')
    broker.advance(11)
    assert not broker.connections


def test_who_does_not_log_in_is_given_up(broker, session):
    session.bare_client().send(b'AMQP')
    broker.advance(11)
    assert not broker.connections


def test_refusals_with_octets_that_are_no_text(session):
    """The octets go back as they came."""
    channel = session.channel()
    properties = b'\x00\x10\x03\xff\xfeg'  # user_id
    channel.client.send(
        frame.method_frame(1, spec.Basic.Publish(0, '', 'q')) +
        frame.content_header_frame(1, 0, properties))
    session.settle()
    note, = session.notes
    assert "user_id property set to '\\udcff\\udcfeg'" in note
