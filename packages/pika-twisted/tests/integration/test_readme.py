"""The examples in README.rst, word for word, each in a process of its own: a reactor runs once.

Under the default reactor and under asyncio's.
"""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import readme
from pika import URLParameters
from pika_twisted import TwistedConnection
from twisted.internet import defer

README = pathlib.Path(__file__).parents[2] / 'README.rst'
PUBLISH, CONSUME = readme.code_blocks(README)
REACTORS = {
    'default': '',
    'asyncio': 'from twisted.internet import asyncioreactor; asyncioreactor.install()\n'
}


def run(code, url, installs):
    """What the example prints."""
    script = f'{installs}import readme\nreadme.run({code!r}, {url!r})'
    path = os.pathsep.join([str(pathlib.Path(readme.__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, '-W', 'error', '-c', script],
                          env={
                              **os.environ, 'PYTHONPATH': path
                          },
                          timeout=60,
                          capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (0, '')
    return done.stdout


@pytest.fixture
def broker_has(amqp_url, default_reactor):
    """Runs a coroutine function with a channel of a broker that has what the examples need."""

    def has(todo):

        async def do():
            connection = await TwistedConnection(URLParameters(amqp_url)).ready
            channel = await connection.channel()
            await channel.exchange_declare('test')
            await channel.queue_declare('test')
            await channel.queue_bind('test', 'test')
            result = await todo(channel)
            await connection.close()
            return result

        results = []
        defer.ensureDeferred(do()).addBoth(results.append)
        while not results:
            default_reactor.iterate(0.01)
        return results[0]

    return has


@pytest.mark.parametrize('name', REACTORS)
def test_publish(amqp_url, broker_has, name):

    async def declare(channel):
        pass

    async def get(channel):
        return await channel.basic_get('test', auto_ack=True)

    broker_has(declare)
    run(PUBLISH, amqp_url, REACTORS[name])
    assert broker_has(get).body == b'Test message.'


@pytest.mark.parametrize('name', REACTORS)
def test_consume(amqp_url, broker_has, name):

    async def publish(channel):
        await channel.confirm_delivery()
        await defer.gatherResults(
            [channel.basic_publish('test', 'test', b'message %d' % n) for n in range(12)])

    async def left(channel):
        return (await channel.queue_declare('test', passive=True)).method.message_count

    broker_has(publish)
    lines = run(CONSUME, amqp_url, REACTORS[name]).splitlines()
    assert [line.split()[-1] for line in lines] == [f"{number}'" for number in range(10)]
    assert broker_has(left) == 2
