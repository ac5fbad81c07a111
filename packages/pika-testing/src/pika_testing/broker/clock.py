"""Time that a test can move, and what is due at some moment of it.

Rule: nothing in the model asks the operating system for the time, and nothing sleeps.
"""

from __future__ import annotations

import heapq
import itertools
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds that go on by themselves, and faster when told to.

    Args:
      running: False: time stands still but for `advance`.
    """

    def __init__(self, running: bool = True) -> None:
        self._running = running
        self._offset = 0.0 if running else time.time()
        self._wall = time.time() - time.monotonic()

    def now(self) -> float:
        """Monotonic seconds."""
        return self._offset + (time.monotonic() if self._running else 0.0)

    def timestamp(self) -> int:
        """Seconds since 1970."""
        return int(self.now() + (self._wall if self._running else 0.0))

    def advance(self, seconds: float) -> None:
        """Let `seconds` have passed."""
        if seconds < 0:
            raise ValueError(f'seconds: {seconds!r}, time does not go back')
        self._offset += seconds


class Timers:
    """What is to be done at moments to come."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()

    def add(self, when: float, callback: Callable[[float], None]) -> None:
        """Call `callback(now)` once it is `when`."""
        heapq.heappush(self._heap, (when, next(self._numbers), callback))

    def next(self) -> float | None:
        """When something is due; None for never."""
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Do what is due, in the order of its moments."""
        while self._heap and self._heap[0][0] <= now:
            when, _, callback = heapq.heappop(self._heap)
            callback(max(when, now))
