"""What a broker does wrong when it is told to.

Rule: a fault is set and taken back by the test; nothing happens by chance.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_testing.broker.channel import Channel


class Faults:
    """The faults of one broker; none at the beginning.

    Attributes:
      heartbeats: False: the broker sends none.
      nack_confirms: how many of the next publishes are nacked, though they were taken.
      hold_confirms: True: confirms wait until `release_confirms`.
    """

    def __init__(self) -> None:
        self.heartbeats = True
        self.nack_confirms = 0
        self.hold_confirms = False
        self._held: list[tuple[Channel, int, bool]] = []

    def confirm(self, channel: Channel, tag: int, taken: bool) -> None:
        """Confirm a publish, or not yet, or not as it should be."""
        if self.nack_confirms:
            self.nack_confirms -= 1
            taken = False
        if self.hold_confirms:
            self._held.append((channel, tag, taken))
        else:
            channel.confirm(tag, taken)

    def release_confirms(self) -> None:
        """Send the confirms that were held, and hold no more."""
        self.hold_confirms = False
        held, self._held = self._held, []
        for channel, tag, taken in held:
            if not channel.closing:
                channel.confirm(tag, taken)
