"""What of a `GeventConnection` the contract does not ask: other greenlets, and patched modules."""

from __future__ import annotations

import subprocess
import sys

import gevent
import pika
import pytest
from gevent.event import AsyncResult
from pika_gevent import GeventConnection

PATCHED = """
from gevent import monkey
monkey.patch_all()
import sys
import pika
from pika_gevent import GeventConnection

def opened(connection):
    connection.channel(on_open_callback=declare)

def declare(channel):
    channel.queue_declare('', exclusive=True, callback=lambda frame: publish(channel, frame))

def publish(channel, frame):
    channel.basic_consume(frame.method.queue, received, auto_ack=True)
    channel.basic_publish('', frame.method.queue, b'x' * 300000)

def received(channel, method, properties, body):
    print(len(body))
    channel.connection.close()

parameters = pika.URLParameters(sys.argv[1])
parameters.host = 'localhost'
connection = GeventConnection(parameters, opened, lambda c, error: c.ioloop.stop(),
                              lambda c, reason: (print(reason), c.ioloop.stop()))
connection.ioloop.start()
"""


@pytest.fixture
def opened(amqp_url):
    """A channel that is open, without anybody in `start()`."""
    channel, closed = AsyncResult(), AsyncResult()
    connection = GeventConnection(
        pika.URLParameters(amqp_url),
        on_open_callback=lambda connection: connection.channel(on_open_callback=channel.set),
        on_open_error_callback=lambda connection, error: channel.set_exception(error),
        on_close_callback=lambda connection, reason: closed.set(reason))
    yield channel.get(timeout=10)
    connection.close()
    assert isinstance(closed.get(timeout=10), pika.exceptions.ConnectionClosedByClient)
    connection.ioloop.close()


def test_it_works_beside_greenlets_that_wait_for_it(opened):
    declared = AsyncResult()
    opened.queue_declare('', exclusive=True, callback=declared.set)
    queue = declared.get(timeout=10).method.queue
    bodies = gevent.queue.Queue()
    opened.basic_consume(queue, lambda c, m, p, body: bodies.put(body), auto_ack=True)
    opened.basic_publish('', queue, b'from a greenlet')
    assert bodies.get(timeout=10) == b'from a greenlet'


def test_callback_waits_and_the_next_comes_after_it(opened):
    declared, done = AsyncResult(), AsyncResult()
    order = []
    opened.queue_declare('', exclusive=True, callback=declared.set)
    queue = declared.get(timeout=10).method.queue

    def received(channel, method, properties, body):
        order.append(body)
        gevent.sleep(0.05)
        order.append(b'-')
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == 3:
            done.set()

    opened.basic_consume(queue, received)
    for body in (b'1', b'2', b'3'):
        opened.basic_publish('', queue, body)
    ticks = []
    ticking = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.01)) for _ in range(10)])
    done.get(timeout=10)
    assert order == [b'1', b'-', b'2', b'-', b'3', b'-']
    ticking.join()
    assert len(ticks) == 10


def test_patched_modules(amqp_url):
    """The core's sockets and the resolver are gevent's then."""
    done = subprocess.run([sys.executable, '-c', PATCHED, amqp_url],
                          timeout=60,
                          capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.split()[0] == '300000' and 'Normal shutdown' in done.stdout
