"""The example in README.rst of this package, word for word."""
from __future__ import annotations

import asyncio
import pathlib

import pika
import readme
from pika.adapters.asyncio_connection import AsyncioConnection

EXAMPLE, = readme.code_blocks(pathlib.Path(__file__).parents[2] / 'README.rst')


def test_publish(amqp_url, capsys):
    bodies = asyncio.run(consume(amqp_url, lambda: readme.run(EXAMPLE, amqp_url)))
    assert bodies == [b'Test message.']
    assert 'Normal shutdown' in capsys.readouterr().out


async def consume(url, then):
    """Prepare the example's exchange and queue, run `then` in a thread, and read the queue."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    bodies = []

    def opened(channel):
        channel.exchange_declare('test', auto_delete=True)
        channel.queue_declare('test', exclusive=True)
        channel.queue_bind('test', 'test', callback=lambda frame: bound(channel))

    def bound(channel):
        channel.basic_consume('test', received, auto_ack=True)
        loop.run_in_executor(None, then).add_done_callback(lambda future: future.result())

    def received(channel, method, properties, body):
        bodies.append(body)
        channel.connection.close()

    AsyncioConnection(pika.URLParameters(url),
                      on_open_callback=lambda c: c.channel(on_open_callback=opened),
                      on_open_error_callback=lambda c, error: done.set_exception(error),
                      on_close_callback=lambda c, reason: done.set_result(reason))
    await done
    return bodies
