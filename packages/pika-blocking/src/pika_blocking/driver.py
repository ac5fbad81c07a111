"""A protocol on a wire: moves bytes and minds the time.

Rule: no callback runs here. Each event goes to `route`, which only sorts: to whoever waits for it,
or to the queue of what callbacks are to be called with. A wait ends with the event that it waits
for; what came behind it stays in the protocol, so that the state is true as of the event at hand.
"""

from __future__ import annotations

from time import monotonic

from pika import events
from pika.protocol import ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    from pika.protocol import Protocol

    from pika_blocking.wire import Wire

LOOK_INTERVAL = 0.01  # seconds; a program that only publishes reads as often as this
HANDLER_IS_QUICK = 0.001  # seconds; of handlers of messages that are as quick, acks leave together
HOLD_TIME = 0.005  # seconds; an ack waits no longer than this for others
HOLD_SIZE = 65536  # bytes; nor when there are as many
CLOSE_TIMEOUT = 1.0  # seconds to get rid of the last words


class Pending:
    """What a caller waits for: the event that answers, and the messages returned before."""
    __slots__ = ('event', 'returned')

    def __init__(self) -> None:
        self.event: Answer | None = None
        self.returned: list[events.Returned] = []


if TYPE_CHECKING:
    Answer = Union[events.Opened, events.Reply, events.Confirmed, events.ChannelClosed,
                   events.Closed]


class Driver:
    """Moves bytes between `protocol` and `wire`, and events to `route`.

    Attributes:
      hold_until: acks written before this moment wait for others (monotonic clock).
    """

    def __init__(self, protocol: Protocol, wire: Wire, route: Callable[[events.Event],
                                                                       None]) -> None:
        self.protocol = protocol
        self.wire = wire
        self.route = route
        self.hold_until = 0.0
        self._held_since = 0.0
        self._next_look = monotonic() + LOOK_INTERVAL

    def send(self) -> None:
        """Bring what the protocol has to say into the kernel; read meanwhile, and if it is due."""
        protocol = self.protocol
        size = protocol.bytes_pending
        if size and not self.wire.write(protocol.data_to_send(), size):
            self._send_slowly()
        now = monotonic()
        if now >= self._next_look:
            self._look(now)

    def send_soon(self) -> None:
        """The same for an ack, which may wait for others while handlers of messages are quick."""
        if monotonic() >= self.hold_until or self.protocol.bytes_pending >= HOLD_SIZE:
            self.send()

    def between_messages(self, handed_over: float) -> float:
        """Note that the handler of a message, given it at `handed_over`, is done. Return now."""
        now = monotonic()
        quick = now - handed_over < HANDLER_IS_QUICK
        self.hold_until = now + HANDLER_IS_QUICK if quick else 0.0
        if self.protocol.bytes_pending:
            if not self._held_since:
                self._held_since = now
            if not quick or now - self._held_since >= HOLD_TIME:
                self._held_since = 0.0
                self.send()
        else:
            self._held_since = 0.0
        if now >= self._next_look:
            # Not read: there are messages waiting here.
            self._next_look = now + LOOK_INTERVAL
            self._mind_time(now)
        return now

    def release(self) -> None:
        """The handing over of messages has ended: send what is held."""
        self.hold_until = 0.0
        self._held_since = 0.0
        if self.protocol.bytes_pending:
            self.send()

    def wait_for(self, pending: Pending) -> None:
        """Wait until `pending` has its event; if interrupted, have the late answer swallowed."""
        try:
            self.send()
            while pending.event is None:
                event = self.protocol.next_event()
                if event is not None:
                    self.route(event)
                else:
                    self.step()
        except BaseException:
            if pending.event is None:
                self.protocol.abandon(pending)
            raise
        if self.protocol.bytes_pending:
            self.send()

    def step(self, deadline: float | None = None, wake: bool = False) -> None:
        """Send, wait until something arrives or the moment `deadline`, read once.

        May return earlier. `wake`: return when another thread asks for it, too.
        """
        protocol = self.protocol
        self.hold_until = 0.0
        self._write()
        due = protocol.next_timeout()
        if due is not None and (deadline is None or due < deadline):
            deadline = due
        timeout = None if deadline is None else max(0.0, deadline - monotonic())
        readable = self.wire.wait(timeout, wake)
        now = monotonic()
        self._next_look = now + LOOK_INTERVAL
        if readable:
            self.wire.read(protocol, now)
        self._mind_time(now)

    def read(self) -> None:
        """Send what can be sent and take what has arrived, without waiting."""
        now = monotonic()
        self.wire.flush()
        self._next_look = now + LOOK_INTERVAL
        self.wire.read(self.protocol, now)
        self._mind_time(now)

    def pull(self) -> None:
        """Route all that has arrived."""
        while True:
            event = self.protocol.next_event()
            if event is None:
                return
            self.route(event)

    def finish(self) -> None:
        """The connection is closed: send the last words and close the socket."""
        self.wire.write(self.protocol.data_to_send(), 0)
        self.wire.close(CLOSE_TIMEOUT)

    def _look(self, now: float) -> None:
        self._next_look = now + LOOK_INTERVAL
        self.wire.read(self.protocol, now)
        self._mind_time(now)
        self.pull()

    def _mind_time(self, now: float) -> None:
        due = self.protocol.next_timeout()
        if due is not None and due <= now:
            # Signs of life may wait in the kernel while the program was busy.
            self.wire.read(self.protocol, now)
            self.protocol.handle_timeout(now)
            self._write()

    def _write(self) -> None:
        """Send what the kernel takes now."""
        protocol = self.protocol
        size = protocol.bytes_pending
        if size:
            self.wire.write(protocol.data_to_send(), size)
        if self.wire.error is not None and protocol.state != ENDED:
            self.wire.lose(protocol, monotonic())

    def _send_slowly(self) -> None:
        """The kernel is full: read while waiting, since the broker may be waiting for us to."""
        while self.wire.unsent and self.protocol.state != ENDED:
            self.step()
            self.pull()
        if self.wire.error is not None and self.protocol.state != ENDED:
            self.wire.lose(self.protocol, monotonic())
            self.pull()
