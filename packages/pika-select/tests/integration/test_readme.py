"""The example in README.rst of this package, word for word."""
from __future__ import annotations

import pathlib

import pika
import readme

EXAMPLE, CREATE = readme.code_blocks(pathlib.Path(__file__).parents[2] / 'README.rst')


class Recorder:
    """Prepares the example's exchange and queue, runs `then`, and reads the queue."""

    def __init__(self, url, then, wanted=1):
        self.wanted = wanted
        self.bodies = []
        self.errors = []
        self.then = then
        self.connection = pika.SelectConnection(pika.URLParameters(url),
                                                on_open_callback=self.open_channel,
                                                on_open_error_callback=self.end,
                                                on_close_callback=self.end)
        self.connection.ioloop.start()

    def open_channel(self, connection):
        connection.channel(on_open_callback=self.declare)

    def declare(self, channel):
        channel.exchange_declare('test', auto_delete=True)
        channel.queue_declare('test', exclusive=True)
        channel.queue_bind('test', 'test', callback=lambda frame: self.run(channel))

    def run(self, channel):
        self.then()
        channel.basic_consume('test', self.receive, auto_ack=True)

    def receive(self, channel, method, properties, body):
        self.bodies.append(body)
        if len(self.bodies) == self.wanted:
            channel.connection.close()

    def end(self, connection, reason):
        if not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self.errors.append(reason)
        connection.ioloop.stop()


def test_publish(amqp_url):
    recorder = Recorder(amqp_url, then=lambda: readme.run(EXAMPLE, amqp_url))
    assert not recorder.errors
    assert recorder.bodies == [b'Test message.']


def test_create_connection(amqp_url):
    """It goes on where the first example has defined its callbacks, which publishes again."""
    recorder = Recorder(amqp_url, then=lambda: readme.run(EXAMPLE + CREATE, amqp_url), wanted=2)
    assert not recorder.errors
    assert recorder.bodies == [b'Test message.'] * 2
