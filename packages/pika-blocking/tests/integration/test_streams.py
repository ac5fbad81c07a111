"""Stream queues: https://www.rabbitmq.com/docs/streams."""

from __future__ import annotations

import datetime

import pytest
from pika import exceptions
from pika.data import Timestamp

OFFSETS = {
    'first': 'first',
    'number': 0,
    'moment': datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    'raw moment': Timestamp(1577836800),
}


@pytest.fixture
def stream(broker, channel, unique_name):
    if broker.node and broker.version < (3, 9):
        pytest.skip('this RabbitMQ has no streams')
    channel.queue_declare(unique_name, durable=True, arguments={'x-queue-type': 'stream'})
    yield unique_name


@pytest.mark.parametrize('offset', OFFSETS.values(), ids=OFFSETS)
def test_consumer_reads_a_stream_from_an_offset(channel, stream, offset):
    """Rule 32: qos is required, acks are credit, and an offset is a string, a number or a T."""
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish('', stream, str(number))
    channel.basic_qos(prefetch_count=2)
    seen = []
    for method, properties, body in channel.consume(stream, arguments={'x-stream-offset': offset}):
        seen.append((properties.headers['x-stream-offset'], body))
        channel.basic_ack(method.delivery_tag)
        if len(seen) == 5:
            break
    channel.cancel()
    assert seen == [(number, str(number).encode()) for number in range(5)]


def test_server_closes_the_channel_for_a_stream_consumer_without_acks(channel, stream):
    """Rule 32: a stream is consumed with acks and a prefetch."""
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.basic_consume(stream, print, auto_ack=True)
    assert caught.value.reply_code in (406, 540)
