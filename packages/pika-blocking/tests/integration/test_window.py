"""Publishes that leave and are confirmed together."""

from __future__ import annotations

import pytest
from pika import exceptions, spec
from pika_blocking import BlockingConnection
from pika_testing import FaultProxy

FULL = {'x-max-length': 2, 'x-overflow': 'reject-publish'}


def bodies(messages):
    return [message.body for message in messages]


def count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


@pytest.fixture
def proxied(parameters, unique_name):
    """A proxy, and a channel with a queue behind it."""
    with FaultProxy((parameters.host, parameters.port)) as proxy:
        parameters.port = proxy.port
        connection = BlockingConnection(parameters)
        channel = connection.channel()
        channel.queue_declare(unique_name)
        yield proxy, channel
        if connection.is_open:
            connection.close()


def test_all_are_confirmed_after_the_block(channel, queue):
    with channel.confirm_window(10) as window:
        for number in range(100):
            channel.basic_publish('', queue, str(number).encode(), mandatory=True)
            assert len(window.unconfirmed) <= 10
    assert window.unconfirmed == []
    assert count(channel, queue) == 100


def test_window_of_one(channel, queue):
    with channel.confirm_window(1) as window:
        for _ in range(5):
            channel.basic_publish('', queue, b'x')
            assert len(window.unconfirmed) <= 1
    assert count(channel, queue) == 5


