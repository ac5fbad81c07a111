"""What a client has to settle, and the ways in which it can."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pika_testing.broker.consumers import Consumer
    from pika_testing.broker.messages import Entry, Message
    from pika_testing.broker.queues import Queue

    Way = Callable[[Queue, list[Entry]], None]


class Unacked:
    """A delivery that the client has not settled."""

    __slots__ = ('tag', 'entry', 'queue', 'consumer')

    def __init__(self, tag: int, entry: Entry, queue: Queue, consumer: Consumer | None) -> None:
        self.tag = tag
        self.entry = entry
        self.queue = queue
        self.consumer = consumer  # None after Basic.Get


class Transaction:
    """What waits for Tx.Commit."""

    def __init__(self) -> None:
        self.published: list[tuple[Message, list[Queue], bool]] = []
        self.settlements: list[tuple[list[Unacked], Way]] = []

    def settled(self) -> list[Unacked]:
        """The deliveries that wait."""
        return [delivery for deliveries, _ in self.settlements for delivery in deliveries]


def acked(queue: Queue, entries: list[Entry]) -> None:
    """Basic.Ack."""
    queue.settled(len(entries))


def requeued(queue: Queue, entries: list[Entry]) -> None:
    """Basic.Nack with requeue, or Basic.Recover."""
    queue.requeue(entries, failed=False)


def given_back(queue: Queue, entries: list[Entry]) -> None:
    """Basic.Reject with requeue: it counts as a failed delivery."""
    queue.requeue(entries, failed=True)


def dropped(queue: Queue, entries: list[Entry]) -> None:
    """Basic.Nack without requeue."""
    queue.reject(entries, failed=False)


def rejected(queue: Queue, entries: list[Entry]) -> None:
    """Basic.Reject without requeue."""
    queue.reject(entries, failed=True)


def tag_of(delivery: Unacked) -> int:
    """The delivery tag, to sort by."""
    return delivery.tag
