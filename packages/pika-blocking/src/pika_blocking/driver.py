"""A protocol on a wire: moves bytes and minds the time.

Rule: no callback runs here. Each event goes to `route`, which only sorts: to whoever waits for it,
or to the queue of what callbacks are to be called with. A wait ends with the event that it waits
for; what came behind it stays in the protocol, so that the state is true as of the event at hand.

An interrupt (Ctrl-C, a signal handler that raises) may come between a system call and the note of
what it did. Where bytes are moved it ends the connection, since the place in the stream is lost;
in a wait it does no harm.
"""

from __future__ import annotations

from time import monotonic

from pika import events, exceptions
from pika.protocol import ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable, TypeVar, Union

    from pika.protocol import Protocol

    from pika_blocking.wire import Wire

    _T = TypeVar('_T')

LOOK_INTERVAL = 0.01  # seconds; a program that only publishes reads as often as this
# An ack is held only while another message is here, to leave with that one's ack. What is held is
# looked at again when a handler returns.
HANDLER_IS_QUICK = 0.001  # seconds; a handler that takes longer has its acks sent at once
HOLD_TIME = 0.005  # seconds; when a handler returns, acks that were held for so long leave
HOLD_SIZE = 65536  # bytes; as many leave at once
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

    `poison` ends the connection where an interrupt left the stream in an unknown place.

    Attributes:
      coalescing: how many blocks want their output to leave together.
    """

    def __init__(self, protocol: Protocol, wire: Wire, route: Callable[[events.Event],
                                                                       None]) -> None:
        self.protocol = protocol
        self.wire = wire
        self.route = route
        self.coalescing = 0
        self._hold_until = 0.0
        self._held_since = 0.0
        self._queue: Sequence[object] = ()  # of messages that wait for the handler at work
        self._ahead: events.Event | None = None  # seen, and not routed yet
        self._next_look = monotonic() + LOOK_INTERVAL

    def send(self) -> None:
        """Bring what the protocol has to say into the kernel; read meanwhile, and if it is due."""
        protocol = self.protocol
        size = protocol.bytes_pending
        if self.coalescing and size < HOLD_SIZE and monotonic() < self._next_look:
            return
        if size:
            try:
                taken = self.wire.write(protocol.data_to_send(), size)
            except BaseException:
                self.poison()
                raise
            if not taken:
                self._send_slowly()
        now = monotonic()
        if now >= self._next_look:
            self._receive(now)
            self.pull()

    def coalesce_no_more(self) -> None:
        """One block less wants that; what it has left behind leaves now."""
        self.coalescing -= 1
        if not self.coalescing and self.protocol.state != ENDED:
            self.send()

    def command(self, command: Callable[..., _T], *args: object) -> _T:
        """Give the protocol a command that it keeps account of, to have it answered."""
        try:
            return command(*args)
        except Exception:  # refused, before anything was noted
            raise
        except BaseException:  # interrupted, and noted perhaps, but not queued
            self.poison()
            raise

    def send_soon(self) -> None:
        """The same for an ack, which waits for that of the next message if that is here already."""
        if (monotonic() >= self._hold_until or self.protocol.bytes_pending >= HOLD_SIZE or
                not self._another_waits()):
            self.send()

    def between_messages(self, handed_over: float, queue: Sequence[object]) -> float:
        """Note that the handler of a message, given it at `handed_over`, is done. Return now.

        queue: where the next message is put.
        """
        now = monotonic()
        quick = now - handed_over < HANDLER_IS_QUICK
        self._hold_until = now + HANDLER_IS_QUICK if quick else 0.0
        self._queue = queue
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
            try:
                self._mind_time(now)
            except BaseException:
                self.poison()
                raise
        return now

    def release(self) -> None:
        """The handing over of messages has ended: send what is held."""
        self._hold_until = 0.0
        self._held_since = 0.0
        if self.protocol.bytes_pending:
            self.send()

    def wait_for(self, pending: Pending) -> None:
        """Wait until `pending` has its event; if interrupted, have the late answer swallowed."""
        try:
            self.send()
            while pending.event is None:
                if not self.take():
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
        self._hold_until = 0.0
        waiting = False
        try:
            self._write()
            due = self.protocol.next_timeout()
            if due is not None and (deadline is None or due < deadline):
                deadline = due
            timeout = None if deadline is None else max(0.0, deadline - monotonic())
            waiting = True
            readable, writable = self.wire.wait(timeout, wake)
            waiting = False
            now = monotonic()
            if writable:
                self.wire.flush()
            if readable:
                self._receive(now)
            else:
                self._next_look = now + LOOK_INTERVAL
                self._mind_time(now)
        except BaseException:
            if not waiting:
                self.poison()
            raise

    def read(self) -> None:
        """Send what can be sent and take what has arrived, without waiting."""
        try:
            self.wire.flush()
            self._receive(monotonic())
        except BaseException:
            self.poison()
            raise

    def take(self) -> bool:
        """Route one event; False when there is none."""
        event = self._ahead
        try:
            if event is None:
                event = self.protocol.next_event()
                if event is None:
                    return False
            else:
                self._ahead = None
            self.route(event)
        except BaseException:
            self.poison(event)
            raise
        return True

    def pull(self) -> None:
        """Route all that has arrived."""
        while self.take():
            pass

    def poison(self, event: events.Event | None = None) -> None:
        """End the connection: what was read, written or parsed halfway must not be gone on with.

        event: whose routing was interrupted.
        """
        self.wire.abort()
        protocol = self.protocol
        lost = exceptions.StreamLostError('interrupted while reading or writing',
                                          host=protocol.parameters.host,
                                          port=protocol.parameters.port,
                                          phase='open')
        protocol.connection_lost(lost, monotonic())
        # What is parsed now may be garbage; only the end is told.
        self._ahead = None
        while protocol.state != ENDED:
            event = protocol.next_event()
        if isinstance(event, events.Closed):
            if isinstance(event.reason, exceptions.ProtocolViolationError):  # our fault
                event = events.Closed(lost, event.contexts)
            self.route(event)

    def finish(self, cut: bool = False) -> None:
        """The connection is closed: send the last words and close the socket.

        cut: the peer takes no words any more.
        """
        if cut:
            self.wire.abort()
        else:
            self.wire.write(self.protocol.data_to_send(), 0)
            self.wire.close(CLOSE_TIMEOUT)

    def _another_waits(self) -> bool:
        if not self._queue and self._ahead is None:
            event = None
            try:
                event = self.protocol.next_event()
                if isinstance(event, (events.Delivery, events.Closed)):
                    self.route(event)
                else:
                    self._ahead = event  # the handler comes before what is behind its message
            except BaseException:
                self.poison(event)
                raise
        return bool(self._queue)

    def _receive(self, now: float) -> None:
        try:
            self._next_look = now + LOOK_INTERVAL
            self.wire.read(self.protocol, now)
            self._mind_time(now)
        except BaseException:
            self.poison()
            raise

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
            try:
                self.wire.lose(self.protocol, monotonic())
            except BaseException:
                self.poison()
                raise
            self.pull()
