"""What depends on the reactor, under the default one and asyncio's, in processes of their own."""
from __future__ import annotations

import subprocess
import sys

import pytest

INSTALL = {
    'default': '',
    'asyncio': 'from twisted.internet import asyncioreactor; asyncioreactor.install()'
}
BUSY = """
import sys, time
import pika.protocol
from pika import URLParameters
from pika_twisted import TwistedConnection
from twisted.internet import defer
from twisted.internet.task import deferLater, react

pika.protocol.HEARTBEAT_GRACE = 0.1

async def main(reactor):
    parameters = URLParameters(sys.argv[1])
    parameters.heartbeat = 1
    connection = await TwistedConnection(parameters).ready
    channel = await connection.channel()
    for _ in range(4):
        await deferLater(reactor, 0, time.sleep, 1.25)
    await channel.confirm_delivery()
    await defer.gatherResults([channel.basic_publish('', 'q', b'x') for _ in range(1000)])
    print(type(reactor).__name__, connection.is_open)
    await connection.close()

react(main)
"""


@pytest.mark.parametrize('name, reactor', [('default', ''), ('asyncio', 'AsyncioSelectorReactor')])
def test_ten_minutes_of_busy_code(amqp_url, name, reactor):
    """As in the contract: signs of life that wait in the kernel are read before judging."""
    done = subprocess.run([sys.executable, '-c', INSTALL[name] + BUSY, amqp_url],
                          timeout=60,
                          capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.split()[-1] == 'True'
    assert reactor in done.stdout
