"""Which signals are watched through libev, and their way back to Python.

Rule: libev aborts the process when two loops watch one signal, and leaves the default action (the
end of the process) behind the last watcher that stops. So the one is refused here, and after the
other Python's own handler is set again. SIGCHLD is nobody's business here.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The loop that watches a signal, and how many of its watchers do.
_held: dict[int, tuple[Any, int]] = {}


def hold(signum: int, loop: object) -> None:
    """Note that `loop` is about to watch `signum`; each `hold` needs a `release`.

    Raises:
      RuntimeError: another loop watches it.
    """
    holder, count = _held.get(signum, (loop, 0))
    if holder is not loop:
        raise RuntimeError(f'{signal.Signals(signum).name} is watched by another libev loop')
    _held[signum] = loop, count + 1


def release(signum: int) -> None:
    """Note that a watcher of `signum` has stopped; after the last one Python has it again."""
    loop, count = _held.pop(signum)
    if count > 1:
        _held[signum] = loop, count - 1
        return
    handler = signal.getsignal(signum)
    if handler is not None:  # None: what was there before was no handler of Python's
        signal.signal(signum, handler)
