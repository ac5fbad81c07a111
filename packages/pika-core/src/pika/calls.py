"""The order of methods on one channel.

Rule: one synchronous method is outstanding, the others wait here in the order of their calls (rule
20), and methods without an answer (nowait) wait with them: a bind must not overtake its declare.
What is published or acknowledged goes past this queue, except past a waiting method that changes
what publishing means, such as confirm.select.
"""

from __future__ import annotations

from collections import deque

from pika import spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from pika import amqp_object

    Chunk = Union[bytes, memoryview]

BARRIERS = frozenset((spec.Confirm.Select, spec.Tx.Select, spec.Tx.Commit, spec.Tx.Rollback))
# The barrier that stands until it is answered: RabbitMQ ends the connection with 504 for anything
# that comes on the channel while it commits.
_COMMIT = spec.Tx.Commit


class Call:
    """A method on its way to the broker; `wanted` turns False when the caller stops waiting.

    number: calls with lower ones are sent before.
    """
    __slots__ = ('method', 'frame', 'context', 'wanted', 'number')

    def __init__(self, method: amqp_object.Method, frame: bytes, context: Any) -> None:
        self.method = method
        self.frame = frame
        self.context = context
        self.wanted = True
        self.number = 0

    @property
    def expects_reply(self) -> bool:
        """Whether the broker answers this method."""
        return self.method.synchronous and not getattr(self.method, 'nowait', False)


class CallQueue:
    """The outstanding call of a channel and those that wait for its answer."""

    def __init__(self) -> None:
        self.outstanding: Call | None = None
        self.barriers = 0  # methods that nothing may overtake; 0 means that no chunks wait either
        self._pushed = 0
        self._waiting: deque[Call | list[Chunk]] = deque()
        self._chunks = 0  # how many of those are lists

    def push(self, call: Call) -> None:
        """Put a call at the end; `take_ready` says when it goes out."""
        self.barriers += type(call.method) in BARRIERS
        self._pushed += 1
        call.number = self._pushed
        self._waiting.append(call)

    def push_chunks(self, chunks: list[Chunk]) -> None:
        """Put at the end what may not overtake a barrier."""
        self._waiting.append(chunks)
        self._chunks += 1

    def take_ready(self) -> list[Chunk]:
        """Remove all that may be sent now, up to the next method that the broker answers."""
        ready: list[Chunk] = []
        waiting = self._waiting
        while waiting:
            item = waiting[0]
            if isinstance(item, list):
                if self.outstanding is not None and type(self.outstanding.method) is _COMMIT:
                    break
                ready += item
                self._chunks -= 1
            elif self.outstanding is not None:
                break
            else:
                ready.append(item.frame)
                if type(item.method) is not _COMMIT:
                    self.barriers -= type(item.method) in BARRIERS
                if item.expects_reply:
                    self.outstanding = item
            waiting.popleft()
        if self._chunks and not self.barriers:  # then calls are all that these waited behind
            ready += self._take_chunks()
        return ready

    def _take_chunks(self) -> list[Chunk]:
        chunks = [chunk for item in self._waiting if isinstance(item, list) for chunk in item]
        self._waiting = deque(item for item in self._waiting if isinstance(item, Call))
        self._chunks = 0
        return chunks

    def answers(self, method: amqp_object.Method) -> bool:
        """Whether `method` is an answer to the outstanding call."""
        return self.outstanding is not None and type(method) in self.outstanding.method.answers

    def take_answered(self) -> Call:
        """The outstanding call has its answer: remove and return it."""
        call = self.outstanding
        assert call is not None
        self.outstanding = None
        if type(call.method) is _COMMIT:
            self.barriers -= 1
        return call

    def abandon(self, context: object) -> Call | None:
        """Stop waiting for the answer of the call with `context`; return that call, if it is here.

        A call that has not been sent is taken back, save for a barrier: what waits behind it counts
        on it.
        """
        if self.outstanding is not None and self.outstanding.context is context:
            self.outstanding.wanted = False
            return self.outstanding
        for item in self._waiting:
            if isinstance(item, Call) and item.context is context:
                item.wanted = False
                if type(item.method) not in BARRIERS:
                    self._waiting.remove(item)
                return item
        return None

    def contexts(self) -> list[Any]:
        """The contexts of all calls that somebody still waits for, oldest first."""
        calls = [self.outstanding] if self.outstanding is not None else []
        calls += [item for item in self._waiting if isinstance(item, Call)]
        return [call.context for call in calls if call.wanted and call.context is not None]
