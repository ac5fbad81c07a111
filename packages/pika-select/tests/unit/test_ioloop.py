"""`IOLoop` with descriptors, timers, threads and signals; nothing of AMQP."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
import time

import pytest
from pika.adapters import select_connection
from pika_select import IOLoop


class Boom(Exception):
    pass


POLLERS = [
    kind for kind, name in {
        'epoll': 'EpollSelector',
        'kqueue': 'KqueueSelector',
        'poll': 'PollSelector',
        'select': 'SelectSelector'
    }.items() if hasattr(selectors, name)
]


@pytest.fixture(params=POLLERS)
def loop(request, monkeypatch):
    monkeypatch.setattr(select_connection, 'SELECT_TYPE', request.param)
    loop = IOLoop()
    # A test that hangs would hang all.
    guard = loop.call_later(10, lambda: pytest.fail('the loop did not stop'))
    yield loop
    guard.cancel()
    loop.close()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def descriptors():
    return set(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else set()


def test_callbacks_run_in_order_then_stop(loop):
    seen = []
    for number in range(3):
        loop.add_callback(lambda number=number: seen.append(number))
    loop.add_callback(loop.stop)
    loop.start()
    assert seen == [0, 1, 2]


def test_stop_before_start_lets_start_return_at_once(loop):
    seen = []
    loop.add_callback(lambda: seen.append(1))
    loop.add_callback(loop.stop)
    loop.stop()
    loop.start()
    assert seen == []
    loop.start()
    assert seen == [1]


def test_it_holds_no_descriptors_but_while_it_runs(loop):
    before = descriptors()
    loop.add_callback(loop.stop)
    loop.start()
    assert descriptors() == before


def test_start_inside_start_is_refused(loop):
    loop.add_callback(loop.start)
    with pytest.raises(RuntimeError):
        loop.start()


def test_timers_run_in_order(loop):
    seen = []
    start = time.monotonic()
    loop.call_later(0.04, loop.stop)
    loop.call_later(0.02, lambda: seen.append('b'))
    loop.call_later(0, lambda: seen.append('a'))
    removed = loop.call_later(0.01, lambda: seen.append('removed'))
    loop.remove_timeout(removed)
    loop.remove_timeout(removed)
    loop.start()
    assert seen == ['a', 'b']
    assert loop._cancelled == 0
    assert time.monotonic() - start >= 0.04


def test_timers_of_one_moment_keep_their_order(loop):
    seen = []
    when = time.monotonic()
    for number in range(5):
        loop.call_at(when, lambda number=number: seen.append(number))
    loop.call_at(when, loop.stop)
    loop.start()
    assert seen == list(range(5))


def test_timer_that_has_fired_can_be_removed(loop):
    timer = loop.call_later(0, loop.stop)
    loop.start()
    loop.remove_timeout(timer)


def test_negative_delay_is_refused(loop):
    with pytest.raises(ValueError, match='non-negative'):
        loop.call_later(-1, print)
    with pytest.raises(TypeError, match='callable'):
        loop.call_later(1, None)


def test_cancelled_timers_do_not_pile_up(loop):
    seen = []
    kept = [loop.call_later(0.01 + number / 1e6, lambda: seen.append(1)) for number in range(10)]
    for _ in range(10_000):
        loop.call_later(3600, print).cancel()
    assert len(loop._timers) < 500
    loop.call_later(0.03, loop.stop)
    loop.start()
    assert len(seen) == len(kept)
    assert loop._cancelled == sum(timer.callback is None for _, _, timer in loop._timers)


def test_callback_added_in_a_callback_waits_for_the_next_turn(loop, pair):
    """Else descriptors and timers would starve."""
    ours, theirs = pair
    seen = []

    def again():
        seen.append('callback')
        loop.add_callback(again)

    def readable(fd, events):
        seen.append('readable')
        loop.stop()

    loop.add_callback(again)
    loop.add_handler(ours.fileno(), readable, loop.READ)
    theirs.send(b'x')
    loop.start()
    assert 'readable' in seen


def test_add_callback_from_another_thread_wakes(loop):
    threads = []

    def start_thread():
        threads.append(threading.Timer(0.05, lambda: loop.add_callback_threadsafe(loop.stop)))
        threads[0].start()

    loop.add_callback(start_thread)
    start = time.monotonic()
    loop.start()
    assert time.monotonic() - start < 30
    threads[0].join()


def test_no_callback_of_many_threads_is_lost(loop):
    count = 4 * 2000
    seen = []

    def add():
        for _ in range(2000):
            loop.add_callback_threadsafe(one)

    def one():
        seen.append(1)
        if len(seen) == count:
            loop.stop()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        loop.add_callback(thread.start)
    loop.start()
    for thread in threads:
        thread.join()
    assert len(seen) == count


@pytest.mark.skipif(not hasattr(signal, 'setitimer'), reason='a signal after some time: POSIX')
def test_stop_in_a_signal_handler_wakes(loop):
    before = signal.signal(signal.SIGALRM, lambda *_: loop.stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        loop.start()
        assert time.monotonic() - start < 30
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, 'pthread_kill'), reason='a signal to oneself: POSIX')
def test_ctrl_c_gets_out_of_an_idle_loop(loop):
    main = threading.main_thread().ident
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    timer.join()


def test_exception_comes_out_and_nothing_due_is_lost(loop):
    seen = []

    def boom():
        raise Boom

    loop.add_callback(lambda: seen.append('before'))
    loop.add_callback(boom)
    loop.add_callback(lambda: seen.append('after'))
    loop.call_later(0, boom)
    loop.call_later(0.05, loop.stop)
    before = descriptors()
    for _ in range(2):
        with pytest.raises(Boom):
            loop.start()
    assert descriptors() == before
    loop.start()
    assert seen == ['before', 'after']


def test_handlers(loop, pair):
    ours, theirs = pair
    seen = []

    def handler(fd, events):
        assert fd == ours.fileno()
        seen.append(events)
        if events & loop.WRITE:
            loop.update_handler(fd, loop.READ)
            theirs.send(b'x')
        else:
            assert ours.recv(10) == b'x'
            loop.remove_handler(fd)
            theirs.send(b'y')
            loop.call_later(0.02, loop.stop)

    loop.add_handler(ours.fileno(), handler, loop.READ | loop.WRITE)
    with pytest.raises(ValueError):
        loop.add_handler(ours.fileno(), handler, loop.READ)
    loop.start()
    assert seen == [loop.WRITE, loop.READ]
    with pytest.raises(KeyError):
        loop.remove_handler(ours.fileno())


def test_handler_added_and_changed_while_it_runs(loop, pair):
    ours, theirs = pair
    seen = []

    def handler(fd, events):
        seen.append(events)
        loop.update_handler(fd, 0)
        loop.call_later(0.01, lambda: loop.update_handler(fd, loop.READ))
        if len(seen) == 2:
            loop.stop()

    theirs.send(b'x')
    loop.add_callback(lambda: loop.add_handler(ours.fileno(), handler, loop.READ))
    loop.start()
    assert seen == [loop.READ] * 2


def test_hang_up_shows_as_what_is_watched(loop, pair):
    ours, theirs = pair
    theirs.close()
    seen = []

    def handler(fd, events):
        seen.append(events)
        loop.stop()

    loop.add_handler(ours.fileno(), handler, loop.READ | loop.ERROR)
    loop.start()
    assert seen == [loop.READ]


def test_handler_removed_by_another_in_the_same_turn_is_not_called(loop):
    pairs = [socket.socketpair() for _ in range(2)]
    called = []

    def handler(fd, events):
        called.append(fd)
        for ours, _ in pairs:
            loop.remove_handler(ours.fileno())
        loop.call_later(0.02, loop.stop)

    for ours, theirs in pairs:
        theirs.send(b'x')
        loop.add_handler(ours.fileno(), handler, loop.READ)
    loop.start()
    assert len(called) == 1
    for sock in (*pairs[0], *pairs[1]):
        sock.close()


def test_handler_changed_by_another_in_the_same_turn_is_not_called_for_the_old_event(loop):
    pairs = [socket.socketpair() for _ in range(2)]
    called = []

    def handler(fd, events):
        called.append(events)
        for ours, _ in pairs:
            loop.update_handler(ours.fileno(), loop.WRITE)
        if len(called) == 3:
            loop.stop()

    for ours, theirs in pairs:
        theirs.send(b'x')
        loop.add_handler(ours.fileno(), handler, loop.READ)
    loop.start()
    assert called.count(loop.READ) == 1
    for sock in (*pairs[0], *pairs[1]):
        sock.close()


def test_new_handler_of_a_descriptor_gets_no_event_of_the_old_one(loop):
    """The number of a closed descriptor is given to the next one."""
    pairs = [socket.socketpair() for _ in range(2)]
    called = []

    def handler(fd, events):
        called.append('old')
        for ours, _ in pairs:
            loop.remove_handler(ours.fileno())
            loop.add_handler(ours.fileno(), new, loop.READ)
        loop.add_callback(lambda: called.append('next turn'))

    def new(fd, events):
        called.append('new')
        loop.stop()

    for ours, theirs in pairs:
        theirs.send(b'x')
        loop.add_handler(ours.fileno(), handler, loop.READ)
    loop.start()
    assert called == ['old', 'next turn', 'new', 'new']
    for sock in (*pairs[0], *pairs[1]):
        sock.close()


def test_watch(loop, pair):
    ours, theirs = pair
    seen = []

    def writable():
        seen.append('writable')
        loop.watch(ours.fileno(), readable, None)
        theirs.send(b'x')

    def readable():
        seen.append('readable')
        loop.watch(ours.fileno(), None, None)
        loop.call_later(0.02, loop.stop)

    loop.watch(ours.fileno(), None, writable)
    loop.start()
    assert seen == ['writable', 'readable']
    loop.watch(ours.fileno(), readable, writable)
    loop.watch(ours.fileno(), None, None)


def test_close_while_it_runs_forgets_all(loop, pair):
    ours, theirs = pair
    theirs.send(b'x')
    seen = []
    loop.add_handler(ours.fileno(), lambda *_: None, loop.READ)

    def close():
        loop.close()
        loop.call_later(0.02, loop.stop)

    loop.add_callback(close)
    loop.add_callback(lambda: seen.append(1))
    loop.start()
    assert seen == []


@pytest.mark.parametrize('kind', POLLERS)
def test_poller_is_the_one_that_is_asked_for(monkeypatch, kind):
    monkeypatch.setattr(select_connection, 'SELECT_TYPE', kind)
    loop = IOLoop()
    loop.activate_poller()
    assert type(loop._selector).__name__.lower() == f'{kind}selector'
    loop.deactivate_poller()


def test_poller_that_is_not_there(monkeypatch):
    monkeypatch.setattr(select_connection, 'SELECT_TYPE', 'iocp')
    loop = IOLoop()
    with pytest.raises(ValueError, match="'iocp', and this platform has .*poll"):
        loop.start()
    monkeypatch.setattr(select_connection, 'SELECT_TYPE', None)
    loop.stop()
    loop.start()


def test_turns_one_by_one(loop):
    """What `start` does until `stop`."""
    before = descriptors()
    seen = []
    loop.add_callback(lambda: seen.append(1))
    loop.call_later(0, lambda: seen.append(2))
    loop.activate_poller()
    with pytest.raises(RuntimeError):
        loop.start()
    loop.poll()
    assert seen == []
    loop.process_timeouts()
    assert sorted(seen) == [1, 2]
    loop.deactivate_poller()
    loop.deactivate_poller()
    assert descriptors() == before
    with pytest.raises(RuntimeError):
        loop.poll()


def test_cancelled_timer_does_not_wake_the_loop(loop, monkeypatch):
    turns = []
    poll = loop.poll
    monkeypatch.setattr(loop, 'poll', lambda: (turns.append(1), poll()))
    for delay in (0.01, 0.03, 0.05):
        loop.remove_timeout(loop.call_later(delay, lambda: None))
    loop.call_later(0.1, loop.stop)
    loop.start()
    assert len(turns) <= 2


def test_idle_loop_does_not_turn(loop, monkeypatch):
    turns = []
    poll = loop.poll
    monkeypatch.setattr(loop, 'poll', lambda: (turns.append(1), poll()))
    loop.call_later(0.1, loop.stop)
    loop.start()
    assert len(turns) <= 2


def test_timer_that_is_further_away_than_a_selector_can_wait():
    loop = IOLoop()
    loop.call_later(1e10, lambda: None)
    loop.call_later(0, loop.stop)
    loop.start()
    loop.call_later(0.01, loop.stop)
    loop.start()


def test_loop_is_a_context_manager():
    called = []
    with IOLoop() as loop:
        loop.add_callback(lambda: (called.append(1), loop.stop()))
        loop.start()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop.add_handler(ours.fileno(), lambda fd, events: called.append(2), loop.READ)
            theirs.send(b'x')
            loop.close()
            loop.call_later(0.05, loop.stop)
            loop.start()
    assert called == [1]
