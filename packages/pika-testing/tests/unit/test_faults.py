"""What the broker in memory does wrong when it is told to, as a client sees it."""

from __future__ import annotations

import pytest
from pika import ConnectionParameters, events, exceptions, spec
from pika.protocol import Protocol
from pika_testing import Clock, Joint, MemoryBroker


class Client:
    """A protocol joined to a broker, with one channel and a queue 'q'."""

    def __init__(self, broker, **parameters):
        self.broker = broker
        self.protocol = Protocol(ConnectionParameters(**parameters))
        self.joint = Joint(broker, self.protocol)
        opened, = self.joint.pump()
        assert isinstance(opened, events.Opened)
        self.channel = self.protocol.open_channel('channel')
        self.call(spec.Queue.Declare(0, 'q'))

    def call(self, method):
        self.protocol.call(self.channel, method, 'context')
        return self.pump()

    def publish(self, *bodies, **options):
        for body in bodies:
            self.protocol.publish(self.channel, '', 'q', body, **options)
        return self.pump()

    def consume(self):
        method = spec.Basic.Consume(0, 'q', 'tag')
        self.protocol.consume(self.channel, method, 'context', 'consumer')
        return self.pump()

    def pump(self):
        return self.joint.pump()


@pytest.fixture
def broker():
    return MemoryBroker(clock=Clock(running=False))


@pytest.fixture
def client(broker):
    return Client(broker)


def outcomes(seen):
    return [(event.method.NAME, event.method.delivery_tag)
            for event in seen
            if isinstance(event, events.Confirmed)]


def test_connections_are_closed_with_a_code(broker, client):
    broker.close_connections(320, 'maintenance')
    closed, = client.pump()
    assert isinstance(closed.reason, exceptions.ConnectionClosedByBroker)
    assert (closed.reason.reply_code,
            closed.reason.reply_text) == (320, 'CONNECTION_FORCED - maintenance')
    assert not broker.connections


def test_channels_are_closed_with_a_code(broker, client):
    broker.close_channels(406, 'because')
    closed, = client.pump()
    assert isinstance(closed, events.ChannelClosed)
    assert closed.reason.reply_text == 'PRECONDITION_FAILED - because'
    client.channel = client.protocol.open_channel('again')
    assert client.call(spec.Queue.Declare(0, 'q'))


def test_consumers_are_cancelled(broker, client):
    client.consume()
    broker.cancel_consumers('q')
    cancelled, = client.pump()
    assert isinstance(cancelled, events.ConsumerCancelled)
    client.publish(b'1')
    assert len(broker.virtual_hosts['/'].queues['q'].ready) == 1


def test_confirms_are_nacked(broker, client):
    client.call(spec.Confirm.Select())
    broker.faults.nack_confirms = 1
    assert outcomes(client.publish(b'1', b'2')) == [('Basic.Nack', 1), ('Basic.Ack', 2)]


def test_confirms_are_held(broker, client):
    client.call(spec.Confirm.Select())
    broker.faults.hold_confirms = True
    assert outcomes(client.publish(b'1', b'2')) == []
    broker.faults.release_confirms()
    assert outcomes(client.pump()) == [('Basic.Ack', 1), ('Basic.Ack', 2)]
    assert outcomes(client.publish(b'3')) == [('Basic.Ack', 3)]


def test_confirms_are_delayed(broker, client):
    client.call(spec.Confirm.Select())
    broker.faults.confirm_delay = 5
    client.publish(b'1')
    broker.advance(4.9)
    assert outcomes(client.pump()) == []
    broker.advance(0.2)
    assert outcomes(client.pump()) == [('Basic.Ack', 1)]


def test_held_confirms_of_a_closed_channel_are_dropped(broker, client):
    client.call(spec.Confirm.Select())
    broker.faults.hold_confirms = True
    client.publish(b'1')
    broker.close_channels()
    client.pump()
    client.protocol.open_channel('again')
    client.pump()
    broker.faults.release_confirms()
    assert outcomes(client.pump()) == []


def test_memory_alarm(broker, client):
    broker.set_alarm('low on memory')
    assert client.call(spec.Basic.Qos(0, 1))  # only who publishes is blocked
    blocked, = client.publish(b'1')
    assert isinstance(blocked, events.Blocked)
    assert blocked.method.reason == 'low on memory'
    assert client.publish(b'2') == []
    assert len(broker.virtual_hosts['/'].queues['q'].ready) == 1
    broker.clear_alarm()
    unblocked, = client.pump()
    assert isinstance(unblocked, events.Unblocked)
    assert len(broker.virtual_hosts['/'].queues['q'].ready) == 2


@pytest.mark.parametrize('size', [0, 1, 7, 8, 100, 300, 400])
def test_the_stream_ends_after_some_bytes(broker, size):
    broker.faults.drop_after = size
    protocol = Protocol(ConnectionParameters())
    joint = Joint(broker, protocol)
    seen = joint.pump()
    assert isinstance(seen[-1], events.Closed)
    assert joint.connection.is_over
    assert not broker.connections


def test_a_stall_and_its_end(broker, client):
    broker.faults.stalled = True
    assert client.call(spec.Basic.Qos(0, 1)) == []
    broker.faults.resume()
    assert len(client.pump()) == 1


def test_a_corrupt_byte(broker, client):
    broker.faults.corrupt_at = client.joint.connection.bytes_sent  # the type of the next frame
    closed, = client.call(spec.Basic.Qos(0, 1))
    assert isinstance(closed, events.Closed)
    assert isinstance(closed.reason, exceptions.AMQPConnectionError)


def test_split_writes(broker, client):
    broker.faults.split_writes = 1
    client.protocol.call(client.channel, spec.Basic.Qos(0, 1), 'context')
    client.joint.connection.receive_data(b''.join(client.protocol.data_to_send()))
    chunks = client.joint.connection.data_to_send()
    assert {len(chunk) for chunk in chunks} == {1}
    assert len(chunks) == 12


def test_faults_end_with_clear(broker, client):
    client.call(spec.Confirm.Select())
    broker.faults.hold_confirms = True
    broker.faults.split_writes = 1
    client.publish(b'1')
    broker.faults.clear()
    assert outcomes(client.pump()) == [('Basic.Ack', 1)]
    assert broker.faults.split_writes is None


def test_heartbeats_come_and_are_missed(broker):
    client = Client(broker, heartbeat=10)
    broker.advance(5)
    assert b''.join(client.joint.connection.data_to_send()) == b'\x08\0\0\0\0\0\0\xce'
    broker.advance(24)
    assert broker.connections
    broker.advance(2)  # three times 10 s without a byte of the client
    assert not broker.connections


def test_no_heartbeats(broker):
    client = Client(broker, heartbeat=10)
    broker.faults.heartbeats = False
    broker.advance(9)
    assert client.joint.connection.data_to_send() == []


def test_connections_are_dropped(broker, client):
    broker.drop_connections()
    closed, = client.pump()
    assert isinstance(closed.reason, exceptions.StreamLostError)
