"""One round of messages through an adapter of the callback API and a broker in memory.

For unit tests of adapters: it needs no fixtures, no RabbitMQ and no socket to a broker.
"""

from __future__ import annotations

from pika_testing.broker import MemoryBroker
from pika_testing.joint import in_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TTL = 20  # milliseconds

_ALL = [
    'open', 'returned no queue', 'ack 1', 'ack 2', 'message hello', 'ack 3', 'left 1', 'left 0',
    "closed (200, 'Normal shutdown')"
]


class _Round:
    """The callbacks of one connection, in the order in which they come."""

    def __init__(self, stop: Callable[[Any], object]) -> None:
        self.notes: list[str] = []
        self._stop = stop

    # Any: each adapter has its own connection, and its own channel.
    def on_open(self, connection: Any) -> None:
        self.notes.append('open')
        connection.channel(on_open_callback=self.on_channel)

    def on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.add_on_return_callback(
            lambda _, method, properties, body: self.notes.append(f'returned {method.routing_key}'))
        channel.confirm_delivery(self.on_confirm, callback=lambda _: self.declare())

    def declare(self) -> None:
        self.channel.queue_declare('q')
        self.channel.queue_declare('short',
                                   arguments={'x-message-ttl': TTL},
                                   callback=lambda _: self.publish())

    def publish(self) -> None:
        self.channel.basic_publish('', 'no queue', b'', mandatory=True)
        self.channel.basic_publish('', 'q', b'hello', mandatory=True)

    def on_confirm(self, frame: Any) -> None:
        self.notes.append(f'ack {frame.method.delivery_tag}')
        if frame.method.delivery_tag == 2:
            self.channel.basic_consume('q', self.on_message)

    def on_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.notes.append(f'message {body.decode()}')
        channel.basic_ack(method.delivery_tag)
        channel.basic_publish('', 'short', b'', mandatory=False)
        self.count(self.wait)

    def count(self, then: Callable[[], None]) -> None:

        def on_declared(frame: Any) -> None:
            self.notes.append(f'left {frame.method.message_count}')
            then()

        self.channel.queue_declare('short', passive=True, callback=on_declared)

    def wait(self) -> None:
        connection = self.channel.connection
        connection._call_at(connection._now() + TTL / 500, lambda: self.count(self.close))

    def close(self) -> None:
        self.channel.connection.close()

    def on_end(self, connection: Any, reason: Exception) -> None:
        self.notes.append(f'closed {reason.args[:2]}')
        self._stop(connection)


def check_round(connection_class: Any,
                run: Callable[[Any], object],
                stop: Callable[[Any], object] = lambda connection: connection.ioloop.stop(),
                **options: Any) -> None:
    """Publish, confirm, return, consume, acknowledge, expire; all of it, and in order.

    run: lets the loop of a connection run until `stop(connection)`. options: of the constructor.
    """
    broker = MemoryBroker()
    scene = _Round(stop)
    connection = in_process(connection_class, broker)(on_open_callback=scene.on_open,
                                                      on_open_error_callback=scene.on_end,
                                                      on_close_callback=scene.on_end,
                                                      **options)
    run(connection)
    assert scene.notes == _ALL
    assert not broker.connections
