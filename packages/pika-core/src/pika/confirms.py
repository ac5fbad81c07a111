"""Publisher confirms of one channel: delivery tags to contexts.

Rule: tags count from 1 after the first confirm.select, one for each publish (rule 23); the broker
acks them in any order, singly or all up to one, and never both acks and nacks. Each tag is visited
once, whatever the order.
"""

from __future__ import annotations

from collections import OrderedDict

from pika import spec
from pika.exceptions import ProtocolViolationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Route = tuple[str, str]


class Confirms:
    """Which publishes the broker has yet to answer for."""

    def __init__(self) -> None:
        self.last_tag = 0
        self._oldest = 1  # all tags below are answered
        self._contexts: dict[int, Any] = {}
        self._routes: dict[int, Route] = {}  # of the outstanding mandatory publishes
        # Ordered: the first comes out in no time even after many were taken from the front.
        self._mandatory: dict[Route, OrderedDict[int, tuple[bytes, bytes]]] = {}

    def sent(self, context: object) -> int:
        """Number a publish; a context that is not None comes back with its confirm."""
        self.last_tag = tag = self.last_tag + 1
        if context is not None:
            self._contexts[tag] = context
        return tag

    def sent_mandatory(self, tag: int, route: Route, properties: bytes, body: bytes) -> None:
        """Remember what the publish `tag` looked like: a return bears no tag (rule 24)."""
        self._routes[tag] = route
        self._mandatory.setdefault(route, OrderedDict())[tag] = (properties, body)

    def returned(self, route: Route, properties: bytes, body: bytes) -> int:
        """The tag of the oldest publish equal to this returned message; 0 if there is none."""
        for tag, sent in self._mandatory.get(route, {}).items():
            if sent == (properties, body):
                self._forget_mandatory(tag)
                return tag
        return 0

    def answered(self, tag: int, multiple: bool) -> tuple[list[int], list[Any]]:
        """The broker answered for `tag`, or all up to it: the tags and contexts that were kept.

        Raises:
          ProtocolViolationError: the tag was never sent.
        """
        if tag > self.last_tag or (tag == 0 and not multiple):
            raise ProtocolViolationError(
                spec.COMMAND_INVALID,
                f'confirm of delivery tag {tag}, sent are 1 to {self.last_tag}')
        if multiple:
            last = tag or self.last_tag  # 0 means all (clause 1.8.3.13.1)
            tags = range(self._oldest, last + 1)
            self._oldest = max(self._oldest, last + 1)
        else:
            tags = range(tag, tag + 1)
            self._oldest += tag == self._oldest
        if self._routes:
            for answered in tags:
                self._forget_mandatory(answered)
        contexts = self._contexts
        found = [answered for answered in tags if answered in contexts]
        return found, [contexts.pop(answered) for answered in found]

    def abandon(self, context: object) -> bool:
        """Forget a context, which does not come back then; False when it is not here."""
        for tag, held in self._contexts.items():
            if held is context:
                del self._contexts[tag]
                return True
        return False

    def contexts(self) -> list[Any]:
        """All contexts that have not come back, oldest first."""
        return list(self._contexts.values())

    def _forget_mandatory(self, tag: int) -> None:
        route = self._routes.pop(tag, None)
        if route is None:
            return
        outstanding = self._mandatory[route]
        del outstanding[tag]
        if not outstanding:
            del self._mandatory[route]
