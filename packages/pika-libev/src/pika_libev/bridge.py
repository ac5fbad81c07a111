"""What a `StreamConnection` asks of a loop, said in the words of pyev.

Rule: nothing here knows whose loop it is; what it has is what `pyev.Loop` has: `io`, `timer`,
`async`, `update`, and watchers with `start` and `stop`.
"""

from __future__ import annotations

import time
from collections import deque

from pika_libev.loop import EV_READ, EV_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Callback = Callable[[], object]


class Bridge:
    """Callbacks, timers and descriptors of one connection on a pyev loop.

    Its watcher keeps the loop from running out of things to watch until `close`.
    """

    def __init__(self, loop: Any) -> None:  # a pyev.Loop or what looks like one
        self._loop = loop
        self._ready: deque[Callback] = deque()
        self._watched: dict[int, Any] = {}
        self._waker = getattr(loop, 'async')(self._run_ready)
        self._waker.start()
        self._closed = False

    def call_soon(self, callback: Callback) -> None:
        """Have `callback` called in the next turn of the loop, even after `close`."""
        self._waker.start()
        self.call_soon_threadsafe(callback)

    def call_soon_threadsafe(self, callback: Callback) -> None:
        """Have `callback` called in the next turn of the loop; from any thread, until `close`."""
        self._ready.append(callback)
        self._waker.send()

    def call_at(self, when: float, callback: Callback) -> TimerHandle:
        """Have `callback` called at `when`, in seconds of `time.monotonic()`."""
        # A timer counts from the time that libev has, which is that of the iteration's begin.
        self._loop.update()
        handle = TimerHandle(callback)
        after = max(0.0, when - time.monotonic())
        handle.watcher = self._loop.timer(after, 0.0, handle.fire)
        handle.watcher.start()
        return handle

    def watch(self, fd: int, on_readable: Callback | None, on_writable: Callback | None) -> None:
        """Call the one when `fd` is readable and the other when it is writable; two None: no more.

        This is what `pika.transport.Stream` asks of a loop.
        """
        before = self._watched.pop(fd, None)
        if before is not None:
            before.stop()
        events = (EV_READ if on_readable else 0) | (EV_WRITE if on_writable else 0)
        if not events:
            return

        def handle(watcher: Any, revents: int) -> None:
            if on_readable is not None and revents & EV_READ:
                on_readable()
            # The one may have stopped or changed the watching.
            if (on_writable is not None and revents & EV_WRITE and
                    self._watched.get(fd) is watcher):
                on_writable()

        watcher = self._watched[fd] = self._loop.io(fd, events, handle)
        watcher.start()

    def close(self) -> None:
        """Let the loop go once what is due has been called."""
        self._closed = True
        if not self._ready:
            self._waker.stop()

    def _run_ready(self, watcher: Any, revents: int) -> None:
        try:
            # Those that are added meanwhile are for the next turn.
            for _ in range(len(self._ready)):
                self._ready.popleft()()
        finally:
            if self._ready:
                self._waker.send()
            elif self._closed:
                self._waker.stop()


class TimerHandle:
    """What `Bridge.call_at` returns."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self.watcher: Any = None

    def cancel(self) -> None:
        """Do not call back; no harm when it has been done."""
        self.watcher.stop()

    def fire(self, watcher: Any, revents: int) -> None:
        """Call back: libev's moment has come."""
        self._callback()
