"""`IOLoop` and `GeventConnection` as far as they need no broker."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import gevent
import pika
import pika_gevent
import pytest
from pika import exceptions
from pika_gevent import GeventConnection, IOLoop


@pytest.fixture
def loop():
    loop = IOLoop()
    yield loop
    loop.close()


def test_names():
    from pika.adapters import gevent_connection
    assert gevent_connection.GeventConnection is GeventConnection


@pytest.mark.parametrize('code, answer', [
    ('import threading, pika_gevent; print(threading.active_count())', '1'),
    ('import socket, pika_gevent; print(socket.socket.__module__)', 'socket'),
    ('sys.modules["gevent"] = None\ntry:\n    import pika_gevent\n'
     'except ModuleNotFoundError as error:\n    print(error)', 'pip install gevent'),
])
def test_importing(code, answer):
    """It starts no thread and patches nothing; a missing gevent says what to install."""
    path = pika_gevent.__path__[0].rpartition('pika_gevent')[0]
    code = f'import sys; sys.path.insert(0, {path!r})\n{code}'
    assert subprocess.check_output([sys.executable, '-c', code], text=True).strip() == answer


def test_hub_of_another_thread_is_refused():
    hubs = []
    thread = threading.Thread(target=lambda: hubs.append(gevent.get_hub()))
    thread.start()
    thread.join()
    for wrong in (hubs[0], 'hub'):
        with pytest.raises(TypeError, match='the hub of this thread'):
            IOLoop(wrong)
    for right in (gevent.get_hub(), gevent.get_hub().loop):
        IOLoop(right).close()


def test_timers_in_their_order(loop):
    called = []
    loop.call_later(0.02, lambda: (called.append('second'), loop.stop()))
    loop.call_later(0.01, lambda: called.append('first'))
    gone = loop.call_later(0.005, lambda: called.append('removed'))
    loop.remove_timeout(gone)
    loop.remove_timeout(gone)
    loop.start()
    assert called == ['first', 'second']


def test_timer_counts_from_now_and_not_from_the_hubs_last_turn(loop):
    gevent.sleep(0)
    time.sleep(0.2)
    started = time.monotonic()
    loop.call_later(0.1, loop.stop)
    loop.start()
    assert time.monotonic() - started > 0.09


def test_callbacks_from_threads(loop):
    called = []
    thread = threading.Thread(target=lambda: [
        loop.add_callback_threadsafe(lambda n=n: called.append(n)) for n in range(100)
    ] and loop.add_callback_threadsafe(loop.stop))
    thread.start()
    loop.start()
    thread.join()
    assert called == list(range(100))


def test_exception_comes_out_of_start_and_the_rest_goes_on(loop):
    called = []
    loop.add_callback(lambda: 1 // 0)
    loop.add_callback(lambda: (called.append(1), loop.stop()))
    with pytest.raises(ZeroDivisionError):
        loop.start()
    loop.start()
    assert called == [1]


def test_exception_without_start_is_the_hubs(loop, capsys):
    loop.add_callback(lambda: 1 // 0)
    gevent.sleep(0.02)
    assert 'ZeroDivisionError' in capsys.readouterr().err


def test_start_twice(loop):
    waiting = gevent.spawn(loop.start)
    gevent.sleep(0)
    with pytest.raises(RuntimeError):
        loop.start()
    loop.stop()
    waiting.get(timeout=5)


def test_descriptor_is_left_alone_while_its_callback_waits(loop):
    """The hub would spin."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        turns = []

        def read():
            turns.append(1)
            gevent.sleep(0.02)
            ours.recv(100)
            loop.stop()

        loop.watch(ours.fileno(), read, None)
        theirs.send(b'x')
        loop.start()
        assert turns == [1]
        loop.watch(ours.fileno(), None, None)


def test_address_that_refuses(loop):
    with socket.create_server(('127.0.0.1', 0)) as server:
        parameters = pika.ConnectionParameters('127.0.0.1', server.getsockname()[1])
    ends = []
    GeventConnection(parameters,
                     on_open_error_callback=lambda c, error: (ends.append(error), loop.stop()),
                     custom_ioloop=loop)
    loop.start()
    assert isinstance(ends[0], exceptions.AMQPConnectionError) and ends[0].phase == 'connect'


def test_open_error_without_a_callback_comes_out_of_start(loop):
    GeventConnection(pika.ConnectionParameters('no.such.host.invalid'), custom_ioloop=loop)
    with pytest.raises(socket.gaierror):
        loop.start()


def test_loop_is_a_context_manager():
    with IOLoop() as loop:
        loop.add_callback(loop.stop)
        loop.start()
    assert not loop._waker.active
