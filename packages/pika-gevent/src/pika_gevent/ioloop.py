"""`IOLoop`: callbacks, timers and descriptors on gevent's hub.

Rule: the hub only notes what is due. A greenlet of the loop's own calls it, one after the other, so
that a callback may wait as other greenlets do; what comes meanwhile is called after it.
"""

from __future__ import annotations

import time
from collections import deque

import gevent  # type: ignore[import-untyped]  # its types are another package
from gevent.event import Event  # type: ignore[import-untyped]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    Callback = Callable[[], object]

_READ, _WRITE = 1, 2  # as gevent has them


class IOLoop:
    """A loop on a hub of gevent; it works whenever the hub does, whether `start` is called or not.

    What a callback raises comes out of `start()`, if a greenlet is there, else the hub prints it.

    Args:
      hub: that of this thread, or its loop; None: the same.

    Raises:
      TypeError: something else, such as the hub of another thread.
    """

    def __init__(self, hub: Any = None) -> None:  # gevent has no types for these
        self._hub: Any = gevent.get_hub()
        self._raw: Any = self._hub.loop
        if hub is not None and hub is not self._hub and hub is not self._raw:
            raise TypeError(f'hub: the hub of this thread or its loop, but got {hub!r}')
        self._due: deque[Callback] = deque()
        self._watched: dict[int, _Watch] = {}
        self._calling = False
        self._stopped: Event | None = None  # of the `start()` that goes on
        self._errors: deque[BaseException] = deque()
        self._waker: Any = self._raw.async_(ref=False)
        self._waker.start(self._wake)

    # What programs use.

    def start(self) -> None:
        """Wait for `stop()`; other greenlets run meanwhile, those of callbacks too.

        Raises:
          RuntimeError: it is started already.
          Exception: what a callback has raised; everything goes on, and it can be started again.
        """
        if self._stopped is not None:
            raise RuntimeError('the loop is started already')
        stopped = self._stopped = Event()
        self._waker.ref = True  # else the hub might find that nothing is left to wait for
        try:
            if not self._errors:
                stopped.wait()
        finally:
            self._waker.ref = False
            self._stopped = None
        if self._errors:
            raise self._errors.popleft()

    def stop(self) -> None:
        """Let `start()` return; no harm when it has."""
        if self._stopped is not None:
            self._stopped.set()

    def close(self) -> None:
        """Give up what the loop holds of the hub."""
        self._waker.close()
        for watch in self._watched.values():
            watch.stop()
        self._watched.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Have `callback` called in `delay` seconds; see `remove_timeout`."""
        return Timer(self, delay, callback)

    def remove_timeout(self, timeout_handle: Timer) -> None:
        """Do not call what `call_later` returned this for; no harm when it is too late."""
        timeout_handle.cancel()

    def add_callback(self, callback: Callback) -> None:
        """Have `callback` called soon; from any thread."""
        self._due.append(callback)
        self._waker.send()

    add_callback_threadsafe = add_callback

    # What a connection asks.

    call_soon_threadsafe = add_callback

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Have `callback` called at `when`, in seconds of `time.monotonic()`."""
        return Timer(self, when - time.monotonic(), callback)

    def watch(self, fd: int, on_readable: Callback | None, on_writable: Callback | None) -> None:
        """Call the one when `fd` is readable and the other when it is writable; two None: no more.

        This is what `pika.transport.Stream` asks of a loop.
        """
        before = self._watched.pop(fd, None)
        if before is not None:
            before.stop()
        if on_readable is not None or on_writable is not None:
            self._watched[fd] = _Watch(self, fd, on_readable, on_writable)

    # In the hub.

    def call(self, callback: Callback) -> None:
        """Note that `callback` is due; in the thread of the hub."""
        self._due.append(callback)
        self._wake()

    def _wake(self) -> None:
        if not self._calling:
            self._calling = True
            gevent.spawn(self._call_due)

    def _call_due(self) -> None:
        """The greenlet: call what is due, and end."""
        try:
            # Those that are added meanwhile are for the next turn.
            for _ in range(len(self._due)):
                self._due.popleft()()
        except Exception as error:
            if self._stopped is None:
                self._hub.handle_error(self, type(error), error, error.__traceback__)
            else:
                self._errors.append(error)
                self._stopped.set()
        finally:
            self._calling = False
            if self._due:
                self._waker.send()


class Timer:
    """What `call_later` returns."""

    def __init__(self, loop: IOLoop, delay: float, callback: Callback) -> None:
        self._loop = loop
        self._callback: Callback | None = callback
        self._watcher: Any = loop._raw.timer(max(0.0, delay))
        self._watcher.start(loop.call, self._fire, update=True)

    def cancel(self) -> None:
        """Do not call back; no harm when it has been done."""
        self._callback = None
        self._watcher.close()

    def _fire(self) -> None:
        callback = self._callback
        self.cancel()
        if callback is not None:
            callback()


class _Watch:
    """A watched descriptor; it is left alone between being found ready and being handled."""

    def __init__(self, loop: IOLoop, fd: int, on_readable: Callback | None,
                 on_writable: Callback | None) -> None:
        self._loop = loop
        self._on_readable = on_readable
        self._on_writable = on_writable
        self._active = True
        events = (_READ if on_readable else 0) | (_WRITE if on_writable else 0)
        self._watcher: Any = loop._raw.io(fd, events)
        self._start()

    def _start(self) -> None:
        self._watcher.start(self._ready, pass_events=True)

    def stop(self) -> None:
        """Watch no more."""
        self._active = False
        self._watcher.close()

    def _ready(self, events: int) -> None:
        self._watcher.stop()
        self._loop.call(lambda: self._handle(events))

    def _handle(self, events: int) -> None:
        try:
            if self._active and self._on_readable is not None and events & _READ:
                self._on_readable()
            # The one may have stopped or changed the watching.
            if self._active and self._on_writable is not None and events & _WRITE:
                self._on_writable()
        finally:
            if self._active:
                self._start()
