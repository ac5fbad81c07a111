"""The example in README.rst of this package, word for word."""
from __future__ import annotations

import pathlib

import pika
import pika_libev
import readme

EXAMPLE, = readme.code_blocks(pathlib.Path(__file__).parents[2] / 'README.rst')


class Recorder:
    """Prepares the example's exchange and queue, runs `then`, and reads the queue."""

    def __init__(self, url, then):
        self.bodies = []
        self.errors = []
        self.then = then
        self.connection = pika_libev.LibevConnection(pika.URLParameters(url),
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
        channel.connection.close()

    def end(self, connection, reason):
        if not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self.errors.append(reason)
        connection.ioloop.stop()


def test_publish(amqp_url):
    recorder = Recorder(amqp_url, then=lambda: readme.run(EXAMPLE, amqp_url))
    assert not recorder.errors
    assert recorder.bodies == [b'Test message.']
