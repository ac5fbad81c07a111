"""Callbacks that no event of the broker brings: timers, and what other threads hand over.

Rule: nothing is called here; `take_due` and `take_all` hand over what is to be called.
"""

from __future__ import annotations

import heapq
import itertools
import socket
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    Callback = Callable[[], object]


class Timers:
    """Callbacks by the moment when they are due; those of one moment in the order of `add`."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._heap: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callback] = {}

    def add(self, when: float, callback: Callback) -> int:
        """Call `callback` at the moment `when`; returns what `remove` takes."""
        number = next(self._numbers)
        heapq.heappush(self._heap, (when, number))
        self._callbacks[number] = callback
        return number

    def remove(self, number: int) -> None:
        """Forget a timer; nothing happens if it is gone already."""
        self._callbacks.pop(number, None)
        if len(self._heap) > 2 * len(self._callbacks) + 64:
            self._heap = [entry for entry in self._heap if entry[1] in self._callbacks]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The moment of the first timer; None when there is none."""
        while self._heap and self._heap[0][1] not in self._callbacks:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Callback | None:
        """Remove and return the callback of the first timer that is due at `now`, or None."""
        when = self.next()
        if when is None or when > now:
            return None
        return self._callbacks.pop(heapq.heappop(self._heap)[1])


class Mailbox:
    """What other threads want to have called, and their knock at the door of who waits."""

    def __init__(self) -> None:
        self._callbacks: deque[Callback] = deque()
        self.wake, self._knock = socket.socketpair()
        self.wake.setblocking(False)
        self._knock.setblocking(False)

    def put(self, callback: Callback) -> None:
        """Add a callback, and wake the connection; from any thread."""
        self._callbacks.append(callback)
        try:
            self._knock.send(b'\0')
        except OSError:  # so many knocks that nobody has heard yet, or the connection is closed
            pass

    def take_all(self) -> list[Callback]:
        """Remove and return what is there now."""
        # Not until it is empty: a callback may put itself in again.
        return [self._callbacks.popleft() for _ in range(len(self._callbacks))]

    def close(self) -> None:
        """Close the sockets."""
        self.wake.close()
        self._knock.close()
