"""What consumers get: messages, in a queue that ends.

Rule: a message that was put is handed out before the end is told.
"""

from __future__ import annotations

import typing

from twisted.internet import defer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    from pika import spec
    from typing_extensions import NamedTuple

    from pika_twisted.channel import TwistedChannel

    M = TypeVar('M', bound='spec.Basic.Deliver | spec.Basic.GetOk | spec.Basic.Return')

    class ReceivedMessage(NamedTuple, Generic[M]):
        """A message, and what the broker says of it."""
        channel: TwistedChannel
        method: M
        properties: spec.BasicProperties
        body: bytes

    class _Queue(defer.DeferredQueue[ReceivedMessage[spec.Basic.Deliver]]):
        ...
else:
    _Queue = defer.DeferredQueue

    class ReceivedMessage(typing.NamedTuple):
        """A message, and what the broker says of it.

        channel: the `TwistedChannel` that it came on, where it is to be acknowledged.
        method: `spec.Basic.Deliver` from a consumer, `spec.Basic.GetOk` from `basic_get`,
        `spec.Basic.Return` of a message that came back.
        """
        channel: TwistedChannel
        method: object
        properties: spec.BasicProperties
        body: bytes


class ClosableDeferredQueue(_Queue):
    """A `DeferredQueue` that can be closed.

    Attributes:
      closed: why it is closed; None while it is not.
    """

    def __init__(self, size: int | None = None, backlog: int | None = None) -> None:
        super().__init__(size, backlog)
        self.closed: Exception | None = None

    def put(  # type: ignore[override]  # a failure has to be told somehow
            self, obj: ReceivedMessage[spec.Basic.Deliver]) -> defer.Deferred[None] | None:
        """Give `obj` to whoever waits longest, or keep it.

        Returns:
          None, or a failed Deferred when the queue is closed.

        Raises:
          QueueOverflow: `size` objects are here already.
        """
        if self.closed is not None:
            return defer.fail(self.closed)
        super().put(obj)
        return None

    def get(self) -> defer.Deferred[ReceivedMessage[spec.Basic.Deliver]]:
        """Take the next message.

        The Deferred fails with the reason when the queue is closed and all that was put before is
        taken. Cancelling it takes nothing.

        Raises:
          QueueUnderflow: `backlog` callers wait already.
        """
        if self.closed is not None and not self.pending:
            return defer.fail(self.closed)
        return super().get()

    def close(self, reason: Exception) -> None:
        """Take no more; those who wait get `reason`. The first reason stays."""
        if self.closed is None:
            self.closed = reason
            waiting, self.waiting = self.waiting, []
            for deferred in waiting:
                deferred.errback(reason)
