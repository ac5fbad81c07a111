"""The order of methods on one channel.

Rule: one synchronous method is outstanding, the others wait here in the order of their calls (rule
20), and methods without an answer (nowait) wait with them: a bind must not overtake its declare.
What is published or acknowledged goes past this queue, except past a barrier: a method that changes
what publishing means.
"""

from __future__ import annotations

from collections import deque

from pika import spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from pika import amqp_object

    Chunk = Union[bytes, memoryview]

# Barriers that stand until they are sent: the broker takes what follows in order.
UNTIL_SENT = frozenset((spec.Confirm.Select, spec.Tx.Select, spec.Tx.Rollback))
# RabbitMQ ends the connection with 504 for anything that comes on the channel while it commits.
UNTIL_ANSWERED = frozenset((spec.Tx.Commit,))
BARRIERS = UNTIL_SENT | UNTIL_ANSWERED


class Call:
    """A method on its way to the broker.

    wanted: turns False when the caller stops waiting. sent: whether it has left this queue. behind:
    what was published and acknowledged after this barrier and must not overtake it.
    """
    __slots__ = ('method', 'frame', 'context', 'wanted', 'sent', 'behind')

    def __init__(self, method: amqp_object.Method, frame: bytes, context: Any) -> None:
        self.method = method
        self.frame = frame
        self.context = context
        self.wanted = True
        self.sent = False
        self.behind: list[Chunk] = []

    @property
    def expects_reply(self) -> bool:
        """Whether the broker answers this method."""
        return self.method.synchronous and not getattr(self.method, 'nowait', False)


class CallQueue:
    """The outstanding call of a channel and those that wait for its answer.

    Attributes:
      outstanding: the call whose answer is due.
      barriers: those that still stand, oldest first; nothing may overtake the last.
    """

    def __init__(self) -> None:
        self.outstanding: Call | None = None
        self.barriers: deque[Call] = deque()
        self._waiting: deque[Call] = deque()
        self._released: list[Chunk] = []

    def push(self, call: Call) -> None:
        """Put a call at the end; `take_ready` says when it goes out."""
        self._waiting.append(call)
        if type(call.method) in BARRIERS:
            self.barriers.append(call)

    def push_chunks(self, chunks: list[Chunk]) -> None:
        """Keep what may not overtake the last barrier."""
        self.barriers[-1].behind += chunks

    def take_ready(self) -> list[Chunk]:
        """Remove all that may be sent now, up to the next method that the broker answers."""
        while self._waiting and self.outstanding is None:
            call = self._waiting.popleft()
            call.sent = True
            self._released.append(call.frame)
            if call.expects_reply:
                self.outstanding = call
            if type(call.method) in UNTIL_SENT:
                self._fall(call)
        ready, self._released = self._released, []
        return ready

    def take_published(self) -> list[Chunk]:
        """What waits behind confirm.select alone, and that itself: to be sent before a close."""
        published: list[Chunk] = []
        for call in self.barriers:
            if type(call.method) is not spec.Confirm.Select:
                break
            published.append(call.frame)
            published += call.behind
        return published

    def answers(self, method: amqp_object.Method) -> bool:
        """Whether `method` is an answer to the outstanding call."""
        return self.outstanding is not None and type(method) in self.outstanding.method.answers

    def take_answered(self) -> Call:
        """The outstanding call has its answer: remove and return it."""
        call = self.outstanding
        assert call is not None
        self.outstanding = None
        if type(call.method) in UNTIL_ANSWERED:
            self._fall(call)
        return call

    def abandon(self, context: object) -> Call | None:
        """Stop waiting for the answer of the call with `context`; return that call, if it is here.

        A call that has not been sent is taken back, save for a barrier: what waits behind it counts
        on it.
        """
        if self.outstanding is not None and self.outstanding.context is context:
            self.outstanding.wanted = False
            return self.outstanding
        for call in self._waiting:
            if call.context is context:
                call.wanted = False
                if type(call.method) not in BARRIERS:
                    self._waiting.remove(call)
                return call
        return None

    def contexts(self) -> list[Any]:
        """The contexts of all calls that somebody still waits for, oldest first."""
        calls = [*self._waiting] if self.outstanding is None else [self.outstanding, *self._waiting]
        return [call.context for call in calls if call.wanted and call.context is not None]

    def _fall(self, barrier: Call) -> None:
        """Barriers fall in order: what waited behind this one may go, after all that is ready."""
        self.barriers.remove(barrier)
        self._released += barrier.behind
