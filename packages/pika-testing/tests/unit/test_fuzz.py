"""Whatever a client sends, the broker in memory makes no mistake, and serves the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame, spec
from pika_testing import Clock, MemoryBroker, message_frames
from pika_testing.broker import connection as broker_connection
from scenarios import broken, memory
from scenarios.client import Session

QUEUES = st.sampled_from(['', 'q', 'r', 'amq.direct', 'ä', 'q' * 255])
KEYS = st.sampled_from(['', 'q', 'r', 'a.b', '#', 'amq.rabbitmq.reply-to', '*.b'])
EXCHANGES = st.sampled_from(['', 'amq.direct', 'amq.topic', 'amq.headers', 'x', 'no such'])
FLAGS = st.booleans()
TAGS = st.integers(0, 6)
ARGUMENTS = st.dictionaries(st.sampled_from([
    'x-message-ttl', 'x-expires', 'x-max-length', 'x-overflow', 'x-dead-letter-exchange',
    'x-dead-letter-routing-key', 'x-max-priority', 'x-single-active-consumer', 'x-queue-type',
    'x-delivery-limit', 'x-match', 'x-priority', 'alternate-exchange'
]),
                            st.sampled_from([
                                0, 1, 5, -1, 'q', 'r', '', True, None, 1.5, 'quorum', 'classic',
                                'reject-publish', 'drop-head', [1], {
                                    'a': 1
                                }
                            ]),
                            max_size=3)
PROPERTIES = st.builds(spec.BasicProperties,
                       headers=st.none() | ARGUMENTS | st.just({
                           'CC': ['q', 'r'],
                           'BCC': ['q'],
                           'x-death': [{
                               'queue': 'q'
                           }, 1]
                       }),
                       expiration=st.sampled_from([None, '0', '10', 'x', '-1']),
                       priority=st.sampled_from([None, 0, 3, 255]),
                       reply_to=st.sampled_from([None, 'amq.rabbitmq.reply-to']),
                       user_id=st.sampled_from([None, 'guest', 'other']))
METHODS = st.one_of(
    st.builds(spec.Queue.Declare, st.just(0), QUEUES, FLAGS, FLAGS, FLAGS, FLAGS, FLAGS, ARGUMENTS),
    st.builds(spec.Exchange.Declare, st.just(0), EXCHANGES,
              st.sampled_from(['direct', 'topic', 'headers', 'fanout', 'odd']), FLAGS, FLAGS, FLAGS,
              FLAGS, FLAGS, ARGUMENTS),
    st.builds(spec.Queue.Bind, st.just(0), QUEUES, EXCHANGES, KEYS, FLAGS, ARGUMENTS),
    st.builds(spec.Queue.Unbind, st.just(0), QUEUES, EXCHANGES, KEYS, ARGUMENTS),
    st.builds(spec.Exchange.Bind, st.just(0), EXCHANGES, EXCHANGES, KEYS, FLAGS, ARGUMENTS),
    st.builds(spec.Exchange.Unbind, st.just(0), EXCHANGES, EXCHANGES, KEYS, FLAGS, ARGUMENTS),
    st.builds(spec.Exchange.Delete, st.just(0), EXCHANGES, FLAGS, FLAGS),
    st.builds(spec.Queue.Delete, st.just(0), QUEUES, FLAGS, FLAGS, FLAGS),
    st.builds(spec.Queue.Purge, st.just(0), QUEUES, FLAGS),
    st.builds(spec.Basic.Consume, st.just(0), QUEUES | KEYS, KEYS, FLAGS, FLAGS, FLAGS, FLAGS,
              ARGUMENTS),
    st.builds(spec.Basic.Get, st.just(0), QUEUES, FLAGS),
    st.builds(spec.Basic.Cancel, KEYS, FLAGS),
    st.builds(spec.Basic.Qos, st.just(0), st.integers(0, 3), FLAGS),
    st.builds(spec.Basic.Ack, TAGS, FLAGS),
    st.builds(spec.Basic.Nack, TAGS, FLAGS, FLAGS),
    st.builds(spec.Basic.Reject, TAGS, FLAGS),
    st.builds(spec.Basic.Recover, st.just(True)),
    st.builds(spec.Confirm.Select, FLAGS),
    st.sampled_from([
        spec.Tx.Select(),
        spec.Tx.Commit(),
        spec.Tx.Rollback(),
        spec.Channel.Open(),
        spec.Channel.CloseOk(),
        spec.Channel.Close(200, '', 0, 0)
    ]),
)
PUBLISHES = st.builds(
    lambda method, properties, body: b''.join(message_frames(1, method, properties, body)),
    st.builds(spec.Basic.Publish, st.just(0), EXCHANGES, KEYS, FLAGS), PROPERTIES,
    st.binary(max_size=5))
FRAMES = st.one_of(st.builds(lambda method: frame.method_frame(1, method), METHODS), PUBLISHES)


@pytest.fixture(scope='module', autouse=True)
def mistakes_are_raised():
    """Else they end one connection with 541, and are logged."""

    def exception(*arguments):
        raise AssertionError(arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker_connection.LOGGER, 'exception', exception)
        yield


def start(version):
    """A broker, a client with channel 1, and another one."""
    broker = MemoryBroker(version, clock=Clock(running=False))
    session = Session(lambda: memory.MemoryStream(broker), sleep=broker.advance)
    other = session.channel()
    other.queue('of the other')
    client = session.client(capabilities=['consumer_cancel_notify'])
    client.channel()
    return broker, client, other


def check(broker, client, other):
    """The other client is served, and nothing of the first one is left when it goes."""
    while client.hear():
        pass
    other.publish('', 'of the other', b'1')
    assert other.get('of the other') is not None
    client.stream.close()
    assert len(broker.connections) == 1
    host = broker.virtual_hosts['/']
    for queue in host.queues.values():
        assert (queue.unacked, len(queue.consumers)) == (0, 0)
        assert len(list(queue.ready)) == len(queue.ready)
        assert queue.ready.bytes == sum(len(entry.message.body) for entry in queue.ready)
    broker.advance(100)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(['3.10', '4.3']), st.lists(FRAMES, max_size=25))
def test_methods_in_any_order(version, frames):
    broker, client, other = start(version)
    connection = list(broker.connections)[1]
    for piece in frames:
        client.send(piece)
        broker.advance(0.005)
        client.hear()
        if 1 not in connection.channels:  # the broker has closed it, or a method has
            client.say(1, spec.Channel.Open())
    check(broker, client, other)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(broken.LATER.values())) | FRAMES | st.binary(max_size=30),
             max_size=8), st.integers(1, 50))
def test_any_bytes(pieces, size):
    broker, client, other = start('4.3')
    data = b''.join(pieces)
    for begin in range(0, len(data), size):
        client.send(data[begin:begin + size])
    check(broker, client, other)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_beginning(data, greets):
    broker, _, other = start('3.10')
    client = other.session.bare_client()
    client.send((frame.PROTOCOL_HEADER if greets else b'') + data)
    client.stream.close()
    assert len(broker.connections) == 2


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.integers(0, 200), st.integers(0, 255))
def test_a_turned_byte(piece, place, octet):
    broker, client, other = start('4.3')
    turned = bytearray(piece)
    turned[place % len(turned)] = octet
    client.send(frame.method_frame(1, spec.Queue.Declare(0, 'q')) + bytes(turned))
    check(broker, client, other)
