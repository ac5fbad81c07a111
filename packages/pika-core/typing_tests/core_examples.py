"""What who writes an adapter sees of the core, and the types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pika import events, exceptions, spec
from pika.parameters import ConnectionParameters
from pika.protocol import Protocol
from typing_extensions import assert_type

if TYPE_CHECKING:
    from pika.data import Table


def turn(protocol: Protocol, data: bytes, now: float) -> list[bytes | memoryview]:
    protocol.receive_data(data, now)
    event = protocol.next_event()
    if isinstance(event, events.Delivery):
        assert_type(event.method, spec.Basic.Deliver)
        assert_type(event.method.delivery_tag, int)
        assert_type(event.body, bytes)
        headers: Table | None = event.properties.headers
        assert headers is not None
    elif isinstance(event, events.ChannelClosed):
        assert_type(event.reason, exceptions.ChannelClosed)
        assert_type(event.reason.reply_code, int)
    assert_type(protocol.next_timeout(), 'float | None')
    return protocol.data_to_send()


def publish(protocol: Protocol) -> None:
    assert_type(protocol.publish(1, '', 'queue', b'body', mandatory=True), int)
    assert_type(protocol.open_channel(None), int)


protocol = Protocol(ConnectionParameters(heartbeat=lambda connection, offered: offered // 2))