def test_publishes_wait_one_by_one_before_and_after(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish('', queue, b'x', mandatory=True)
    with channel.confirm_window(5):
        channel.basic_publish('', queue, b'x', mandatory=True)
    with pytest.raises(exceptions.UnroutableError):
        channel.basic_publish('', 'no such queue', b'x', mandatory=True)
    assert count(channel, queue) == 2


def test_messages_that_came_back(channel, queue):
    """Told at the end, all of them; the others have arrived."""
    with pytest.raises(exceptions.UnroutableError) as caught:
        with channel.confirm_window(3):
            for number in range(10):
                target = queue if number % 2 else f'no queue {number}'
                channel.basic_publish('', target, str(number).encode(), mandatory=True)
    assert bodies(caught.value.messages) == [b'0', b'2', b'4', b'6', b'8']
    assert caught.value.messages[1].method.reply_code == 312
    assert caught.value.messages[1].method.routing_key == 'no queue 2'
    assert count(channel, queue) == 5


def test_messages_that_were_refused(channel, unique_name):
    """With all that is needed to publish them again, though a nack brings no message."""
    channel.queue_declare(unique_name, arguments=FULL)
    properties = spec.BasicProperties(message_id='id')
    with pytest.raises(exceptions.NackError) as caught:
        with channel.confirm_window(3):
            for number in range(5):
                channel.basic_publish('', unique_name, str(number).encode(), properties)
    assert bodies(caught.value.messages) == [b'2', b'3', b'4']
    message = caught.value.messages[0]
    assert (message.method.exchange, message.method.routing_key) == ('', unique_name)
    assert message.properties is properties
    assert caught.value.__cause__ is None


def test_refused_and_returned_are_both_told(channel, unique_name):
    channel.queue_declare(unique_name, arguments=FULL)
    with pytest.raises(exceptions.NackError) as caught:
        with channel.confirm_window():
            for number in range(3):
                channel.basic_publish('', unique_name, str(number).encode())
            channel.basic_publish('', 'no such queue', b'back', mandatory=True)
    assert bodies(caught.value.messages) == [b'2']
    assert isinstance(caught.value.__cause__, exceptions.UnroutableError)
    assert bodies(caught.value.__cause__.messages) == [b'back']


def test_wait_in_between_tells_once(channel, queue):
    with channel.confirm_window(100) as window:
        channel.basic_publish('', 'no such queue', b'back', mandatory=True)
        channel.basic_publish('', queue, b'x')
        with pytest.raises(exceptions.UnroutableError):
            window.wait()
        assert window.unconfirmed == []
        channel.basic_publish('', queue, b'x')
    assert count(channel, queue) == 2


def test_exception_in_the_block_is_not_masked(channel, queue):
    """And nothing is waited for, but what was published has left."""
    with pytest.raises(ZeroDivisionError):
        with channel.confirm_window() as window:
            channel.basic_publish('', queue, b'x')
            channel.basic_publish('', 'no such queue', b'back', mandatory=True)
            raise ZeroDivisionError
    assert bodies(window.unconfirmed) == [b'x', b'back']
    with pytest.raises(exceptions.UnroutableError):
        window.wait()
    assert window.unconfirmed == []
    assert count(channel, queue) == 1


def test_inside_of_a_callback(channel, queue, unique_name):
    channel.queue_declare(unique_name)

    def on_message(channel, method, properties, body):
        with channel.confirm_window(10):
            for _ in range(50):
                channel.basic_publish('', unique_name, body)
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    channel.basic_publish('', queue, b'x')
    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    assert count(channel, unique_name) == 50
    assert count(channel, queue) == 0


def test_server_closes_channel(channel, queue):
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        with channel.confirm_window(5) as window:
            channel.basic_publish('no such exchange', 'key', b'lost')
            while True:
                channel.basic_publish('', queue, b'x')
    assert caught.value.reply_code == 404
    assert bodies(window.unconfirmed)[0] == b'lost'
    assert channel.connection.is_open


def test_program_closes_channel_in_the_block(channel, queue):
    channel.confirm_delivery()
    with pytest.raises(exceptions.ChannelClosedByClient):
        with channel.confirm_window():
            channel.basic_publish('', queue, b'x')
            channel.close()


def test_timeout_and_waiting_again(proxied, unique_name):
    proxy, channel = proxied
    with pytest.raises(TimeoutError, match='2 publishes on channel 1'):
        with channel.confirm_window(timeout=0.1) as window:
            proxy.stall()
            channel.basic_publish('', unique_name, b'1')
            channel.basic_publish('', unique_name, b'2')
    assert bodies(window.unconfirmed) == [b'1', b'2']
    proxy.resume()
    window._timeout = None  # the machine may be slow
    window.wait()
    assert window.unconfirmed == []
    assert count(channel, unique_name) == 2


def test_connection_lost_with_a_thousand_outstanding(proxied, unique_name):
    """One error; and it is known of which messages nothing is known."""
    proxy, channel = proxied
    with pytest.raises(exceptions.StreamLostError):
        with channel.confirm_window(2000) as window:
            proxy.stall()
            for number in range(1000):
                channel.basic_publish('', unique_name, str(number).encode())
            proxy.cut()
    assert bodies(window.unconfirmed) == [str(number).encode() for number in range(1000)]
    proxy.resume()


@pytest.mark.parametrize('arguments, named', [((0,), 'size'), (('x',), 'size'),
                                              ((1, -1.0), 'timeout')])
def test_values_that_make_no_sense(channel, arguments, named):
    with pytest.raises(exceptions.ParameterError, match=named):
        channel.confirm_window(*arguments)


# Coalescing.


def test_coalesced_publishes_and_acks(channel, queue):
    connection = channel.connection
    with connection.coalesce():
        for number in range(1000):
            channel.basic_publish('', queue, str(number).encode())
    for number, (method, _, body) in enumerate(channel.consume(queue), 1):
        assert body == str(number - 1).encode()
        with connection.coalesce():
            channel.basic_ack(method.delivery_tag)
        if number == 1000:
            break
    channel.cancel()
    assert count(channel, queue) == 0


def test_block_of_an_exception_is_sent(channel, queue):
    with pytest.raises(ZeroDivisionError):
        with channel.connection.coalesce():
            channel.basic_publish('', queue, b'x')
            raise ZeroDivisionError
    assert next(channel.consume(queue))[2] == b'x'


def test_call_inside_of_the_block(channel, queue):
    with channel.connection.coalesce():
        channel.basic_publish('', queue, b'x')
        assert channel.basic_get(queue, auto_ack=True)[2] == b'x'
