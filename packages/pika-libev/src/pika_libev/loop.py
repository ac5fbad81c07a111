"""libev, as the wheels of gevent carry it, behind the API of pyev.

Rule: no greenlets, no monkey-patching: of gevent only the binding of libev is used, unless a hub
of it is handed in. What a callback raises comes out of `start()`; libev itself would swallow it.

`start()` has libev run one iteration at a time. In between Python handles its signals, so that
Ctrl-C gets out of a loop where nothing happens.
"""

from __future__ import annotations

from collections import deque
from importlib import import_module
from types import SimpleNamespace

from pika_libev import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    Callback = Callable[[Any, int], object]

# As in libev's ev.h.
EV_READ = 0x01
EV_WRITE = 0x02
_EV_TIMER = 0x100
_EV_SIGNAL = 0x400
_EV_ASYNC = 0x80000


class Loop:
    """A loop of libev with the methods of `pyev.Loop` that programs with connections need.

    Watchers do nothing before their `start()`. Only `Async.send()` may be called from other
    threads.

    Args:
      gevent: a hub of gevent, or a loop of its binding of libev, to live on; None: a loop of our
        own. Where it is this thread's hub, `start()` lets other greenlets run as it waits.

    Raises:
      ImportError: gevent is not installed.
    """

    def __init__(self, gevent: Any = None) -> None:
        self._own = gevent is None
        if gevent is None:
            # Not libev's default loop, which would reap the children of the program.
            self._raw: Any = _corecext().loop(default=False)
        else:
            self._raw = getattr(gevent, 'loop', gevent)
        self._errors: deque[BaseException] = deque()
        if self._own:
            # Hears of a Ctrl-C just before or after a callback of ours, in gevent's code.
            self._raw.error_handler = SimpleNamespace(
                handle_error=lambda context, kind, error, traceback: self._errors.append(error))
        self._running = False
        self._stopping = False
        self._waiting: Any = None  # gevent's Event, while a greenlet waits in start()
        # `async` has been a keyword since Python 3.7, but pyev's method is older.
        setattr(self, 'async', self.async_)

    @property
    def backend(self) -> int:
        """How libev asks the kernel, as one of its EVBACKEND numbers: 4 is epoll, 8 kqueue."""
        number: int = self._raw.backend_int
        return number

    # Running.

    def start(self) -> bool:
        """Run until `stop()`, until nothing is watched any more, or until a callback raises.

        Returns:
          Whether something is still watched.

        Raises:
          RuntimeError: it runs already.
        """
        if self._running:
            raise RuntimeError('the loop runs already')
        self._running = True
        self._stopping = False
        try:
            if self._is_hubs():
                self._wait()
            else:
                while not self._errors and not self._stopping and self._raw.activecnt:
                    self._raw.run(once=True)
        finally:
            self._running = False
        if self._errors:
            raise self._errors.popleft()
        return bool(self._raw.activecnt)

    def stop(self) -> None:
        """End `start()` after this iteration; without effect when it does not run."""
        self._stopping = True
        if self._waiting is not None:
            self._waiting.set()

    def update(self) -> None:
        """Take the time now: timers count from it, and it is that of the last iteration."""
        self._raw.update_now()

    def now(self) -> float:
        """The time from which timers count, in seconds of `time.time()`."""
        seconds: float = self._raw.now()
        return seconds

    def close(self) -> None:
        """Give libev's memory and descriptors back; a loop that was handed in is left alone."""
        if self._own:
            self._raw.destroy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def _is_hubs(self) -> bool:
        """Whether it is the loop of this thread's hub, which only the hub's greenlet may run."""
        return not self._own and import_module('gevent').get_hub().loop is self._raw

    def _wait(self) -> None:
        if self._errors:
            return
        self._waiting = import_module('gevent.event').Event()
        try:
            self._waiting.wait()
        finally:
            self._waiting = None

    def _call(self, watcher: Watcher, revents: int) -> None:
        try:
            watcher.callback(watcher, revents)
        except BaseException as error:
            if not self._running:
                raise  # Others run the loop, and gevent's handler of errors hears of it.
            self._errors.append(error)
            if self._waiting is not None:
                self._waiting.set()

    # Watchers.

    def io(self, fd: int, events: int, callback: Callback, data: object = None) -> Io:
        """Make a watcher of a descriptor: of EV_READ, EV_WRITE or both, as long as it is so."""
        return Io(self, callback, data, fd, events)

    def timer(self, after: float, repeat: float, callback: Callback, data: object = None) -> Timer:
        """Make a timer: `after` seconds from `start()`, then each `repeat` seconds, 0: once.

        Call `update()` before its `start()`, unless the iteration is a short one.
        """
        return Timer(self, callback, data, after, repeat)

    def async_(self, callback: Callback, data: object = None) -> Async:
        """Make a watcher that `send()` wakes; `loop.async` in pyev, and here with `getattr`."""
        return Async(self, callback, data)

    def signal(self, signum: int, callback: Callback, data: object = None) -> Signal:
        """Make a watcher of a signal; Python's handler is not called meanwhile."""
        return Signal(self, callback, data, signum)


