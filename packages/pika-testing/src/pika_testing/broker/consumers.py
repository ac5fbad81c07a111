"""The consumers of a queue: whose turn it is.

Rule: those of the highest priority take turns. One that cannot take a message steps out of the
turns, and comes back at their end once it can; so does RabbitMQ, which makes the order exact.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika_testing.broker.channel import Channel
    from pika_testing.broker.queues import Queue


class Consumer:
    """One Basic.Consume.

    Attributes:
      unacked: messages that it has not settled.
      limit: its prefetch; 0 for any number.
    """

    __slots__ = ('tag', 'channel', 'queue', 'no_ack', 'exclusive', 'priority', 'limit', 'unacked',
                 'arguments')

    def __init__(self, tag: str, channel: Channel, queue: Queue, no_ack: bool, exclusive: bool,
                 priority: int, limit: int, arguments: dict[str, Any]) -> None:
        self.tag = tag
        self.channel = channel
        self.queue = queue
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.priority = priority
        self.limit = limit
        self.unacked = 0
        self.arguments = arguments

    @property
    def can_take(self) -> bool:
        """Whether it may get one more message."""
        if self.channel.closing or self.channel.connection.congested:
            return False
        return self.no_ack or ((not self.limit or self.unacked < self.limit) and
                               self.channel.has_room)

    def __repr__(self) -> str:
        return f'<Consumer {self.tag!r} of queue {self.queue.name!r}>'


class Consumers:
    """The consumers of one queue.

    single_active: only one gets messages.
    gives_way: it makes room for one of higher priority, once all of its messages are settled.
    """

    def __init__(self, single_active: bool, gives_way: bool) -> None:
        self.all: dict[Consumer, None] = {}
        self.active: Consumer | None = None  # of single active consumers
        self._single_active = single_active
        self._gives_way = gives_way
        self._turns: dict[int, deque[Consumer]] = {}
        self._levels: list[int] = []
        self._resting: dict[Consumer, None] = {}

    def __len__(self) -> int:
        return len(self.all)

    @property
    def exclusive(self) -> bool:
        """Whether one of them is exclusive."""
        return any(consumer.exclusive for consumer in self.all)

    def add(self, consumer: Consumer) -> None:
        """Take one in."""
        self.all[consumer] = None
        self._join(consumer)
        if self._single_active and self.active is None:
            self.active = consumer

    def remove(self, consumer: Consumer) -> None:
        """Let one go."""
        del self.all[consumer]
        if self._resting.pop(consumer, 0) == 0:
            self._leave(consumer)
        if self.active is consumer:
            self.active = min(self.all, key=_by_priority, default=None)

    def next(self) -> Consumer | None:
        """Who gets the next message; its turn is over then."""
        if self._gives_way and self.active is not None:
            best = min(self.all, key=_by_priority)
            if best.priority > self.active.priority:
                if self.active.unacked:
                    self._rest(self.active)
                    return None
                self.active = best
        while self._levels:
            turns = self._turns[self._levels[0]]
            consumer = turns[0] if self.active is None else self.active
            if consumer in self._resting:
                return None
            if consumer.can_take:
                turns.rotate(-1)
                return consumer
            self._rest(consumer)
        return None

    def wake(self, consumer: Consumer) -> bool:
        """Something of this consumer was settled; whether that lets it take messages again."""
        if consumer not in self._resting or not consumer.can_take:
            return False
        del self._resting[consumer]
        self._join(consumer)
        return True

    def wake_all(self) -> None:
        """The same for all, in the order in which they stepped out."""
        for consumer in list(self._resting):
            self.wake(consumer)

    def _rest(self, consumer: Consumer) -> None:
        if consumer not in self._resting:
            self._leave(consumer)
            self._resting[consumer] = None

    def _join(self, consumer: Consumer) -> None:
        turns = self._turns.get(consumer.priority)
        if turns is None:
            turns = self._turns[consumer.priority] = deque()
            self._levels = sorted(self._turns, reverse=True)
        turns.append(consumer)

    def _leave(self, consumer: Consumer) -> None:
        turns = self._turns[consumer.priority]
        turns.remove(consumer)
        if not turns:
            del self._turns[consumer.priority]
            self._levels.remove(consumer.priority)


def _by_priority(consumer: Consumer) -> int:
    return -consumer.priority
