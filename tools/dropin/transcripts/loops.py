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


def asyncio_in_a_coroutine(scene):
    """The running loop is taken."""

    async def main():
        closed = asyncio.Event()

        def run(connection):
            scene.say(connection.ioloop is asyncio.get_running_loop())

        _life(scene, AsyncioConnection, run, closed.set)
        await closed.wait()

    asyncio.run(main())


def asyncio_with_a_loop(scene):
    """A loop that the program gives."""
    loop = asyncio.new_event_loop()

    def make(*arguments):
        return AsyncioConnection(*arguments, custom_ioloop=loop)

    def run(connection):
        scene.say(connection.ioloop is loop)
        loop.run_forever()

    _life(scene, make, run, loop.stop)
    loop.close()


def tornado(scene):
    """The loop that runs."""

    async def main():
        closed = asyncio.Event()

        def run(connection):
            scene.say(connection.ioloop is IOLoop.current())

        _life(scene, TornadoConnection, run, closed.set)
        await closed.wait()

    asyncio.run(main())


def tornado_with_a_loop(scene):
    """A loop that the program gives."""
    loop = IOLoop(make_current=False)

    def make(*arguments):
        return TornadoConnection(*arguments, custom_ioloop=loop)

    def run(connection):
        scene.say(connection.ioloop is loop)
        loop.start()

    _life(scene, make, run, loop.stop)
    loop.close()


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
