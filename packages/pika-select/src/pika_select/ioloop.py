"""A small event loop over `selectors`: epoll, kqueue, poll or select, whichever is best here.

Rule: it knows nothing of AMQP. One thread runs it, inside `start()`; of its methods only
`add_callback` (`add_callback_threadsafe`) may be called from other threads and signal handlers.

What a callback or handler raises comes out of `start()`, which may be called again: nothing that
was due is lost. The loop holds descriptors of its own only while it runs.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    Callback = Callable[[], object]
    Handler = Callable[[int, int], object]

_SELECTORS = {
    'epoll': 'EpollSelector',
    'kqueue': 'KqueueSelector',
    'poll': 'PollSelector',
    'select': 'SelectSelector',
}
# Cancelled timers stay where they are until there are this many, and more of them than others.
_CANCELLED_KEPT = 100
# Seconds; selectors refuse to wait for much longer than this.
_LONGEST_WAIT = 86400.0


def _new_selector() -> selectors.BaseSelector:
    """The one of SELECT_TYPE, else the best there is."""
    from pika.adapters import select_connection  # which imports this
    wanted = select_connection.SELECT_TYPE
    if wanted is None:
        return selectors.DefaultSelector()
    found = {kind for kind, name in _SELECTORS.items() if hasattr(selectors, name)}
    if wanted not in found:
        raise ValueError(f'SELECT_TYPE is {wanted!r}, and this platform has '
                         f'{", ".join(sorted(found))}')
    selector: selectors.BaseSelector = getattr(selectors, _SELECTORS[wanted])()
    return selector


class Timer:
    """What `IOLoop.call_later` returns, for `IOLoop.remove_timeout`."""

    __slots__ = ('when', 'callback', '_loop')

    def __init__(self, loop: IOLoop, when: float, callback: Callback) -> None:
        self.when = when  # monotonic seconds
        self.callback: Callback | None = callback
        self._loop = loop

    def cancel(self) -> None:
        """Do not call back; no harm when it has been done."""
        if self.callback is not None:
            self.callback = None
            self._loop._timer_cancelled()


class PollEvents:
    """The bits of what descriptors are watched for, and of what they are found to be."""

    READ = 1
    WRITE = 4
    ERROR = 8
    HANGUP = 16  # pika 1.x has it; here a hang-up shows as what is watched, and is read


class IOLoop:
    """The loop of `SelectConnection`; several connections may share one.

    READ, WRITE, ERROR are the bits of `events`. An error or a hang-up of a descriptor shows as
    those of READ and WRITE that are watched.

    It takes the best poller of the platform, unless `pika.adapters.select_connection.SELECT_TYPE`
    is set to 'epoll', 'kqueue', 'poll' or 'select' before it starts. The last takes no descriptor
    above 1023.
    """

    READ = PollEvents.READ
    WRITE = PollEvents.WRITE
    ERROR = PollEvents.ERROR

    def __init__(self) -> None:
        self._ready: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()  # so that timers of one moment keep their order
        self._cancelled = 0
        self._handlers: dict[int, tuple[Handler, int]] = {}
        self._selector: selectors.BaseSelector | None = None
        self._woken: socket.socket
        self._waker: socket.socket | None = None
        self._waiting = False
        self._stopping = False

    # Running.

    def start(self) -> None:
        """Run until `stop()`, or until a callback raises.

        Raises:
          RuntimeError: it runs already.
          ValueError: `SELECT_TYPE` names what this platform has not.
        """
        self.activate_poller()
        try:
            while not self._stopping:
                self.poll()
                self.process_timeouts()
        finally:
            self._stopping = False
            self.deactivate_poller()

    def activate_poller(self) -> None:
        """Take what `poll` needs of the system; `start` does so.

        Raises:
          RuntimeError: it has been taken already, since the loop runs.
          ValueError: `SELECT_TYPE` names what this platform has not.
        """
        if self._selector is not None:
            raise RuntimeError('the IOLoop runs already')
        self._selector = _new_selector()
        self._woken, self._waker = socket.socketpair()
        for sock in (self._woken, self._waker):
            sock.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        for fd in self._handlers:
            self._watch(fd)

    def deactivate_poller(self) -> None:
        """Give that back; `start` does so."""
        selector, self._selector = self._selector, None
        waker, self._waker = self._waker, None
        if selector is not None and waker is not None:
            selector.close()
            self._woken.close()
            waker.close()

    def stop(self) -> None:
        """End `start()` after this turn; when the loop does not run, the next `start()` at once."""
        self._stopping = True
        self._wake()

    def close(self) -> None:
        """Forget all handlers, timers and callbacks."""
        for fd in list(self._handlers):
            self.remove_handler(fd)
        self._timers.clear()
        self._ready.clear()
        self._cancelled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    # Callbacks and timers.

    def add_callback(self, callback: Callback) -> None:
        """Have `callback` called in the loop's next turn. May be called from anywhere."""
        self._ready.append(callback)
        self._wake()

    add_callback_threadsafe = call_soon_threadsafe = add_callback

    def _wake(self) -> None:
        # Either we see that the loop waits, or the loop, which says so first, sees the change.
        waker = self._waker
        if self._waiting and waker is not None:
            try:
                waker.send(b'\0')
            except OSError:
                pass  # It is full, so the loop wakes anyway; or closed, so the loop ended.

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Have `callback` called after `delay` seconds; return what `remove_timeout` takes.

        Raises:
          ValueError: `delay` is negative.
        """
        if delay < 0:
            raise ValueError(f'call_later: delay must be non-negative, but got {delay}')
        return self.call_at(time.monotonic() + delay, callback)

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Have `callback` called at `when`, in seconds of `time.monotonic()`."""
        if not callable(callback):
            raise TypeError(f'callback must be callable, but got {callback!r}')
        timer = Timer(self, when, callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def remove_timeout(self, timeout_handle: Timer) -> None:
        """Cancel a timer; no harm when it has fired or was cancelled."""
        timeout_handle.cancel()

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _CANCELLED_KEPT and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    # Descriptors.

    def add_handler(self, fd: int, handler: Handler, events: int) -> None:
        """Have `handler(fd, events)` called whenever one of `events` is so, as long as it is so.

        Raises:
          ValueError: `fd` has a handler.
        """
        if fd in self._handlers:
            raise ValueError(f'descriptor {fd} has a handler already')
        self._handlers[fd] = handler, events
        self._watch(fd)

    def update_handler(self, fd: int, events: int) -> None:
        """Watch `fd` for other events.

        Raises:
          KeyError: `fd` has no handler.
        """
        self._handlers[fd] = self._handlers[fd][0], events
        self._watch(fd)

    def remove_handler(self, fd: int) -> None:
        """Watch `fd` no more.

        Raises:
          KeyError: `fd` has no handler.
        """
        self.update_handler(fd, 0)
        del self._handlers[fd]

    def watch(self, fd: int, on_readable: Callback | None, on_writable: Callback | None) -> None:
        """Call the one when `fd` is readable and the other when it is writable; two None: no more.

        This is what `pika.transport.Stream` asks of a loop.
        """
        events = (self.READ if on_readable else 0) | (self.WRITE if on_writable else 0)

        def handler(fd: int, events: int) -> None:
            if on_readable is not None and events & self.READ:
                on_readable()
            if on_writable is not None and events & self.WRITE:
                on_writable()

        self._handlers[fd] = handler, events
        self._watch(fd)
        if not events:
            del self._handlers[fd]

    def _watch(self, fd: int) -> None:
        """Tell the selector, if there is one, what `fd` is watched for."""
        if self._selector is None:
            return
        handler, events = self._handlers[fd]
        mask = (selectors.EVENT_READ if events &
                self.READ else 0) | (selectors.EVENT_WRITE if events & self.WRITE else 0)
        if fd not in self._selector.get_map():
            if mask:
                self._selector.register(fd, mask, handler)
        elif mask:
            self._selector.modify(fd, mask, handler)
        else:
            self._selector.unregister(fd)

    # A turn.

    def poll(self) -> None:
        """Wait until there is something to do, and call the handlers of descriptors.

        Raises:
          RuntimeError: neither `start` nor `activate_poller` was called.
        """
        if self._selector is None:
            raise RuntimeError('the IOLoop does not run')
        self._waiting = True
        try:
            found = self._selector.select(self._seconds_to_wait())
        finally:
            self._waiting = False
        for key, mask in found:
            if key.fileobj is self._woken:
                self._woken.recv(4096)
                continue
            # One handler may have changed, removed or replaced another.
            handler, watched = self._handlers.get(key.fd, (None, 0))
            events = watched & ((self.READ if mask & selectors.EVENT_READ else 0) |
                                (self.WRITE if mask & selectors.EVENT_WRITE else 0))
            if handler is key.data and handler is not None and events:
                handler(key.fd, events)

    def process_timeouts(self) -> None:
        """Call the timers that are due, and the callbacks that wait for this turn."""
        self._run_timers()
        # Those that are added meanwhile are for the next turn: descriptors and timers come first.
        for _ in range(len(self._ready)):
            if self._ready:  # a callback may have called close()
                self._ready.popleft()()

    def _seconds_to_wait(self) -> float | None:
        if self._ready or self._stopping:
            return 0
        while self._timers and self._timers[0][2].callback is None:  # cancelled: no reason to wake
            heapq.heappop(self._timers)
            self._cancelled -= 1
        if not self._timers:
            return None
        return min(_LONGEST_WAIT, max(0.0, self._timers[0][0] - time.monotonic()))

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback()
