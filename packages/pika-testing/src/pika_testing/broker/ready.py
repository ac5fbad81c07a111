"""The messages of a queue that wait, in order.

Rule: each operation costs the same in a queue of ten and of a million, but for the logarithm of
what was put back.
"""

from __future__ import annotations

import heapq
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika_testing.broker.messages import Entry


class _Lane:
    """The messages of one priority: those that came, and those that came back to their place."""

    __slots__ = ('fresh', 'returned')

    def __init__(self) -> None:
        self.fresh: deque[Entry] = deque()
        self.returned: list[tuple[int, Entry]] = []

    def head(self) -> Entry:
        """The first message."""
        fresh = self.fresh
        if self.returned and (not fresh or self.returned[0][0] < fresh[0].position):
            return self.returned[0][1]
        return fresh[0]

    def pop(self) -> Entry:
        """Take the first message."""
        fresh = self.fresh
        if self.returned and (not fresh or self.returned[0][0] < fresh[0].position):
            return heapq.heappop(self.returned)[1]
        return fresh.popleft()

    def __iter__(self) -> Iterator[Entry]:
        return heapq.merge((entry for _, entry in sorted(self.returned)), self.fresh, key=_position)

    def __bool__(self) -> bool:
        return bool(self.fresh or self.returned)


def _position(entry: Entry) -> int:
    return entry.position


class Ready:
    """What waits in a queue, by priority and place.

    max_priority: higher ones count as this; 0 for a queue without priorities.
    default: the priority of messages that have none.
    """

    def __init__(self, max_priority: int = 0, default: int = 0) -> None:
        self._max_priority = max_priority
        self._default = default
        self._lanes: dict[int, _Lane] = {}
        self._levels: list[int] = []  # those with messages, the highest first
        self._length = 0
        self.bytes = 0  # of bodies

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Entry]:
        for level in self._levels:
            yield from self._lanes[level]

    def append(self, entry: Entry) -> None:
        """Put a message at the end."""
        self._lane(entry).fresh.append(entry)

    def put_back(self, entry: Entry) -> None:
        """Put a message to its place."""
        heapq.heappush(self._lane(entry).returned, (entry.position, entry))

    def _lane(self, entry: Entry) -> _Lane:
        self._length += 1
        self.bytes += len(entry.message.body)
        priority = entry.message.priority
        level = min(self._default if priority is None else priority, self._max_priority)
        lane = self._lanes.get(level)
        if lane is None:
            lane = self._lanes[level] = _Lane()
            self._levels = sorted(self._lanes, reverse=True)
        return lane

    def head(self) -> Entry | None:
        """The message that is next."""
        return self._lanes[self._levels[0]].head() if self._levels else None

    def pop(self) -> Entry:
        """Take the message that is next."""
        level = self._levels[0]
        lane = self._lanes[level]
        entry = lane.pop()
        self._length -= 1
        self.bytes -= len(entry.message.body)
        if not lane:
            del self._lanes[level]
            del self._levels[0]
        return entry

    def clear(self) -> None:
        """Drop all."""
        self._lanes.clear()
        self._levels.clear()
        self._length = self.bytes = 0
