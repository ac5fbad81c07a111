"""`LibevConnection`: the callback API over the core's own stream, on libev."""

from __future__ import annotations

import signal
import threading

from pika.transport.stream_connection import StreamConnection
from pika.validators import require_callback

from pika_libev import signals
from pika_libev.bridge import Bridge
from pika_libev.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pika.parameters import Parameters

_LOOP_METHODS = ('io', 'timer', 'async', 'signal', 'start', 'stop', 'update')


class LibevConnection(StreamConnection):
    """A connection that lives on a loop of libev.

    It begins to connect in the first turn of `ioloop.start()`, which goes on after the connection
    has ended, until `ioloop.stop()` or until nothing is watched any more.

    Args:
      parameters: where and how to connect; None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. Without a
        callback `ioloop.start()` raises it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_ioloop: a loop to share: a `Loop`, a `pyev.Loop` or another object with its methods
        (used as it is: what callbacks raise is then that loop's affair), a hub of gevent or its
        loop; None: a `Loop` of its own.
      on_signal_callback: called with 'SIGINT' or 'SIGTERM' when such a signal comes, from now
        until the connection has ended; Python's handlers are not called meanwhile, so that Ctrl-C
        raises nothing. It is called by the loop, and may do what any callback may. The main thread
        has to make the connection then and to run the loop, and no second loop may do the same.
      internal_connection_workflow: False: do not connect.

    Raises:
      TypeError: `custom_ioloop` is no such loop.
      ImportError: gevent is not installed, and there is no `custom_ioloop`.
      RuntimeError: with `on_signal_callback`: outside of the main thread, or another loop of libev
        watches these signals.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[LibevConnection], object] | None = None,
                 on_open_error_callback: Callable[[LibevConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[LibevConnection, Exception], object] | None = None,
                 custom_ioloop: Any = None,
                 on_signal_callback: Callable[[str], object] | None = None,
                 internal_connection_workflow: bool = True) -> None:
        if on_signal_callback is not None:
            require_callback(on_signal_callback, 'on_signal_callback')
            # libev would take the signals; but only the main thread can give them back.
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError('on_signal_callback: only in the main thread')
        self._ioloop = _pyev_loop(custom_ioloop)
        self._bridge = Bridge(self._ioloop)
        self._signal_watchers: list[Any] = []
        try:
            super().__init__(self._bridge, parameters, on_open_callback, on_open_error_callback,
                             on_close_callback, internal_connection_workflow)
            if on_signal_callback is not None:
                self._watch_signals(on_signal_callback)
        except BaseException:
            self._let_go()
            raise

    @property
    def ioloop(self) -> Any:
        """The loop, with the API of pyev; nothing happens before `ioloop.start()`."""
        return self._ioloop

    def add_callback_threadsafe(self, callback: Callable[[], object]) -> None:
        """Have the loop call `callback`; from any thread, until the connection has ended."""
        require_callback(callback, 'callback')
        self._bridge.call_soon_threadsafe(callback)

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._bridge.call_soon(callback)

    def _watch_signals(self, callback: Callable[[str], object]) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM):
            watcher = self._ioloop.signal(signum,
                                          lambda watcher, revents, name=signum.name: callback(name))
            if not isinstance(self._ioloop, Loop):  # whose watchers do so themselves
                signals.hold(signum, self._ioloop)
            self._signal_watchers.append((signum, watcher))
            watcher.start()

    def _let_go(self) -> None:
        for signum, watcher in self._signal_watchers:
            watcher.stop()
            if not isinstance(self._ioloop, Loop):
                signals.release(signum)
        self._signal_watchers.clear()
        self._bridge.close()

    def _end(self, reason: Exception) -> None:
        try:
            super()._end(reason)
        finally:
            self._let_go()


def _pyev_loop(loop: Any) -> Any:
    if loop is None:
        return Loop()
    if hasattr(loop, 'run_callback') or hasattr(getattr(loop, 'loop', None), 'run_callback'):
        return Loop(loop)
    if not all(callable(getattr(loop, name, None)) for name in _LOOP_METHODS):
        raise TypeError('custom_ioloop must be a loop with the methods of pyev.Loop, or a hub of '
                        f'gevent or its loop, but got {loop!r}')
    return loop
