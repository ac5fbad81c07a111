"""`BlockingConnection` on a broker in memory: in its own thread, and behind a port."""

from __future__ import annotations

import threading

import pika
import pytest
from pika import exceptions
from pika_testing import Clock, MemoryBroker, in_process


@pytest.fixture
def broker():
    return MemoryBroker()


@pytest.fixture
def connection(broker):
    with in_process(pika.BlockingConnection, broker)() as connection:
        yield connection


@pytest.fixture
def channel(connection):
    channel = connection.channel()
    channel.queue_declare('q')
    return channel


def test_confirms_and_returns(channel):
    channel.confirm_delivery()
    channel.basic_publish('', 'q', b'1', mandatory=True)
    with pytest.raises(exceptions.UnroutableError) as caught:
        channel.basic_publish('', 'no queue', b'2', mandatory=True)
    assert caught.value.messages[0].body == b'2'


def test_nack(broker, channel):
    channel.confirm_delivery()
    broker.faults.nack_confirms = 1
    with pytest.raises(exceptions.NackError):
        channel.basic_publish('', 'q', b'1')


def test_consume(channel):
    bodies = [b'%d' % number for number in range(1000)]
    for body in bodies:
        channel.basic_publish('', 'q', body)
    channel.basic_qos(prefetch_count=10)
    seen = []
    for method, _, body in channel.consume('q'):
        seen.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(seen) == len(bodies):
            break
    assert seen == bodies
    assert channel.cancel() == 0


def test_inactivity(channel):
    assert next(channel.consume('q', inactivity_timeout=0.01)) == (None, None, None)


def test_time_passes_while_the_connection_waits(connection, channel):
    channel.queue_declare('short', arguments={'x-message-ttl': 10})
    channel.basic_publish('', 'short', b'1')
    connection.sleep(0.05)
    assert channel.queue_declare('short', passive=True).method.message_count == 0


def test_another_thread_knocks(connection):
    called = []
    thread = threading.Thread(
        target=lambda: connection.add_callback_threadsafe(lambda: called.append(1)))
    thread.start()
    while not called:
        connection.process_data_events(time_limit=5)
    thread.join()


def test_two_connections(broker, channel):
    with in_process(pika.BlockingConnection, broker)() as other:
        other.channel().basic_publish('', 'q', b'from the other')
    assert channel.basic_get('q', auto_ack=True)[2] == b'from the other'


def test_closed_by_the_broker(broker, connection):
    broker.close_connections(320, 'maintenance')
    with pytest.raises(exceptions.ConnectionClosedByBroker, match='maintenance'):
        connection.process_data_events(time_limit=5)


def test_stream_lost(broker, connection):
    broker.drop_connections()
    with pytest.raises(exceptions.StreamLostError):
        connection.process_data_events(time_limit=5)


def test_wrong_password(broker):
    parameters = pika.ConnectionParameters(credentials=pika.PlainCredentials('guest', 'wrong'))
    with pytest.raises(exceptions.ProbableAuthenticationError):
        in_process(pika.BlockingConnection, broker)(parameters)


def test_blocked(broker, connection, channel):
    told = []
    connection.add_on_connection_blocked_callback(lambda c, frame: told.append(frame.method.reason))
    connection.add_on_connection_unblocked_callback(lambda c, frame: told.append('unblocked'))
    broker.set_alarm('low on memory')
    channel.basic_publish('', 'q', b'1')
    connection.process_data_events(time_limit=0.01)
    broker.clear_alarm()
    connection.process_data_events(time_limit=0.01)
    assert told == ['low on memory', 'unblocked']


def test_a_clock_that_stands_still():
    """Months pass in no time."""
    broker = MemoryBroker(clock=Clock(running=False))
    parameters = pika.ConnectionParameters(heartbeat=0)
    with in_process(pika.BlockingConnection, broker)(parameters) as connection:
        channel = connection.channel()
        channel.queue_declare('q', arguments={'x-expires': 30 * 24 * 3600 * 1000})
        broker.advance(31 * 24 * 3600)
        with pytest.raises(exceptions.ChannelClosedByBroker):
            channel.queue_declare('q', passive=True)


def test_behind_a_port(amqp_broker, amqp_url):
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare('q')
        channel.basic_publish('', 'q', b'1')
        amqp_broker.assert_queue('q', messages=[b'1'])
        method, _, _ = channel.basic_get('q')
        amqp_broker.assert_queue('q', messages=0, unacked=1)
        channel.basic_ack(method.delivery_tag)
        amqp_broker.assert_queue('q', messages=0, unacked=0)
