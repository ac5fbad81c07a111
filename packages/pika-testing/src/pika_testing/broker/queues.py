"""A queue: what waits in it, who consumes it, and its limits.

Rule: a queue talks to its consumers' channels (`deliver`) and to its virtual host
(`publish_dead_letter`, `delete_queue`), and knows no frames.
"""

from __future__ import annotations

import itertools

from pika_testing.broker.arguments import QUORUM
from pika_testing.broker.consumers import Consumer, Consumers
from pika_testing.broker.messages import Entry, dead_letter
from pika_testing.broker.ready import Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pika_testing.broker.connection import ServerConnection
    from pika_testing.broker.messages import Message
    from pika_testing.broker.virtual_host import VirtualHost

_QUORUM_PRIORITIES = (31, 4)  # the highest, and that of messages without one


class Queue:
    """A queue of one virtual host.

    Attributes:
      ready: messages that wait.
      unacked: how many messages were handed out and not settled.
      consumers: who consumes.
      owner: the connection that has it exclusively, or None.
    """

    def __init__(self, name: str, virtual_host: VirtualHost, durable: bool, auto_delete: bool,
                 owner: ServerConnection | None, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.virtual_host = virtual_host
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments
        self.version = virtual_host.version
        self.deleted = False
        self.kind: str = arguments.get('x-queue-type', 'classic')
        prioritized = self.kind == QUORUM and self.version.has_quorum_priorities
        self.ready = Ready(
            *_QUORUM_PRIORITIES if prioritized else (arguments.get('x-max-priority', 0), 0))
        self.unacked = 0
        self.consumers = Consumers(bool(arguments.get('x-single-active-consumer')), prioritized)
        self._ttl: float | None = _seconds(arguments.get('x-message-ttl'))
        self._idle: float | None = _seconds(arguments.get('x-expires'))
        self._max_length: int | None = arguments.get('x-max-length')
        self._max_bytes: int | None = arguments.get('x-max-length-bytes')
        self._overflow: str = arguments.get('x-overflow', 'drop-head')
        self._dlx: str | None = arguments.get('x-dead-letter-exchange')
        self._dlx_key: str | None = arguments.get('x-dead-letter-routing-key')
        self._delivery_limit: int | None = arguments.get('x-delivery-limit',
                                                         self.version.delivery_limit)
        if self._delivery_limit is not None and self._delivery_limit < 0:
            self._delivery_limit = None
        self._positions = itertools.count()
        self._timer: float | None = None  # when this queue looks at its head again
        self._used = 0.0
        self.touch(virtual_host.now())

    def __repr__(self) -> str:
        return f'<Queue {self.name!r}>'

    # Messages come.

    def publish(self, message: Message) -> bool:
        """Take a message; False when it is refused, which a nack tells."""
        now = self.virtual_host.now()
        self._expire(now)
        if self._overflow != 'drop-head' and self._is_full(1, len(message.body)):
            if self._overflow == 'reject-publish-dlx':
                self._dead_letter([Entry(message, 0, None)], 'maxlen')
            return False
        ttl = message.expiration
        if self._ttl is not None:
            ttl = self._ttl if ttl is None else min(ttl, self._ttl)
        self.ready.append(Entry(message, next(self._positions), None if ttl is None else now + ttl))
        self.dispatch()
        self._limit(now)
        return True

    def _is_full(self, more: int = 0, more_bytes: int = 0) -> bool:
        if self._max_length is not None and len(self.ready) + more > self._max_length:
            return True
        return self._max_bytes is not None and self.ready.bytes + more_bytes > self._max_bytes

    def _limit(self, now: float) -> None:
        """Drop what is too much or too old."""
        dropped = []
        if self._overflow == 'drop-head':
            while self.ready and self._is_full():
                dropped.append(self.ready.pop())
        self._dead_letter(dropped, 'maxlen')
        self._expire(now)

    def _expire(self, now: float) -> None:
        expired = []
        head = self.ready.head()
        while head is not None and head.expires is not None and head.expires <= now:
            expired.append(self.ready.pop())
            head = self.ready.head()
        if expired:
            self._dead_letter(expired, 'expired')
        if head is not None and head.expires is not None:
            self._arm(head.expires)

    def _dead_letter(self,
                     entries: Iterable[Entry],
                     reason: str,
                     redelivered: bool = False) -> None:
        if self._dlx is None:
            return
        for entry in entries:
            dead = dead_letter(entry.message, self.name, reason, self._dlx, self._dlx_key,
                               self.virtual_host.clock.timestamp(), self.version)
            dead.redelivered = redelivered or entry.message.redelivered
            self.virtual_host.publish_dead_letter(dead)

    # Messages go.

    def get(self, no_ack: bool) -> tuple[Entry, int] | None:
        """Take the first message and tell how many remain; None when there is none."""
        now = self.virtual_host.now()
        self.touch(now)
        self._expire(now)
        if not self.ready:
            return None
        entry = self._take(no_ack)
        self._expire(now)
        return entry, len(self.ready)

    def dispatch(self) -> None:
        """Hand out what waits, as far as consumers can take it."""
        taken = False
        while self.ready:
            consumer = self.consumers.next()
            if consumer is None:
                break
            taken = True
            consumer.channel.deliver(consumer, self._take(consumer.no_ack))
        if taken and self.ready:
            self._expire(self.virtual_host.now())

    def _take(self, no_ack: bool) -> Entry:
        entry = self.ready.pop()
        if not no_ack:
            self.unacked += 1
        return entry

    def settled(self, count: int = 1) -> None:
        """So many messages were acknowledged."""
        self.unacked -= count

    def reject(self, entries: Iterable[Entry], failed: bool) -> None:
        """Messages were given back that are not wanted again."""
        rejected = list(entries)
        self.unacked -= len(rejected)
        if not self.deleted:
            self._dead_letter(rejected, 'rejected', failed and self.version.tells_acquired)

    def requeue(self, entries: Iterable[Entry], failed: bool) -> None:
        """Messages go back; failed: whether that counts against the delivery limit."""
        dead = []
        for entry in entries:
            self.unacked -= 1
            entry.redelivered = True
            if self.kind == QUORUM:
                entry.acquired += 1
                if failed or not self.version.tells_acquired:
                    entry.deliveries += 1
                    if self._delivery_limit is not None and entry.deliveries > self._delivery_limit:
                        dead.append(entry)
                        continue
                if self.version.returns_to_tail and self._delivery_limit is None:
                    entry.position = next(self._positions)
                    self.ready.append(entry)
                    continue
            self.ready.put_back(entry)
        if self.deleted:
            return
        self._dead_letter(dead, 'delivery_limit')
        now = self.virtual_host.now()
        self._expire(now)
        self.dispatch()
        self._limit(now)

    def purge(self) -> int:
        """Drop what waits; how many those were."""
        self._expire(self.virtual_host.now())
        count = len(self.ready)
        self.ready.clear()
        return count

    # Consumers.

    def cancel(self, consumer: Consumer) -> None:
        """Let a consumer go; the last one takes an auto-delete queue along."""
        if consumer not in self.consumers.all:
            return
        self.consumers.remove(consumer)
        if self.deleted:
            return
        if not self.consumers:
            self.touch(self.virtual_host.now())
            if self.auto_delete:
                self.virtual_host.delete_queue(self)
                return
        if self.version.dispatches_on_cancel:
            self.dispatch()

    # Time.

    def touch(self, now: float) -> None:
        """Somebody has used the queue, as x-expires counts it."""
        self._used = now
        if self._idle is not None:
            self._arm(now + self._idle)

    def _arm(self, when: float) -> None:
        if self._timer is None or when < self._timer:
            self._timer = when
            self.virtual_host.timers.add(when, self._on_timer)

    def _on_timer(self, now: float) -> None:
        if self.deleted or self._timer is None or self._timer > now:
            return
        self._timer = None
        self._expire(now)
        if self._idle is not None:
            if self.consumers:
                self._arm(now + self._idle)
            elif now >= self._used + self._idle:
                self.virtual_host.delete_queue(self)
            else:
                self._arm(self._used + self._idle)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
