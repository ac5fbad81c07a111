"""What of a `LibevConnection` the contract does not ask: its loops, signals, descriptors."""

from __future__ import annotations

import gc
import os
import signal
import threading

import gevent
import pika
import pytest
from pika import exceptions
from pika_libev import LibevConnection, Loop


class Pyev:
    """Has the methods of `pyev.Loop` and no other ones."""

    def __init__(self):
        loop = Loop()
        for name in ('io', 'timer', 'async', 'signal', 'start', 'stop', 'update'):
            setattr(self, name, getattr(loop, name))


@pytest.fixture
def parameters(amqp_url):
    return pika.URLParameters(amqp_url)


def run(parameters, on_open, **options):
    ends = []

    def ended(connection, reason):
        ends.append(reason)
        connection.ioloop.stop()

    connection = LibevConnection(parameters, on_open, ended, ended, **options)
    guard = connection.ioloop.timer(30, 0, lambda *_: pytest.fail('the connection hangs'))
    guard.start()
    connection.ioloop.start()
    guard.stop()
    end, = ends
    return end


def closed_by_client(end):
    return isinstance(end, exceptions.ConnectionClosedByClient)


@pytest.mark.parametrize('make_loop', [lambda: None, Pyev, gevent.get_hub])
def test_messages(parameters, unique_name, make_loop):
    bodies = []

    def opened(connection):
        connection.channel(on_open_callback=declare)

    def declare(channel):
        channel.queue_declare(unique_name, exclusive=True)
        for number in range(100):
            channel.basic_publish('', unique_name, b'%d' % number * 1000)
        channel.basic_consume(unique_name, received)

    def received(channel, method, properties, body):
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == 100:
            channel.connection.close()

    assert closed_by_client(run(parameters, opened, custom_ioloop=make_loop()))
    assert bodies == [b'%d' % number * 1000 for number in range(100)]


@pytest.mark.parametrize('make_loop', [lambda: None, gevent.get_hub])
def test_signal_closes(parameters, make_loop):
    names = []
    made = []

    def opened(connection):
        made.append(connection)
        os.kill(os.getpid(), signal.SIGINT)

    def signalled(name):
        names.append(name)
        made[0].close()

    end = run(parameters, opened, custom_ioloop=make_loop(), on_signal_callback=signalled)
    assert closed_by_client(end)
    assert names == ['SIGINT']
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize('make_loop', [lambda: None, gevent.get_hub])
def test_ctrl_c_gets_out_and_the_connection_can_be_closed(parameters, make_loop):
    ends = []

    def opened(connection):
        main = threading.main_thread().ident
        threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()

    def closed(connection, reason):
        ends.append(reason)
        connection.ioloop.stop()

    connection = LibevConnection(parameters,
                                 on_open_callback=opened,
                                 on_close_callback=closed,
                                 custom_ioloop=make_loop())
    with pytest.raises(KeyboardInterrupt):
        connection.ioloop.start()
    connection.close()
    connection.ioloop.start()
    assert closed_by_client(ends[0])


def test_thread_closes(parameters):
    threads = []

    def opened(connection):
        threads.append(
            threading.Thread(target=lambda: connection.add_callback_threadsafe(connection.close)))
        threads[0].start()

    assert closed_by_client(run(parameters, opened))
    threads[0].join()


def test_no_descriptor_is_left(parameters):
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('/proc tells')
    gc.collect()  # loops of tests before this one
    before = set(os.listdir('/proc/self/fd'))
    loop = Loop()
    run(parameters, lambda connection: connection.close(), custom_ioloop=loop)
    assert loop.start() is False
    loop.close()
    assert set(os.listdir('/proc/self/fd')) - before == set()


def test_idle_connection_wakes_only_for_heartbeats(parameters):
    parameters.heartbeat = 1
    counts = []
    loop = Loop()

    def opened(connection):
        counts.append(loop._raw.iteration)
        loop.timer(2.2, 0, lambda *_: connection.close()).start()

    assert closed_by_client(run(parameters, opened, custom_ioloop=loop))
    # Ours each 0.5 s, the broker's each 0.5 s, the close and its answer, and what each writes.
    assert loop._raw.iteration - counts[0] < 25
