"""Deferreds: each answered once, by its own answer; cancelled ones poison nothing."""

from __future__ import annotations

import pytest
from pika import exceptions, spec
from twisted.internet import defer, error


@pytest.fixture
def failure_of(result):
    """A function that returns the error that a Deferred has failed with."""

    def get(deferred):
        with pytest.raises(exceptions.AMQPError) as caught:
            result(deferred)
        return caught.value

    return get


def test_call_fires_with_the_frame_of_its_answer(scene, channel, result):
    declaring = channel.queue_declare('q')
    assert [type(method) for method in scene.hear()] == [spec.Queue.Declare]
    scene.say(spec.Queue.DeclareOk('q', 3, 1))
    frame = result(declaring)
    assert (frame.channel_number, frame.method.message_count) == (1, 3)


def test_value_that_cannot_be_sent_is_an_errback(scene, channel, failure_of):
    error = failure_of(channel.queue_declare('q' * 256))
    assert isinstance(error, exceptions.ShortStringTooLong)
    assert scene.hear() == []


def test_call_on_a_channel_that_has_ended(scene, channel, result, failure_of):
    scene.say(spec.Channel.Close(406, 'no', 0, 0))
    reason = result(channel.on_closed)
    assert failure_of(channel.basic_publish('', 'q', b'')).__cause__ is reason
    with pytest.raises(exceptions.ChannelWrongStateError):
        channel.basic_ack(1)


def test_late_answer_of_a_cancelled_call_answers_nothing_else(scene, channel, result):
    first, second = channel.queue_declare('one'), channel.queue_declare('two')
    scene.hear()
    first.cancel()
    with pytest.raises(defer.CancelledError):
        result(first)
    scene.say(spec.Queue.DeclareOk('one', 0, 0))
    assert not second.called
    scene.say(spec.Queue.DeclareOk('two', 0, 0))
    assert result(second).method.queue == 'two'


def test_call_that_waited_is_taken_back_when_cancelled(scene, channel):
    channel.queue_declare('one')
    waiting = channel.queue_declare('two')
    waiting.addErrback(lambda failure: None).cancel()
    scene.hear()
    scene.say(spec.Queue.DeclareOk('one', 0, 0))
    assert scene.hear() == []


def test_message_of_a_cancelled_get_goes_back(scene, channel, result):
    channel.basic_get('q').addErrback(lambda failure: None).cancel()
    following = channel.basic_get('q')
    scene.hear()
    scene.say_message(spec.Basic.GetOk(7, False, '', 'q', 0), b'x')
    rejected, get = scene.hear()
    assert (rejected.delivery_tag, rejected.requeue) == (7, True)
    assert isinstance(get, spec.Basic.Get)
    scene.say(spec.Basic.GetEmpty())
    assert result(following) is None


def test_second_get_in_flight(scene, channel, result):
    getting = channel.basic_get('q')
    with pytest.raises(exceptions.DuplicateGetOkCallback):
        channel.basic_get('q')
    scene.say_message(spec.Basic.GetOk(1, False, '', 'q', 5), b'x')
    message = result(getting)
    assert (message.channel, message.method.message_count, message.body) == (channel, 5, b'x')
    assert not channel.basic_get('q').called


def test_channel_that_opens_after_its_caller_has_left(scene):
    opening = scene.connection.channel()
    scene.hear()
    opening.addErrback(lambda failure: None).cancel()
    scene.say(spec.Channel.OpenOk())
    assert [type(method) for method in scene.hear()] == [spec.Channel.Close]
    scene.say(spec.Channel.CloseOk())
    assert int(scene.open_channel()) == 1


def test_callback_deferred(scene, channel, result, failure_of):
    empty, closed = defer.Deferred(), defer.Deferred()
    channel.callback_deferred(empty, [spec.Basic.GetEmpty])
    channel.callback_deferred(closed, [spec.Basic.Nack])
    channel.basic_get('q')
    scene.say(spec.Basic.GetEmpty())
    assert isinstance(result(empty).method, spec.Basic.GetEmpty)
    scene.say(spec.Channel.Close(406, 'no', 0, 0))
    assert failure_of(closed) is result(channel.on_closed)


# Confirms.


@pytest.fixture
def confirming(scene, channel, result):
    selecting = channel.confirm_delivery()
    scene.say(spec.Confirm.SelectOk())
    result(selecting)
    scene.hear()
    return channel


def test_publish_without_confirms_has_fired(scene, channel, result):
    assert result(channel.basic_publish('', 'q', b'x')) is None


def test_confirms(scene, confirming, result, failure_of):
    acked, nacked, back = (
        confirming.basic_publish('', 'q', b'x', mandatory=True) for _ in range(3))
    scene.say(spec.Basic.Ack(1))
    scene.say(spec.Basic.Nack(2))
    assert isinstance(result(acked), spec.Basic.Ack)
    nack = failure_of(nacked)
    assert isinstance(nack, exceptions.NackError) and nack.messages == []
    scene.say_message(spec.Basic.Return(312, 'NO_ROUTE', '', 'q'), b'x')
    assert not back.called
    scene.say(spec.Basic.Ack(3))
    unroutable = failure_of(back)
    assert isinstance(unroutable, exceptions.UnroutableError)
    message, = unroutable.messages
    assert (message.method.reply_code, message.body) == (312, b'x')


def test_publish_right_behind_confirm_select_is_confirmed(scene, channel, result):
    channel.confirm_delivery()
    publishing = channel.basic_publish('', 'q', b'x')
    scene.say(spec.Confirm.SelectOk())
    assert not publishing.called
    scene.say(spec.Basic.Ack(1))
    assert isinstance(result(publishing), spec.Basic.Ack)


def test_confirm_of_a_cancelled_publish_is_nobodys(scene, confirming, result):
    confirming.basic_publish('', 'q', b'x').addErrback(lambda failure: None).cancel()
    second = confirming.basic_publish('', 'q', b'x')
    scene.say(spec.Basic.Ack(1))
    assert not second.called
    scene.say(spec.Basic.Ack(2))
    assert result(second)


# Losing many at once.


def test_thousand_confirms_fail_once_each_and_are_not_logged(scene, confirming, logged, result,
                                                             failure_of):
    publishing = [confirming.basic_publish('', 'q', b'x') for _ in range(1000)]
    failures = []
    for deferred in publishing[:500]:
        deferred.addErrback(failures.append)
    scene.lose(error.ConnectionLost())
    reason = result(scene.connection.closed)
    assert isinstance(reason, exceptions.StreamLostError)
    assert [failure.value for failure in failures] == [reason] * 500
    assert failure_of(publishing[-1]) is reason  # for whoever looks later
    assert failure_of(confirming.basic_publish('', 'q', b'x')).__cause__ is reason
    del publishing, deferred, failures
    assert logged() == []


def test_awaiting_later_raises(scene, confirming, failure_of):
    publishing = confirming.basic_publish('', 'q', b'x')
    scene.lose()

    async def wait():
        await publishing

    assert isinstance(failure_of(defer.ensureDeferred(wait())), exceptions.StreamLostError)


def test_failure_that_callbacks_did_not_handle_is_logged(scene, confirming, logged):
    confirming.basic_publish('', 'q', b'x').addCallback(lambda ack: ack)
    scene.lose()
    assert [type(value) for value in logged()] == [exceptions.StreamLostError]
