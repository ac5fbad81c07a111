"""A broker in memory for tests: running, with a look at what is in it.

Rule: clients and the broker's thread go on while a test looks. So a look is a copy, and an
assertion waits until it holds, for a few seconds at most.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from pika_testing.broker import Clock, MemoryBroker
from pika_testing.server import BrokerServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib
    import ssl
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from pika_testing.broker.messages import Message

SECONDS = 5.0  # that an assertion waits at most
_PAUSE = 0.002


@dataclass(frozen=True)
class QueueState:
    """A queue at one moment.

    Attributes:
      messages: those that wait, in the order in which they will be delivered.
      unacked: those that were delivered and not settled.
      consumers: how many there are.
    """

    messages: Sequence[Message]
    unacked: Sequence[Message]
    consumers: int

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of those that wait."""
        return [message.body for message in self.messages]


class ServedBroker:
    """A broker in memory behind a port of 127.0.0.1; a context manager.

    Args:
      version: of RabbitMQ, as which it behaves: '3.10' or '4.3'.
      ssl_context: a server's context, for a second port with TLS; None: no such port.

    Attributes:
      url: `amqp://` and all that a client needs to connect as guest.
      tls_url: the same with `amqps://`; None without `ssl_context`.

    Raises:
      ValueError: a version that is not modelled.
    """

    def __init__(self, version: str = '4.3', ssl_context: ssl.SSLContext | None = None) -> None:
        self._broker = MemoryBroker(version, clock=Clock(), record=True)
        lock = threading.RLock()
        self._server = BrokerServer(self._broker, lock=lock)
        self._tls_server = None
        if ssl_context is not None:
            self._tls_server = BrokerServer(self._broker, ssl_context=ssl_context, lock=lock)

    def __enter__(self) -> ServedBroker:
        self._server.start()
        if self._tls_server is not None:
            self._tls_server.start()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections at once, and listen no more."""
        self._server.stop()
        if self._tls_server is not None:
            self._tls_server.stop()

    @property
    def url(self) -> str:
        """For the user guest and the virtual host '/'."""
        return self._server.url()

    @property
    def tls_url(self) -> str | None:
        """The same over TLS."""
        return None if self._tls_server is None else self._tls_server.url()

    def url_of(self, virtual_host: str, tls: bool = False) -> str:
        """The URL of another virtual host."""
        server = self._tls_server if tls else self._server
        assert server is not None, 'no TLS: ssl_context was not given'
        return server.url(virtual_host)

    def locked(self) -> contextlib.AbstractContextManager[MemoryBroker]:
        """The broker itself, for faults and all that an operator does.

        ::

            with amqp_broker.locked() as broker:
            broker.faults.nack_confirms = 1
            broker.close_channels(406, 'because')
            broker.advance(60)

        The broker answers no client meanwhile.
        """
        return self._server.locked()

    def advance(self, seconds: float) -> None:
        """Let `seconds` have passed for the broker: TTLs and heartbeats need no sleep."""
        with self.locked() as broker:
            broker.advance(seconds)

    # A look at what is in it.

    @property
    def published(self) -> list[Message]:
        """What clients have published so far, in order, routed or not."""
        with self.locked() as broker:
            return list(broker.published)

    def queue(self, name: str, virtual_host: str = '/') -> QueueState:
        """A queue as it is now.

        Raises:
          KeyError: there is none of that name.
        """
        with self.locked() as broker:
            queue = broker.find_queue(name, virtual_host)
            unacked = [
                delivery.entry.message
                for connection in broker.connections
                for channel in connection.channels.values()
                for delivery in channel.unacked.values()
                if delivery.queue is queue
            ]
            return QueueState([entry.message for entry in queue.ready], unacked,
                              len(queue.consumers))

    def queues(self, virtual_host: str = '/') -> list[str]:
        """The names of the queues that are there."""
        with self.locked() as broker:
            return sorted(broker.virtual_hosts[virtual_host].queues)

    def bindings(self, exchange: str, virtual_host: str = '/') -> list[tuple[str, str]]:
        """What is bound to an exchange: pairs of the queue's or exchange's name and routing key.

        Raises:
          KeyError: there is no such exchange.
        """
        with self.locked() as broker:
            bindings = broker.virtual_hosts[virtual_host].exchanges[exchange].bindings.values()
            return sorted((binding.destination[1], binding.key) for binding in bindings)

    # Assertions, which wait.

    def wait_until(self, condition: Callable[[], object], seconds: float = SECONDS) -> bool:
        """Whether `condition()` becomes true within `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def assert_queue(self,
                     name: str,
                     messages: int | Sequence[bytes] | None = None,
                     unacked: int | None = None,
                     consumers: int | None = None,
                     virtual_host: str = '/') -> None:
        """A queue is there, and has what is given.

        Args:
          name: the queue's.
          virtual_host: where it is.
          messages: how many wait, or their bodies in order.
          unacked: how many are delivered and not settled.
          consumers: how many there are.

        Raises:
          AssertionError: it does not come to that; the text says how it is.
        """

        def differences() -> list[str]:
            try:
                state = self.queue(name, virtual_host)
            except KeyError as error:
                return [str(error.args[0])]
            found: list[tuple[str, object, object]] = [('unacked', unacked, len(state.unacked)),
                                                       ('consumers', consumers, state.consumers)]
            if isinstance(messages, int):
                found.append(('messages', messages, len(state.messages)))
            elif messages is not None:
                found.append(('messages', list(messages), state.bodies))
            return [
                f'{what}: {is_now!r}, expected {wanted!r}' for what, wanted, is_now in found
                if wanted is not None and wanted != is_now
            ]

        if not self.wait_until(lambda: not differences()):
            raise AssertionError(f'queue {name!r}: {"; ".join(differences())}')

    def assert_bound(self,
                     queue: str,
                     exchange: str,
                     routing_key: str | None = None,
                     virtual_host: str = '/') -> None:
        """A queue or exchange is bound to an exchange, with this routing key or, for None, any.

        Raises:
          AssertionError: it is not; the text says what is.
        """

        def bindings() -> list[tuple[str, str]] | None:
            try:
                return self.bindings(exchange, virtual_host)
            except KeyError:
                return None

        def bound() -> bool:
            return any(
                name == queue and routing_key in (None, key) for name, key in bindings() or ())

        if not self.wait_until(bound):
            what = '' if routing_key is None else f' with {routing_key!r}'
            raise AssertionError(f'{queue!r} is not bound to exchange {exchange!r}{what}: ' + (
                'there is no such exchange' if bindings() is None else f'only {bindings()}'))

    def assert_published(self,
                         body: bytes | None = None,
                         exchange: str | None = None,
                         routing_key: str | None = None,
                         count: int | None = None) -> list[Message]:
        """Messages like this were published; return them.

        Args:
          body: what they have; None for any.
          exchange: where to; None for any.
          routing_key: with which; None for any.
          count: how many; None for one or more.

        Raises:
          AssertionError: they were not; the text says what was.
        """

        def found() -> list[Message]:
            return [
                message for message in self.published
                if body in (None, message.body) and exchange in (
                    None, message.exchange) and routing_key in (None, message.routing_key)
            ]

        if not self.wait_until(lambda: len(found()) == count if count is not None else found()):
            raise AssertionError(
                f'published with body {body!r}, exchange {exchange!r}, routing key '
                f'{routing_key!r}: {len(found())} messages, expected '
                f'{"some" if count is None else count}; in all {self.published}')
        return found()
