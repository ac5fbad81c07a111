"""What counts as a sign of life."""

from __future__ import annotations

from pika import events, exceptions, frame, spec
from pika.parameters import ConnectionParameters
from pika.protocol import Protocol

GRACE = 5.0


def open_protocol() -> Protocol:
    protocol = Protocol(ConnectionParameters(heartbeat=10))
    protocol.connect(0.0)
    for method in (spec.Connection.Start(), spec.Connection.Tune(), spec.Connection.OpenOk()):
        protocol.receive_data(frame.method_frame(0, method), 0.0)
        event = protocol.next_event()
    assert event == events.Opened()
    return protocol


def test_a_read_that_brings_nothing_is_no_sign_of_life():
    """An adapter that reads on the chance gives the buffer back empty."""
    protocol = open_protocol()
    protocol.get_buffer()
    protocol.buffer_updated(0, 14.0)
    protocol.handle_timeout(10.0 + GRACE)
    assert isinstance(protocol.next_event().reason, exceptions.AMQPHeartbeatTimeout)


def test_any_byte_is_a_sign_of_life():
    """Rule 4."""
    protocol = open_protocol()
    protocol.get_buffer()[:1] = frame.HEARTBEAT_FRAME[:1]
    protocol.buffer_updated(1, 14.0)
    protocol.handle_timeout(10.0 + GRACE)
    assert protocol.next_event() is None
