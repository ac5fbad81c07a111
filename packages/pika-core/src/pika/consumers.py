"""The consumers of one channel.

Rule: a consumer is here before the broker can deliver to it (rule 28). Messages for one that was
cancelled go back to the broker, unless they count as acknowledged (rule 29); but not before the
cancel is sent, since the broker would deliver them to it again at once.
"""

from __future__ import annotations

from pika.exceptions import DuplicateConsumerTag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika.calls import Call


class Consumer:
    """What the broker sends messages to.

    cancel: the call that ends it, once there is one; that which started it, once it is abandoned.
    """
    __slots__ = ('owner', 'no_ack', 'cancel')

    def __init__(self, owner: Any, no_ack: bool) -> None:
        self.owner = owner
        self.no_ack = no_ack
        self.cancel: Call | None = None


class Consumers:
    """Consumers by tag, and the messages that are to go back.

    Attributes:
      by_tag: those to which the broker may deliver for long.
    """

    def __init__(self) -> None:
        self.by_tag: dict[str, Consumer] = {}
        # Cancelled with nowait: messages may come until the answer to a later call proves that the
        # broker knows.
        self._fading: dict[str, Consumer] = {}
        self._held: list[tuple[Call, int]] = []

    def check_new(self, tag: str) -> None:
        """Raise DuplicateConsumerTag if the channel has a consumer with that tag."""
        if tag in self.by_tag or tag in self._fading:
            raise DuplicateConsumerTag(tag)

    def add(self, tag: str, owner: Any, no_ack: bool) -> None:
        """Register a consumer."""
        self.by_tag[tag] = Consumer(owner, no_ack)

    def find(self, tag: str) -> Consumer | None:
        """The consumer to which a message for `tag` is due."""
        return self.by_tag.get(tag) or self._fading.get(tag)

    def remove(self, tag: str) -> None:
        """Forget a consumer that the broker does not know."""
        self.by_tag.pop(tag, None)

    def cancel(self, tag: str, call: Call) -> None:
        """From now on the messages of this consumer are not wanted; `call` tells the broker."""
        consumer = self.by_tag.get(tag)
        if consumer is None:
            return
        if consumer.cancel is None or consumer.cancel.sent:
            consumer.cancel = call
        if not call.expects_reply:
            self._fading[tag] = self.by_tag.pop(tag)

    def take_back(self, tag: str, call: Call) -> list[int]:
        """`call` will not be sent: the consumer goes on. Returns the tags that go back."""
        consumer = self.by_tag.get(tag)
        if consumer is not None and consumer.cancel is call:
            consumer.cancel = None
        back = [held for by, held in self._held if by is call]
        self._held = [entry for entry in self._held if entry[0] is not call]
        return back

    def cancelled(self, tag: str) -> None:
        """The broker has answered the cancel; a new consumer with the old tag stays."""
        consumer = self.by_tag.get(tag)
        if consumer is not None and consumer.cancel is not None:
            del self.by_tag[tag]

    def cancelled_by_broker(self, tag: str) -> Consumer | None:
        """The broker has cancelled; the consumer, if its owner does not expect that."""
        consumer = self.by_tag.pop(tag, None)
        if consumer is None or (consumer.cancel is not None and consumer.cancel.sent):
            return None
        return consumer

    def answered(self) -> None:
        """The broker has answered a call: it knows of every cancel that was sent before."""
        if self._fading:
            self._fading = {
                tag: consumer
                for tag, consumer in self._fading.items()
                if consumer.cancel is not None and not consumer.cancel.sent
            }

    def hold(self, cancel: Call, delivery_tag: int) -> None:
        """Keep a message that goes back once `cancel` is sent."""
        self._held.append((cancel, delivery_tag))

    def take_held(self) -> list[int]:
        """Remove and return the delivery tags of messages that can go back now."""
        if not self._held:
            return []
        back = [tag for cancel, tag in self._held if cancel.sent]
        self._held = [entry for entry in self._held if not entry[0].sent]
        return back
