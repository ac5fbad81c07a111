"""What users write with pika-testing, with the types that they get."""

from __future__ import annotations

import pytest
from pika import ConnectionParameters, events
from pika.protocol import Protocol
from pika_select import SelectConnection
from pika_testing import (
    BrokerServer,
    Clock,
    Joint,
    MemoryBroker,
    QueueState,
    ServedBroker,
    in_process,
)
from typing_extensions import assert_type


def test_fixtures(amqp_broker: ServedBroker, amqp_url: str) -> None:
    assert_type(amqp_broker.url, str)
    state = amqp_broker.queue('q')
    assert_type(state, QueueState)
    assert_type(state.bodies, list[bytes])
    assert_type(state.unacked[0].body, bytes)
    assert_type(state.messages[0].properties.message_id, 'str | None')
    message, = amqp_broker.assert_published(b'body', count=1)
    assert_type(message.routing_key, str)
    with amqp_broker.locked() as broker:
        assert_type(broker, MemoryBroker)
        broker.faults.nack_confirms = 1
        broker.advance(60)


def in_one_thread() -> None:
    broker = MemoryBroker(version='3.10', clock=Clock(running=False))
    assert_type(in_process(SelectConnection, broker), type[SelectConnection])
    joint = Joint(broker, Protocol(ConnectionParameters()))
    assert_type(joint.pump(), list[events.Event])


def in_a_thread() -> None:
    with BrokerServer(MemoryBroker()) as server:
        assert_type(server.url('/'), str)
        assert_type(server.port, int)


@pytest.fixture
def old_broker() -> object:
    return ServedBroker('3.10')
