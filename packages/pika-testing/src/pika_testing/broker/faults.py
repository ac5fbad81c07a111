"""What a broker does wrong when it is told to.

Rule: a fault is set and taken back by the test; nothing happens by chance. Faults of the stream
count the bytes that one connection has got from the broker, over all of its life.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from pika_testing.broker.broker import MemoryBroker
    from pika_testing.broker.channel import Channel

    Chunk = Union[bytes, memoryview]


class Faults:
    """The faults of one broker; none at the beginning.

    Attributes:
      heartbeats: False: the broker sends none.
      nack_confirms: how many of the next publishes are nacked, though they were taken.
      hold_confirms: True: confirms wait until `release_confirms`.
      confirm_delay: seconds that each confirm waits.
      stalled: True: nothing is sent until `resume`.
      drop_after: bytes after which each connection is cut, amid whatever it is; None: never.
      corrupt_at: which byte of a connection has all its bits turned, from 0; None: none.
      split_writes: bytes that are written at once at most; None: any number.
    """

    # A name that is misspelt must not pass for a fault.
    __slots__ = ('heartbeats', 'nack_confirms', 'hold_confirms', 'confirm_delay', 'stalled',
                 'drop_after', 'corrupt_at', 'split_writes', '_broker', '_held')

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._held: list[tuple[Channel, int, bool]] = []
        self._end()

    def _end(self) -> None:
        self.heartbeats = True
        self.nack_confirms = 0
        self.hold_confirms = False
        self.confirm_delay = 0.0
        self.stalled = False
        self.drop_after: int | None = None
        self.corrupt_at: int | None = None
        self.split_writes: int | None = None

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in self.__slots__ if name[0] != '_')
        return f'<Faults {", ".join(f"{name}={value!r}" for name, value in values)}>'

    def confirm(self, channel: Channel, tag: int, taken: bool) -> None:
        """Confirm a publish, or not yet, or not as it should be."""
        if self.nack_confirms:
            self.nack_confirms -= 1
            taken = False
        if self.hold_confirms:
            self._held.append((channel, tag, taken))
        elif self.confirm_delay:
            self._broker.timers.add(self._broker.clock.now() + self.confirm_delay,
                                    lambda now: channel.confirm(tag, taken))
        else:
            channel.confirm(tag, taken)

    def release_confirms(self) -> None:
        """Send the confirms that were held, and hold no more."""
        self.hold_confirms = False
        held, self._held = self._held, []
        for channel, tag, taken in held:
            channel.confirm(tag, taken)

    def resume(self) -> None:
        """Send what was stalled, and all that follows."""
        self.stalled = False
        for connection in self._broker.connections:
            connection.on_output()

    def clear(self) -> None:
        """No faults any more."""
        self._end()
        self.release_confirms()
        self.resume()

    def shape(self, chunks: list[Chunk], sent: int) -> tuple[list[Chunk], bool]:
        """What becomes of chunks behind `sent` bytes, and whether the connection is cut then."""
        if self.drop_after is None and self.corrupt_at is None and self.split_writes is None:
            return chunks, False
        stream = bytearray().join(chunks)
        if self.corrupt_at is not None and 0 <= self.corrupt_at - sent < len(stream):
            stream[self.corrupt_at - sent] ^= 0xFF
        cut = self.drop_after is not None and sent + len(stream) >= self.drop_after
        if self.drop_after is not None and cut:
            del stream[max(0, self.drop_after - sent):]
        data = bytes(stream)
        size = self.split_writes or len(data) or 1
        return [data[start:start + size] for start in range(0, len(data), size)], cut
