"""The examples in README.rst of the repository and of this package, word for word."""
from __future__ import annotations

import contextlib
import pathlib

import pika
import pytest
import readme

PACKAGE = pathlib.Path(__file__).parents[2]
PUBLISH, CONSUME, *_ = readme.code_blocks(PACKAGE.parents[1] / 'README.rst')
PUBLISH_OF_PACKAGE, WINDOW = readme.code_blocks(PACKAGE / 'README.rst')


@pytest.fixture
def channel(amqp_url):
    """A channel on a broker with the exchange and the queue of the examples."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare('test')
        channel.queue_declare('test')
        channel.queue_bind('test', 'test')
        yield channel
        # A broker from elsewhere may have one virtual host for all tests.
        channel.queue_delete('test')
        channel.exchange_delete('test')


@pytest.mark.parametrize('example', [PUBLISH, PUBLISH_OF_PACKAGE])
def test_publish(example, amqp_url, channel):
    readme.run(example, amqp_url)
    with contextlib.closing(channel.consume('test', inactivity_timeout=10)) as messages:
        _, _, body = next(messages)
    assert body == b'Test message.'


def test_window(amqp_url, channel):
    readme.run(WINDOW, amqp_url)
    assert channel.queue_declare('test', passive=True).method.message_count == 5000


def test_consume_acknowledges_ten_messages_and_gives_the_others_back(amqp_url, channel, capsys):
    channel.confirm_delivery()
    for number in range(12):
        channel.basic_publish('test', 'test', f'message {number}'.encode())
    readme.run(CONSUME, amqp_url)
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == [f"{number}'" for number in range(10)]
    assert last.startswith('Requeued ')
    assert channel.queue_declare('test', passive=True).method.message_count == 2
