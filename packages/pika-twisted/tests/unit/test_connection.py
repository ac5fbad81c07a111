"""The connection on its transport: opening, closing, writing, reading, time."""

from __future__ import annotations

import pika_testing
import pytest
from pika import exceptions, frame, spec
from pika_twisted import TwistedProtocolConnection
from twisted.internet import defer


def test_ready_after_connection_ready(result, new_scene):
    scene = new_scene()
    ready = []
    scene.connection.connectionReady = lambda: ready.append(scene.connection.ready.called)
    scene.handshake()
    assert ready == [False]
    assert result(scene.connection.ready) is scene.connection
    assert scene.connection.is_open and scene.connection.server_properties['product']


def test_refused_with_the_brokers_reason(result, new_scene):
    scene = new_scene()
    start, tune, _ = pika_testing.HANDSHAKE
    scene.connection.makeConnection(scene.transport)
    scene.say(start, tune, spec.Connection.Close(530, 'no such host', 0, 0), channel=0)
    assert scene.transport.disconnecting and scene.transport.producer is None
    scene.lose()
    with pytest.raises(exceptions.ProbableAccessDeniedError, match='no such host'):
        result(scene.connection.ready)
    assert not scene.connection.closed.called
    assert scene.clock.getDelayedCalls() == []


def test_closed_once_nothing_is_left(scene, channel, result):
    closing = scene.connection.close(200, 'bye')
    close, = scene.hear()
    assert (close.reply_code, close.reply_text) == (200, 'bye')
    scene.say(spec.Connection.CloseOk(), channel=0)
    assert channel.is_closed and scene.connection.is_closed
    assert scene.transport.disconnecting and not closing.called
    again = scene.connection.close()
    scene.lose()
    reason = result(scene.connection.closed)
    assert isinstance(reason, exceptions.ConnectionClosedByClient)
    assert result(closing) is result(again) is result(scene.connection.close()) is reason
    assert scene.clock.getDelayedCalls() == []


def test_async_context_managers(new_scene, result):
    scene = new_scene()

    async def use():
        async with scene.connection as connection:
            assert connection is scene.connection
            async with await connection.channel() as channel:
                assert channel.is_open
            assert channel.is_closed
        return connection

    using = defer.Deferred.fromCoroutine(use())
    assert not using.called
    scene.handshake()
    scene.hear()
    scene.say(spec.Channel.OpenOk())
    assert isinstance(scene.hear()[0], spec.Channel.Close)
    scene.say(spec.Channel.CloseOk())
    assert isinstance(scene.hear()[0], spec.Connection.Close)
    scene.say(spec.Connection.CloseOk(), channel=0)
    assert not using.called
    scene.lose()
    assert result(using).is_closed


def test_peer_that_does_not_take_our_last_words(scene):
    scene.say(spec.Connection.Close(320, 'maintenance', 0, 0), channel=0)
    assert not scene.transport.aborted
    scene.clock.advance(10)
    assert scene.transport.aborted


def test_close_before_open(result, new_scene):
    scene = new_scene()
    scene.connection.makeConnection(scene.transport)
    closing = scene.connection.close()
    scene.clock.advance(0)
    scene.lose()
    assert isinstance(result(closing), exceptions.ConnectionOpenAborted)
    with pytest.raises(exceptions.ConnectionOpenAborted):
        result(scene.connection.ready)


def test_stream_that_breaks_in_the_handshake(result, new_scene):
    scene = new_scene()
    scene.connection.makeConnection(scene.transport)
    scene.lose()
    with pytest.raises(exceptions.StreamLostError, match='hung up'):
        result(scene.connection.ready)


def test_writes_of_one_turn_leave_together(scene, channel):
    before = scene.transport.writes
    for number in range(100):
        channel.basic_publish('', 'q', b'%d' % number)
        channel.basic_ack(1)
    assert scene.transport.writes == before
    assert len(scene.hear()) == 400
    assert scene.transport.writes == before + 1


def test_what_is_written_amid_a_dispatch_leaves_with_it(scene, channel):
    queue, tag = scene.consume(channel)
    for _ in range(2):
        queue.get().addCallback(lambda message: channel.basic_ack(message.method.delivery_tag))
    before = scene.transport.writes
    for number in (1, 2):
        deliver = spec.Basic.Deliver(tag, number, False, '', 'q')
        scene.say_message(deliver)
    assert scene.transport.writes == before + 2
    assert scene.transport.value()


def test_64_kib_do_not_wait(scene, channel):
    channel.basic_publish('', 'q', b'x' * 40000)
    assert not scene.transport.value()
    channel.basic_publish('', 'q', b'x' * 40000)
    assert len(scene.transport.value()) > 80000


def test_many_deliveries_do_not_hold_back_the_reactor(scene, channel):
    queue, tag = scene.consume(channel, auto_ack=True)
    data = b''.join(b''.join(
        pika_testing.message_frames(1, spec.Basic.Deliver(tag, number, False, '', 'q'), body=b'x'))
                    for number in range(1, 301))
    scene.connection.dataReceived(data)
    assert len(queue.pending) == 200
    assert scene.transport.producerState == 'paused'
    scene.clock.advance(0)
    assert len(queue.pending) == 300
    assert scene.transport.producerState == 'producing'


# Time.


@pytest.fixture
def beating(new_scene):
    scene = new_scene()
    scene.handshake(heartbeat=10)
    return scene


def test_heartbeats_are_sent(beating):
    beating.clock.advance(5)
    assert [type(heard) for heard in beating.hear()] == [frame.Heartbeat]
    assert len(beating.clock.getDelayedCalls()) == 1


def test_silence(beating, result):
    beating.clock.pump([5, 0, 5, 0, 4])
    assert not beating.connection.is_closed
    beating.clock.advance(1)
    beating.lose()
    assert isinstance(result(beating.connection.closed), exceptions.AMQPHeartbeatTimeout)


def test_signs_of_life_are_read_before_silence_is_judged(beating):
    """The reactor reads between this turn's timers and those of the next."""
    beating.clock.advance(16)  # busy elsewhere
    beating.connection.dataReceived(frame.HEARTBEAT_FRAME)
    beating.clock.advance(0)
    assert beating.connection.is_open


def test_busy_between_reading_and_judging(beating):
    """What arrives meanwhile is in the kernel, and not judged."""
    beating.clock.advance(16)
    beating.connection.dataReceived(frame.HEARTBEAT_FRAME)
    beating.clock.rightNow += 60  # another timer of the same turn was busy
    beating.clock.advance(0)
    assert beating.connection.is_open


def test_a_paused_transport_reads_before_silence_is_judged(beating):
    channel = beating.open_channel()
    queue, tag = beating.consume(channel)
    data = b''.join(
        b''.join(pika_testing.message_frames(1, spec.Basic.Deliver(tag, number, False, '', 'q')))
        for number in range(1, 1001))
    beating.connection.dataReceived(data)
    assert beating.transport.producerState == 'paused'
    beating.clock.advance(16)
    assert beating.transport.producerState == 'producing'
    beating.connection.dataReceived(frame.HEARTBEAT_FRAME)
    beating.clock.advance(0.1)
    assert beating.connection.is_open


def test_parameters_of_the_wrong_type():
    with pytest.raises(exceptions.ParameterTypeError):
        TwistedProtocolConnection('amqp://localhost')
