"""What callbacks are still to be called with, and the one place that calls them.

Rule: callbacks run in `run` and nowhere else, one at a time, in the order in which the broker sent
what they are for; never inside each other. One that raises ends the run, and what is behind it
waits for the next.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from pika import events

from pika_blocking.schedule import Mailbox, Timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    from pika_blocking.consumers import _ConsumerInfo
    from pika_blocking.driver import Driver

    Item = Union[events.Delivery, Callable[[], object]]


class Dispatcher:
    """The queue of one connection.

    Attributes:
      running: a callback is on the stack.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.running = False
        self.timers = Timers()
        self._mailbox = mailbox
        self._ready: deque[Item] = deque()

    def put(self, item: Item) -> None:
        """Queue a delivery for the callback of its consumer, or anything else to be called."""
        self._ready.append(item)

    def waits(self) -> bool:
        """Whether an event is in the queue."""
        return bool(self._ready)

    def take_deliveries(self, consumer: _ConsumerInfo) -> list[events.Delivery]:
        """Remove the deliveries for `consumer` and return them."""
        taken: list[events.Delivery] = []
        kept: list[Item] = []
        for item in self._ready:
            if isinstance(item, events.Delivery) and item.consumer is consumer:
                taken.append(item)
            else:
                kept.append(item)
        self._ready.clear()
        self._ready.extend(kept)
        return taken

    def clear(self) -> None:
        """Forget all."""
        self._ready.clear()

    def run(self, driver: Driver, pull: bool = True) -> bool:
        """Call what is to be called; whether anything was.

        What arrives while callbacks run is left for the next run, else a flood would keep the
        caller here for ever.

        pull: take events out of the protocol, too, and not only those that are in the queue.
        """
        ran = False
        now = monotonic()
        self.running = True
        try:
            # Before messages, as in pika 1.x: mostly they acknowledge earlier ones.
            self._ready.extendleft(reversed(self._mailbox.take_all()))
            while True:
                timer = self.timers.take_due(now)
                if timer is None:
                    break
                ran = True
                timer()
            reads = driver.wire.reads
            left = -1 if pull else len(self._ready)
            while left:
                item = self._next(driver) if left < 0 else self._ready.popleft()
                if item is None:
                    break
                ran = True
                if isinstance(item, events.Delivery):
                    item.consumer.on_message(item)
                else:
                    driver.release()
                    item()
                now = driver.between_messages(now, self._ready)
                if left > 0:
                    left = min(left - 1, len(self._ready))  # a callback may have taken some away
                elif driver.wire.reads != reads:
                    left = len(self._ready)
        finally:
            self.running = False
            driver.release()
        return ran

    def _next(self, driver: Driver) -> Item | None:
        """The first item; events that nobody is to be called with are dealt with on the way."""
        ready = self._ready
        while not ready:
            if not driver.take():
                return None
        return ready.popleft()
