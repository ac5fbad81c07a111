"""`LibevConnection` as far as it needs no broker and no port."""

from __future__ import annotations

import os
import signal
import threading
import time

import gevent
import pika
import pytest
from pika.adapters import libev_connection
from pika_libev import EV_READ, EV_WRITE, LibevConnection, Loop
from pika_libev.bridge import Bridge


class Pyev:
    """Has the methods of `pyev.Loop` and no other ones."""

    def __init__(self):
        self._loop = Loop()
        for name in ('io', 'timer', 'async', 'start', 'stop', 'update'):
            setattr(self, name, getattr(self._loop, name))

    def signal(self, signum, callback):
        return PyevSignal(self._loop._raw.signal(signum), callback)


class PyevSignal:
    """Leaves the signal's default action behind, as pyev does."""

    def __init__(self, raw, callback):
        self._raw = raw
        self._callback = callback
        self.stop = raw.stop

    def start(self):
        self._raw.start(self._callback, self, 0x400)


def stop(connection, reason):
    connection.ioloop.stop()


def unconnected(**options):
    return LibevConnection(on_open_error_callback=stop,
                           internal_connection_workflow=False,
                           **options)


def signal_soon(signum):
    main = threading.main_thread().ident
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signum))
    timer.start()
    return timer


def test_names():
    assert libev_connection.LibevConnection is pika.adapters.LibevConnection is LibevConnection


@pytest.mark.parametrize('connect', [True, False])
@pytest.mark.parametrize('make_loop', [lambda: None, Pyev, gevent.get_hub])
def test_close_before_the_loop_starts(connect, make_loop):
    connection = LibevConnection(on_open_error_callback=stop,
                                 custom_ioloop=make_loop(),
                                 internal_connection_workflow=connect)
    connection.close()
    connection.ioloop.start()
    assert connection.is_closed


def test_loops():
    pyev = Pyev()
    own = Loop()
    hub = gevent.get_hub()
    made = [unconnected(custom_ioloop=loop) for loop in (pyev, own, hub, hub.loop)]
    assert made[0].ioloop is pyev
    assert made[1].ioloop is own
    assert made[2].ioloop._raw is made[3].ioloop._raw is hub.loop
    for connection in made:
        connection.close()
        connection.ioloop.start()


@pytest.mark.parametrize('loop', [object(), 1, 'loop'])
def test_no_loop(loop):
    with pytest.raises(TypeError, match='custom_ioloop'):
        LibevConnection(custom_ioloop=loop)


def test_bad_arguments_leave_nothing_watched():
    loop = Loop()
    with pytest.raises(TypeError):
        LibevConnection(custom_ioloop=loop, on_signal_callback=1)
    with pytest.raises(TypeError):
        LibevConnection(1, custom_ioloop=loop)
    assert loop.start() is False


def test_ended_connection_leaves_nothing_watched():
    loop = Loop()
    connection = LibevConnection(on_open_error_callback=lambda connection, error: None,
                                 on_signal_callback=pytest.fail,
                                 custom_ioloop=loop)
    connection.close()
    assert loop.start() is False
    assert connection.is_closed


@pytest.mark.parametrize('make_loop', [lambda: None, Pyev, gevent.get_hub])
@pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGTERM])
def test_on_signal_callback(make_loop, signum):
    seen = []
    handled = []
    before = signal.signal(signum, lambda signum, frame: handled.append(signum))
    try:
        connection = unconnected(custom_ioloop=make_loop(),
                                 on_signal_callback=lambda name:
                                 (seen.append(name), connection.close()))
        sender = signal_soon(signum)
        connection.ioloop.start()
        sender.join()
        assert seen == [signum.name]
        assert connection.is_closed and not handled
        os.kill(os.getpid(), signum)
        assert handled == [signum]
    finally:
        signal.signal(signum, before)


def test_signals_of_two_connections_on_one_loop():
    loop = Loop()
    seen = []
    made = [unconnected(custom_ioloop=loop, on_signal_callback=seen.append) for _ in range(2)]
    timer = loop.timer(0.2, 0, lambda watcher, revents: loop.stop())
    loop.update()
    timer.start()
    sender = signal_soon(signal.SIGTERM)
    loop.start()
    sender.join()
    assert seen == ['SIGTERM'] * 2
    with pytest.raises(RuntimeError, match='SIGINT'):
        unconnected(on_signal_callback=seen.append)
    for connection in made:
        connection.close()
        loop.start()


def test_on_signal_callback_outside_of_the_main_thread_is_refused():
    errors = []

    def make():
        try:
            unconnected(on_signal_callback=print)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert errors


def test_no_callback_of_many_threads_is_lost():
    connection = unconnected()
    seen = []

    def add():
        for _ in range(1000):
            connection.add_callback_threadsafe(one)

    def one():
        seen.append(1)
        if len(seen) == 4000:
            connection.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    connection.ioloop.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4000


def test_exception_of_a_callback_does_not_drop_the_next_ones():
    connection = unconnected()
    connection.add_callback_threadsafe(lambda: 1 / 0)
    connection.add_callback_threadsafe(connection.close)
    with pytest.raises(ZeroDivisionError):
        connection.ioloop.start()
    connection.ioloop.start()
    assert connection.is_closed


def test_timer_of_the_bridge_is_not_early_on_a_stale_loop():
    loop = Loop()
    bridge = Bridge(loop)
    bridge.call_soon(loop.stop)
    loop.start()
    begin = time.monotonic()
    while time.monotonic() < begin + 0.2:
        pass
    when = time.monotonic() + 0.1
    fired = []
    bridge.call_at(when, lambda: (fired.append(time.monotonic()), loop.stop()))
    loop.start()
    # libev's clock and Python's differ by what passes between two readings.
    assert fired[0] > when - 0.05
    bridge.close()


def test_cancelled_timer():
    loop = Loop()
    bridge = Bridge(loop)
    timer = bridge.call_at(time.monotonic(), pytest.fail)
    timer.cancel()
    timer.cancel()
    fired = bridge.call_at(time.monotonic() + 0.02, loop.stop)
    loop.start()
    fired.cancel()
    bridge.close()


class StubLoop:
    """Shows what a bridge watches, so that two events can come at once."""

    def __init__(self):
        self.active = []

    def io(self, fd, events, callback):
        return StubWatcher(self.active, events, callback)

    def watcher(self, *arguments):
        return StubWatcher([], 0, print)


setattr(StubLoop, 'async', StubLoop.watcher)


class StubWatcher:

    def __init__(self, active, events, callback):
        self.active = active
        self.events = events
        self.callback = callback

    def start(self):
        self.active.append(self)

    def stop(self):
        self.active.remove(self)


def test_watch():
    loop = StubLoop()
    bridge = Bridge(loop)
    seen = []
    bridge.watch(3, lambda: seen.append('r'), lambda: seen.append('w'))
    watcher, = loop.active
    assert watcher.events == EV_READ | EV_WRITE
    watcher.callback(watcher, EV_READ | EV_WRITE)
    assert seen == ['r', 'w']
    watcher.callback(watcher, EV_WRITE)
    assert seen == ['r', 'w', 'w']
    bridge.watch(3, lambda: bridge.watch(3, None, None), pytest.fail)
    watcher, = loop.active
    watcher.callback(watcher, EV_READ | EV_WRITE)
    assert not loop.active
