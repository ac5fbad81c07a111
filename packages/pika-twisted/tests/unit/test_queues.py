"""Consumers: their messages, and how their queues end."""

from __future__ import annotations

import pytest
from pika import exceptions, spec
from pika_twisted import ClosableDeferredQueue


def deliver(scene, tag, *numbers):
    for number in numbers:
        scene.say_message(spec.Basic.Deliver(tag, number, False, '', 'q'), b'%d' % number)


def test_messages_in_order(scene, channel, result):
    queue, tag = scene.consume(channel)
    first = queue.get()
    deliver(scene, tag, 1, 2)
    message = result(first)
    assert (message.channel, message.method.delivery_tag, message.body) == (channel, 1, b'1')
    assert result(queue.get()).body == b'2'
    assert channel.consumer_tags == [tag]


def test_cancelled_by_the_broker(scene, channel, result):
    queue, tag = scene.consume(channel)
    deliver(scene, tag, 1)
    scene.say(spec.Basic.Cancel(tag))
    assert channel.consumer_tags == []
    assert result(queue.get()).body == b'1'  # still to be acknowledged
    with pytest.raises(exceptions.ConsumerCancelled, match='by the broker'):
        result(queue.get())
    assert scene.hear() == []


def test_cancelled_by_the_program(scene, channel, result):
    queue, tag = scene.consume(channel)
    waiting = queue.get()
    cancelling = channel.basic_cancel(tag)
    scene.hear()
    scene.say(spec.Basic.CancelOk(tag))
    assert isinstance(result(cancelling).method, spec.Basic.CancelOk)
    with pytest.raises(exceptions.ConsumerCancelled):
        result(waiting)


def test_cancelling_the_wait_for_a_cancel_ends_the_consumer_all_the_same(scene, channel):
    queue, tag = scene.consume(channel)
    channel.basic_cancel(tag).addErrback(lambda failure: None).cancel()
    scene.hear()
    scene.say(spec.Basic.CancelOk(tag))
    assert channel.consumer_tags == [] and queue.closed


def test_queue_deleted(scene, channel):
    queue, _ = scene.consume(channel)
    channel.queue_delete('q')
    scene.say(spec.Queue.DeleteOk(0))
    assert isinstance(queue.closed, exceptions.ConsumerCancelled)


@pytest.mark.parametrize('auto_ack', [False, True])
def test_channel_closed(scene, channel, auto_ack, result):
    """What cannot be acknowledged goes back to the broker; what is acknowledged is ours."""
    queue, tag = scene.consume(channel, auto_ack=auto_ack)
    deliver(scene, tag, 1)
    scene.say(spec.Channel.Close(406, 'no', 0, 0))
    if auto_ack:
        assert result(queue.get()).body == b'1'
    with pytest.raises(exceptions.ChannelClosedByBroker):
        result(queue.get())


def test_consumer_that_starts_after_its_caller_has_left(scene, channel):
    consuming = channel.basic_consume('q', consumer_tag='t')
    scene.hear()
    deliver(scene, 't', 1)
    consuming.addErrback(lambda failure: None).cancel()
    assert channel.consumer_tags == []
    rejected, = scene.hear()
    assert (rejected.delivery_tag, rejected.requeue) == (1, True)
    scene.say(spec.Basic.ConsumeOk('t'))
    assert [type(method) for method in scene.hear()] == [spec.Basic.Cancel]


def test_queue_by_itself(result):
    queue = ClosableDeferredQueue(size=1, backlog=1)
    reason = Exception('as the test wants it')
    waiting = queue.get()
    queue.close(reason)
    queue.close(Exception('too late'))
    assert queue.closed is reason
    for deferred in (waiting, queue.get(), queue.put('x')):
        with pytest.raises(Exception, match='as the test'):
            result(deferred)


def test_return_callback_that_raises(scene, channel, logged):
    got = []
    channel.add_on_return_callback(lambda message: 1 // 0)
    channel.add_on_return_callback(got.append)
    scene.say_message(spec.Basic.Return(312, 'NO_ROUTE', '', 'q'), b'x')
    assert [message.body for message in got] == [b'x']
    assert [type(value) for value in logged()] == [ZeroDivisionError]
    assert channel.is_open