class Watcher:
    """What has in common what `Loop` watches.

    Attributes:
      callback: called with the watcher and the events that came.
      data: what the program wants to find there.
    """

    def __init__(self, loop: Loop, callback: Callback, data: object, raw: Any) -> None:
        if not callable(callback):
            raise TypeError(f'callback must be callable, but got {callback!r}')
        self.loop = loop
        self.callback = callback
        self.data = data
        self._raw = raw

    @property
    def active(self) -> bool:
        """Whether it was started and did not end."""
        return bool(self._raw.active)

    def start(self) -> None:
        """Watch; no harm when it does."""
        raise NotImplementedError

    def stop(self) -> None:
        """Watch no more, and forget what has come but was not told; no harm when it does not."""
        self._raw.stop()

    def _start(self, *arguments: object, **options: object) -> None:
        if not self.active:
            self._raw.start(self.loop._call, self, *arguments, **options)


class Io(Watcher):
    """See `Loop.io`."""

    def __init__(self, loop: Loop, callback: Callback, data: object, fd: int, events: int) -> None:
        super().__init__(loop, callback, data, loop._raw.io(fd, events))
        self.fd = fd
        self.events = events

    def start(self) -> None:
        """See `Watcher.start`."""
        if not self.active:
            self._raw.start(self._fire, pass_events=True)

    def _fire(self, revents: int) -> None:
        self.loop._call(self, revents)


class Timer(Watcher):
    """See `Loop.timer`."""

    def __init__(self, loop: Loop, callback: Callback, data: object, after: float,
                 repeat: float) -> None:
        super().__init__(loop, callback, data, loop._raw.timer(after, repeat))

    def start(self) -> None:
        """See `Watcher.start`."""
        self._start(_EV_TIMER, update=False)


class Async(Watcher):
    """See `Loop.async_`."""

    def __init__(self, loop: Loop, callback: Callback, data: object) -> None:
        super().__init__(loop, callback, data, loop._raw.async_())

    def start(self) -> None:
        """See `Watcher.start`."""
        self._start(_EV_ASYNC)

    def send(self) -> None:
        """Have the callback called, once for many; from any thread and in handlers of signals."""
        self._raw.send()


class Signal(Watcher):
    """See `Loop.signal`; only the main thread may start and stop it."""

    def __init__(self, loop: Loop, callback: Callback, data: object, signum: int) -> None:
        super().__init__(loop, callback, data, loop._raw.signal(signum))
        self.signum = signum

    def start(self) -> None:
        """See `Watcher.start`.

        Raises:
          RuntimeError: another loop watches this signal.
        """
        if not self.active:
            signals.hold(self.signum, self.loop._raw)
            self._start(_EV_SIGNAL)

    def stop(self) -> None:
        """See `Watcher.stop`; after the last one Python's handler is there again."""
        if self.active:
            super().stop()
            signals.release(self.signum)


def _corecext() -> Any:  # gevent has no types of its own
    try:
        return import_module('gevent.libev.corecext')
    except ModuleNotFoundError as error:
        if error.name != 'gevent':
            raise
    raise ModuleNotFoundError('pip install gevent', name='gevent')
