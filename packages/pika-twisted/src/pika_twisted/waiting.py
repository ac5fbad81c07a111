"""`Pending`: a Deferred that is also what the protocol keeps for its caller.

Rule: whoever looks at a Deferred gets its error, now or later; whoever never looks is not told of
each one what one other place tells. When a channel or a connection ends, each of its outstanding
Deferreds fails with the reason, and so do `TwistedChannel.on_closed` and `closed` of the connection
tell it. Deferreds that nobody has looked at by then, a thousand confirms perhaps, are not logged as
"Unhandled error in Deferred"; they keep the failure for the callback or the `await` that comes
later. One that has callbacks which do not handle it is logged, as always in Twisted.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet import defer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar('T')


class Pending(defer.Deferred[T], Generic[T]):
    """What a caller waits for.

    Args:
      canceller: called with this object when the caller stops waiting.
      convert: makes the caller's result of what answers, an event mostly.
    """

    def __init__(self, canceller: Callable[[defer.Deferred[Any]], None],
                 convert: Callable[[Any], T]) -> None:
        super().__init__(canceller)
        self._convert = convert

    def answer(self, event: object) -> None:
        """The answer is there; the caller is not told if it has stopped waiting."""
        result = self._convert(event)
        if not self.called:
            self.callback(result)


def fail(deferred: defer.Deferred[Any], reason: Exception) -> None:
    """Fail what is outstanding when a channel or a connection ends; see the rule."""
    if deferred.called:
        return
    # No public name tells what Twisted keeps: the callbacks (with an underscore since 25.5), and
    # what it logs when the Deferred goes away, which an `await` of it clears in the same way.
    held = vars(deferred)
    looked_at = bool(held.get('_callbacks') or held.get('callbacks'))
    deferred.errback(reason)
    info = deferred._debugInfo
    if info is not None and not looked_at:
        info.failResult = None
