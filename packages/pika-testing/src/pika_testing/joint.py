"""A broker in memory joined to a client in the same thread, without a socket.

Rule: bytes are handed over at once, and what comes back waits for the client's own turn: the
broker never calls back into a client that is amid a call.
"""

from __future__ import annotations

import select
import time
from typing import cast

from pika.transport.base_connection import BaseConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any, TypeVar

    from pika import events
    from pika.connection import Timer
    from pika.protocol import Protocol
    from pika.transport import endpoints

    from pika_testing.broker import MemoryBroker
    from pika_testing.broker.connection import Chunk, ServerConnection

    C = TypeVar('C')


class Joint:
    """A `pika.protocol.Protocol` joined to a broker; nothing happens but in `pump`.

    Args:
      broker: the broker.
      protocol: a client that has not been connected yet.

    Attributes:
      connection: the broker's side.
    """

    def __init__(self, broker: MemoryBroker, protocol: Protocol) -> None:
        self._broker = broker
        self._protocol = protocol
        self.connection = broker.accept('in process')
        protocol.connect(broker.clock.now())

    def pump(self) -> list[events.Event]:
        """Carry bytes until neither side has more; return the client's events."""
        seen: list[events.Event] = []
        protocol = self._protocol
        while True:
            now = self._broker.clock.now()
            to_broker = protocol.data_to_send()
            if to_broker:
                self.connection.receive_data(b''.join(to_broker))
            to_client = self.connection.data_to_send()
            if to_client:
                protocol.receive_data(b''.join(to_client), now)
            elif self.connection.is_over:
                protocol.receive_eof(now)
            event = protocol.next_event()
            while event is not None:
                seen.append(event)
                event = protocol.next_event()
            if not to_client and not protocol.bytes_pending:
                return seen


def in_process(connection_class: type[C], broker: MemoryBroker) -> type[C]:
    """A connection class of any adapter, joined to `broker` instead of to a network.

    ::

        Connection = in_process(pika.BlockingConnection, MemoryBroker())
        with Connection() as connection:
            connection.channel().queue_declare('queue')

    Host, port and TLS of the parameters do not matter; user and virtual host do. All connections
    and the broker belong to one thread. Time that the broker has to notice (TTLs, heartbeats)
    passes while a connection waits, or by `broker.advance()`.

    Raises:
      TypeError: it is no connection class of an adapter.
    """
    seams: dict[str, Any] = {}  # each of another type
    name = connection_class.__name__
    engine_class: Any = getattr(connection_class, '_engine_class', None)
    if hasattr(connection_class, '_open_stream'):
        seams['_open_stream'] = lambda self, step, made, failed: _Transport(broker, self, made)
        seams['_resolve'] = _resolve
    elif hasattr(connection_class, '_open_wire'):
        seams['_open_wire'] = staticmethod(lambda step, wake: _Wire(broker, wake))
    elif engine_class is not None:
        seams['_engine_class'] = in_process(engine_class, broker)
    else:
        raise TypeError(f'connection_class: {connection_class!r} is no connection of an adapter')
    joined: Any = type(name, (connection_class,), seams)
    return cast('type[C]', joined)


def _resolve(connection: BaseConnection, parameters: object, done: Callable[[endpoints.Outcome],
                                                                            None]) -> None:
    connection._call_soon(lambda: done([(0, ('in process', 0))]))


class _Transport:
    """What `pika.connection.Transport` and an attempt to open one are, for a callback adapter."""

    tcp_connected = True

    def __init__(self, broker: MemoryBroker, owner: BaseConnection, made: Callable[[_Transport],
                                                                                   None]) -> None:
        self._broker = broker
        self._owner = owner
        self._connection = broker.accept('in process')
        self._connection.on_output = self._wake
        self._paused = False
        self._woken = False
        self._closed = False
        self._told_eof = False
        self._timer: Timer | None = None
        owner._call_soon(lambda: None if self._closed else made(self))

    def cancel(self) -> None:
        """Tell the owner nothing more."""
        if self._owner._transport is not self:
            self.abort()

    def writelines(self, chunks: list[Chunk]) -> None:
        """Hand these to the broker."""
        if not self._closed:
            self._connection.receive_data(b''.join(chunks))
            self._wake()

    def close(self) -> None:
        """End the connection."""
        self.abort()

    def abort(self) -> None:
        """End the connection."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._connection.on_output = _nothing
        self._connection.receive_eof()
        self._owner._call_soon(lambda: self._owner.connection_lost(None))

    def pause_reading(self) -> None:
        """Hand nothing to the owner."""
        self._paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self._paused = False
        self._wake()

    def drain(self) -> bool:
        """Hand to the owner at once what there is."""
        self._deliver(though_paused=True)
        return True

    def _wake(self) -> None:
        if not self._woken and not self._closed:
            self._woken = True
            self._owner._call_soon(self._turn)

    def _turn(self) -> None:
        self._woken = False
        self._broker.handle_timeout()
        self._deliver()
        self._arm()

    def _deliver(self, though_paused: bool = False) -> None:
        while not self._closed and (though_paused or not self._paused):
            chunks = self._connection.data_to_send()
            if chunks:
                self._owner.data_received(b''.join(chunks))
                continue
            if self._connection.is_over and not self._told_eof:
                self._told_eof = True
                self._owner.eof_received()
            return

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._broker.next_timeout()
        if due is not None and not self._closed:
            seconds = max(0.0, due - self._broker.clock.now())
            self._timer = self._owner._call_at(self._owner._now() + seconds, self._turn)


class _Wire:
    """What `pika_blocking.wire.Wire` is, for the blocking adapter."""

    tls = None
    error: Exception | None = None
    unsent = ()
    reads = 0

    def __init__(self, broker: MemoryBroker, wake: socket.socket) -> None:
        self._broker = broker
        self._knocks = wake
        self._connection: ServerConnection = broker.accept('in process')
        self._told_eof = False

    def write(self, chunks: list[Chunk], size: int) -> bool:
        """Hand these to the broker."""
        self._connection.receive_data(b''.join(chunks))
        return True

    def flush(self) -> bool:
        """Nothing is ever unsent."""
        return True

    def read(self, protocol: Protocol, now: float) -> bool:
        """Hand the protocol what the broker has sent; False when it has not."""
        self._broker.handle_timeout()
        chunks = self._connection.data_to_send()
        if chunks:
            self.reads += 1
            protocol.receive_data(b''.join(chunks), now)
            return True
        if self._connection.is_over and not self._told_eof:
            self._told_eof = True
            protocol.receive_eof(now)
            return True
        return False

    def lose(self, protocol: Protocol, now: float) -> None:
        """Nothing is lost in here."""

    def wait(self, timeout: float | None, wake: bool = False) -> tuple[bool, bool]:
        """Let time pass until the broker has something, another thread knocks, or it is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._broker.handle_timeout()
            if self._connection.bytes_pending or self._connection.is_over and not self._told_eof:
                return True, False
            now = time.monotonic()
            due = self._broker.next_timeout()
            moments = [] if deadline is None else [deadline - now]
            if due is not None:
                moments.append(due - self._broker.clock.now())
            seconds = max(0.0, min(moments)) if moments else None
            knocked, _, _ = select.select([self._knocks] if wake else [], [], [], seconds)
            if knocked:
                self._knocks.recv(4096)
                return False, False
            if deadline is not None and time.monotonic() >= deadline:
                return False, False

    def close(self, timeout: float) -> None:
        """End the connection."""
        self.abort()

    def abort(self) -> None:
        """End the connection."""
        self._connection.receive_eof()


def _nothing() -> None:
    pass
