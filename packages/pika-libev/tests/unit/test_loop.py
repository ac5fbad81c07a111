"""`Loop`: libev through the API of pyev, and what is known to go wrong there."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import gevent
import pytest
from gevent.libev import corecext
from pika_libev import EV_READ, EV_WRITE, Loop


class Boom(Exception):
    pass


def boom(watcher, revents):
    raise Boom


@pytest.fixture(params=['own', 'given', 'hub'])
def loop(request):
    if request.param == 'own':
        loop = Loop()
    else:
        loop = Loop(gevent.get_hub() if request.param == 'hub' else corecext.loop(default=False))
    # A test that hangs would hang all.
    guard = loop.timer(10, 0, lambda watcher, revents: pytest.fail('the loop did not stop'))
    guard.start()
    yield loop
    guard.stop()
    loop.close()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def after(loop, seconds, callback):
    loop.update()
    timer = loop.timer(seconds, 0, lambda watcher, revents: callback())
    timer.start()
    return timer


def interrupt_soon(signum=signal.SIGINT):
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, lambda: signal.pthread_kill(main, signum))
    timer.start()
    return timer


def test_it_is_libev(loop):
    assert corecext.get_version() == 'libev-4.33'
    assert isinstance(loop._raw, corecext.loop)
    names = {4: 'epoll', 8: 'kqueue', 2: 'poll', 1: 'select'}
    assert names[loop.backend] == loop._raw.backend
    if sys.platform == 'linux':
        assert loop.backend == 4


def test_it_is_not_the_default_loop_that_reaps_children():
    loop = Loop()
    assert not loop._raw.default
    before = signal.getsignal(signal.SIGCHLD)
    child = subprocess.Popen([sys.executable, '-c', 'raise SystemExit(7)'], stdout=subprocess.PIPE)
    with child:
        watcher = loop.io(child.stdout.fileno(), EV_READ, lambda watcher, revents: loop.stop())
        watcher.start()
        loop.start()
        watcher.stop()
        after(loop, 0.05, loop.stop)
        loop.start()
    assert child.returncode == 7
    assert signal.getsignal(signal.SIGCHLD) is before


def test_events(loop, pair):
    ours, theirs = pair
    seen = []

    def writable(watcher, revents):
        seen.append((watcher.fd, revents, watcher.data))
        watcher.stop()
        reader.start()
        theirs.send(b'x')

    def readable(watcher, revents):
        seen.append((watcher.fd, revents, watcher.data))
        watcher.stop()
        loop.stop()

    writer = loop.io(ours.fileno(), EV_WRITE, writable, 'w')
    reader = loop.io(ours.fileno(), EV_READ, readable, 'r')
    writer.start()
    assert writer.active and not reader.active
    loop.start()
    assert seen == [(ours.fileno(), EV_WRITE, 'w'), (ours.fileno(), EV_READ, 'r')]
    assert not writer.active and not reader.active


def test_start_returns_when_nothing_is_watched():
    loop = Loop()
    assert loop.start() is False
    after(loop, 0.01, lambda: None)
    assert loop.start() is False
    kept = loop.timer(60, 0, boom)
    kept.start()
    after(loop, 0.01, loop.stop)
    assert loop.start() is True
    kept.stop()


def test_start_inside_start_is_refused(loop):
    after(loop, 0, loop.start)
    with pytest.raises(RuntimeError, match='runs already'):
        loop.start()


def test_repeating_timer(loop):
    seen = []

    def tick(watcher, revents):
        seen.append(revents)
        if len(seen) == 3:
            watcher.stop()
            loop.stop()

    loop.timer(0.01, 0.01, tick).start()
    loop.start()
    assert seen == [0x100] * 3


def test_timer_counts_from_the_time_of_update():
    """Without it from the last iteration, however long ago that was."""
    loop = Loop()
    after(loop, 0, lambda: None)
    loop.start()
    stale = loop.now()
    while time.time() < stale + 0.3:
        pass
    assert loop.now() == stale
    loop.update()
    assert loop.now() >= stale + 0.3


def test_exception_comes_out_and_nothing_else_is_lost(loop, pair):
    ours, theirs = pair
    seen = []
    theirs.send(b'x')
    first = loop.io(ours.fileno(), EV_READ, boom)
    second = loop.io(theirs.fileno(), EV_WRITE, lambda watcher, revents:
                     (seen.append(revents), watcher.stop()))
    first.start()
    second.start()
    with pytest.raises(Boom):
        loop.start()
    first.stop()
    after(loop, 0.05, loop.stop)
    try:
        loop.start()
    except Boom:  # both came in one iteration, in which the first came twice
        loop.start()
    assert seen == [EV_WRITE]


def test_two_exceptions_of_one_iteration_come_one_after_the_other():
    loop = Loop()
    for _ in range(2):
        loop.timer(0, 0, boom).start()
    for _ in range(2):
        with pytest.raises(Boom):
            loop.start()
    assert loop.start() is False


def test_ctrl_c_in_the_code_of_gevent_comes_out():

    def interrupted():
        raise KeyboardInterrupt

    loop = Loop()
    loop._raw.timer(0).start(interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.start()


def test_loop_that_is_forgotten_gives_descriptors_back():
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('/proc tells')
    gc.collect()
    before = set(os.listdir('/proc/self/fd'))
    loop = Loop()
    after(loop, 0, loop.stop)
    loop.start()
    assert set(os.listdir('/proc/self/fd')) != before
    del loop
    gc.collect()
    assert set(os.listdir('/proc/self/fd')) == before


def test_ctrl_c_gets_out_of_an_idle_loop(loop):
    interrupter = interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    interrupter.join()


def test_send_from_another_thread_wakes(loop):
    seen = []

    def woken(watcher, revents):
        seen.append(revents)
        watcher.stop()
        loop.stop()

    watcher = getattr(loop, 'async')(woken)
    watcher.start()
    sender = threading.Timer(0.05, watcher.send)
    sender.start()
    loop.start()
    sender.join()
    assert seen == [0x80000]


def test_signal_watcher_and_then_the_handler_of_python(loop):
    handled = []
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: handled.append(signum))
    try:
        seen = []

        def signalled(watcher, revents):
            seen.append((watcher.signum, revents))
            loop.stop()

        watchers = [loop.signal(signal.SIGUSR1, signalled) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
            watcher.start()
        interrupter = interrupt_soon(signal.SIGUSR1)
        loop.start()
        interrupter.join()
        assert seen == [(signal.SIGUSR1, 0x400)] * 2
        assert not handled
        # The other one still watches.
        watchers[0].stop()
        watchers[0].stop()
        interrupter = interrupt_soon(signal.SIGUSR1)
        loop.start()
        interrupter.join()
        assert len(seen) == 3 and not handled
        # libev would leave the default action behind: the end of the process.
        watchers[1].stop()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert handled == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_signal_on_two_loops_is_refused():
    """libev would abort the process."""
    first = Loop()
    watcher = first.signal(signal.SIGUSR1, boom)
    watcher.start()
    try:
        with pytest.raises(RuntimeError, match='SIGUSR1'):
            Loop().signal(signal.SIGUSR1, boom).start()
    finally:
        watcher.stop()
    second = Loop().signal(signal.SIGUSR1, boom)
    second.start()
    second.stop()


def test_callback_that_is_none(loop):
    with pytest.raises(TypeError, match='callable'):
        loop.timer(1, 0, None)


def test_close_gives_descriptors_back():
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('/proc tells')
    before = set(os.listdir('/proc/self/fd'))
    loop = Loop()
    after(loop, 0, loop.stop)
    loop.start()
    loop.close()
    assert set(os.listdir('/proc/self/fd')) == before


def test_other_greenlets_run_while_one_waits_in_start():
    loop = Loop(gevent.get_hub())
    seen = []

    def other():
        gevent.sleep(0.01)
        seen.append('other')
        loop.stop()

    greenlet = gevent.spawn(other)
    loop.start()
    assert seen == ['other']
    greenlet.join()


def test_missing_gevent_is_named_once_it_is_needed():
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'gevent':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Missing())
import pika_libev
try:
    pika_libev.LibevConnection()
except ImportError as error:
    print(error)
"""
    assert subprocess.check_output([sys.executable, '-c', code],
                                   text=True) == 'pip install gevent\n'


def test_loop_is_a_context_manager():
    with Loop() as loop:
        assert loop.start() is False
    with pytest.raises(ValueError, match='destroyed'):
        loop.start()
