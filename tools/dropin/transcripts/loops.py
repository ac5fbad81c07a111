"""The adapters of other loops: asyncio, Tornado and gevent."""

import asyncio

from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.gevent_connection import GeventConnection
from pika.adapters.tornado_connection import TornadoConnection
from tornado.ioloop import IOLoop


def _life(scene, make, run, stop):
    """Open, consume one message, close: who is called, and when."""

    def on_open(connection):
        scene.say('open', connection.is_open)
        connection.channel(on_open_callback=on_channel)

    def on_channel(channel):
        scene.say('channel', int(channel))
        channel.queue_declare(scene.name, exclusive=True, callback=lambda frame: consume(channel))

    def consume(channel):
        channel.basic_consume(scene.name, on_message)
        channel.basic_publish('', scene.name, b'body')

    def on_message(channel, method, properties, body):
        scene.say('got', body)
        channel.basic_ack(method.delivery_tag)
        channel.connection.close()

    def on_close(connection, reason):
        scene.say('closed', connection.is_closed)
        scene.error(reason)
        stop()

    connection = make(scene.parameters(), on_open, lambda connection, error: scene.error(error),
                      on_close)
    run(connection)


def _in_a_coroutine(scene, adapter, current):
    """The loop that runs is taken."""

    async def main():
        closed = asyncio.Event()
        _life(scene, adapter, lambda connection: scene.say(connection.ioloop is current()),
              closed.set)
        await closed.wait()

    asyncio.run(main())


def _with_a_loop(scene, adapter, loop, start):
    """The loop that is given is taken."""

    def make(*arguments):
        return adapter(*arguments, custom_ioloop=loop)

    def run(connection):
        scene.say(connection.ioloop is loop)
        start()

    _life(scene, make, run, loop.stop)
    loop.close()


def asyncio_in_a_coroutine(scene):
    """The running loop is taken."""
    _in_a_coroutine(scene, AsyncioConnection, asyncio.get_running_loop)


def asyncio_with_a_loop(scene):
    """A loop that the program gives."""
    loop = asyncio.new_event_loop()
    _with_a_loop(scene, AsyncioConnection, loop, loop.run_forever)


def tornado(scene):
    """The loop that runs."""
    _in_a_coroutine(scene, TornadoConnection, IOLoop.current)


def tornado_with_a_loop(scene):
    """A loop that the program gives."""
    loop = IOLoop(make_current=False)
    _with_a_loop(scene, TornadoConnection, loop, loop.start)


def gevent(scene):
    """A loop on the hub of gevent."""
    made = []

    def run(connection):
        made.append(connection)
        connection.ioloop.start()

    _life(scene, GeventConnection, run, lambda: made[0].ioloop.stop())


def refused(scene):
    """No server listens."""
    import pika
    parameters = pika.ConnectionParameters('127.0.0.1', 1)
    for adapter in (AsyncioConnection, TornadoConnection):

        async def main():
            done = asyncio.Event()
            adapter(parameters,
                    on_open_error_callback=lambda connection, error:
                    (scene.error(error), done.set()))
            await done.wait()

        asyncio.run(main())
