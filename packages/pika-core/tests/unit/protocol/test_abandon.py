"""Waits that were given up: the answer comes all the same, and must not reach anybody."""

from __future__ import annotations

import pytest
from pika import events, exceptions, spec
from pika_testing import message_frames

QOS, QOS_OK = spec.Basic.Qos(), spec.Basic.QosOk()
GET_OK = spec.Basic.GetOk(9, False, '', 'q', 0)


def delivery(tag, number):
    return b''.join(message_frames(1, spec.Basic.Deliver(tag, number, False, '', 'q')))


def delivered(tag, number):
    return events.Delivery(1, spec.Basic.Deliver(tag, number, False, '', 'q'),
                           spec.BasicProperties.from_raw(b'\0\0'), b'', f'owner of {tag}')


def test_late_reply_is_swallowed_and_the_next_call_gets_its_own(channel):
    """Rule 20: a late reply to a timed-out call never answers the next one."""
    channel.protocol.call(1, spec.Queue.Declare(queue='a'), 'a')
    channel.protocol.call(1, spec.Queue.Declare(queue='b'), 'b')
    channel.says((1, spec.Queue.Declare(queue='a')))
    channel.protocol.abandon('a')
    channel.says()
    channel.hears((1, spec.Queue.DeclareOk('a', 1, 1)))
    channel.says((1, spec.Queue.Declare(queue='b')))
    channel.hears((1, spec.Queue.DeclareOk('b', 2, 2)),
                  gives=events.Reply(1, spec.Queue.DeclareOk('b', 2, 2), 'b'))


def test_call_that_was_not_sent_is_taken_back(channel):
    contexts = {name: ['context', name] for name in 'abc'}
    for name, context in contexts.items():
        channel.protocol.call(1, spec.Queue.Declare(queue=name), context)
    channel.protocol.abandon(contexts['b'])
    channel.says((1, spec.Queue.Declare(queue='a')))
    channel.hears((1, spec.Queue.DeclareOk('a', 1, 1)),
                  gives=events.Reply(1, spec.Queue.DeclareOk('a', 1, 1), contexts['a']))
    channel.says((1, spec.Queue.Declare(queue='c')))


def test_abandoned_call_does_not_come_back_with_the_end(channel):
    channel.open(2)
    channel.protocol.call(1, QOS, 'outstanding')
    channel.protocol.call(1, QOS, 'waiting')
    channel.protocol.call(2, QOS, 'other')
    channel.protocol.abandon('outstanding')
    channel.protocol.abandon('waiting')
    channel.lost(OSError('reset'),
                 gives=events.Closed(
                     exceptions.StreamLostError('the stream to the broker was lost: reset'),
                     ['other']))


def test_late_message_of_a_get_goes_back_to_its_queue(channel):
    channel.protocol.call(1, spec.Basic.Get(queue='q'), 'get')
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.abandon('get')
    channel.says((1, spec.Basic.Get(queue='q')))
    channel.hears(*message_frames(1, GET_OK, body=b'body'))
    channel.says((1, spec.Basic.Reject(9, True)), (1, QOS))
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'qos'))


def test_late_message_of_a_get_without_acks_is_lost(channel):
    channel.protocol.call(1, spec.Basic.Get(queue='q', no_ack=True), 'get')
    channel.protocol.abandon('get')
    channel.says((1, spec.Basic.Get(queue='q', no_ack=True)))
    channel.hears(*message_frames(1, GET_OK, body=b'body'))
    channel.says()


def test_message_of_a_get_that_is_waited_for_stays(channel):
    channel.protocol.call(1, spec.Basic.Get(queue='q'), 'get')
    channel.says((1, spec.Basic.Get(queue='q')))
    channel.hears(*message_frames(1, GET_OK, body=b'body'),
                  gives=events.Reply(1, GET_OK, 'get', spec.BasicProperties.from_raw(b'\0\0'),
                                     b'body'))
    channel.says()


def test_late_empty_get_is_swallowed(channel):
    channel.protocol.call(1, spec.Basic.Get(queue='q'), 'get')
    channel.protocol.abandon('get')
    channel.says((1, spec.Basic.Get(queue='q')))
    channel.hears((1, spec.Basic.GetEmpty()))
    channel.says()


def test_late_consumer_is_cancelled_and_its_messages_go_back(channel):
    consume = spec.Basic.Consume(queue='q', consumer_tag='one')
    channel.protocol.consume(1, consume, 'consume', 'owner of one')
    channel.protocol.call(1, QOS, 'qos')
    channel.says((1, consume))
    channel.protocol.abandon('consume')
    channel.hears(delivery('one', 1))
    channel.says((1, spec.Basic.Reject(1, True)))
    channel.hears((1, spec.Basic.ConsumeOk('one')))
    channel.says((1, QOS))
    channel.hears((1, QOS_OK), delivery('one', 2), gives=events.Reply(1, QOS_OK, 'qos'))
    channel.says((1, spec.Basic.Cancel('one')), (1, spec.Basic.Reject(2, True)))
    channel.hears((1, spec.Basic.CancelOk('one')))
    channel.says()
    channel.consume(1, 'one')
    channel.hears(delivery('one', 3), gives=delivered('one', 3))


def test_late_consumer_without_acks_gets_what_would_be_lost(channel):
    consume = spec.Basic.Consume(queue='q', consumer_tag='one', no_ack=True)
    channel.protocol.consume(1, consume, 'consume', 'owner of one')
    channel.protocol.abandon('consume')
    channel.says((1, consume))
    channel.hears((1, spec.Basic.ConsumeOk('one')), delivery('one', 1), gives=delivered('one', 1))
    channel.says((1, spec.Basic.Cancel('one')))


def test_consumer_that_was_not_asked_for_yet_is_taken_back(channel):
    channel.protocol.call(1, QOS, 'qos')
    consume = spec.Basic.Consume(queue='q', consumer_tag='one')
    channel.protocol.consume(1, consume, 'consume', 'owner of one')
    channel.protocol.abandon('consume')
    channel.says((1, QOS))
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'qos'))
    channel.says()
    channel.consume(1, 'one')
    channel.hears(delivery('one', 1), gives=delivered('one', 1))


@pytest.mark.parametrize('sent', [False, True])
def test_abandoned_consumer_was_cancelled_with_nowait_meanwhile(channel, sent):
    if not sent:
        channel.protocol.call(1, QOS, 'qos')
    consume = spec.Basic.Consume(queue='q', consumer_tag='one')
    channel.protocol.consume(1, consume, 'consume', 'owner of one')
    channel.protocol.call(1, spec.Basic.Cancel('one', nowait=True))
    channel.protocol.abandon('consume')
    if not sent:
        channel.says((1, QOS))
        channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'qos'))
    else:
        channel.says((1, consume))
        channel.hears(delivery('one', 1), (1, spec.Basic.ConsumeOk('one')), delivery('one', 2))
        channel.says((1, spec.Basic.Cancel('one', True)), (1, spec.Basic.Reject(1, True)),
                     (1, spec.Basic.Reject(2, True)))


def test_abandoned_consumer_was_cancelled_by_the_server_meanwhile(channel):
    consume = spec.Basic.Consume(queue='q', consumer_tag='one')
    channel.protocol.consume(1, consume, 'consume', 'owner of one')
    channel.says((1, consume))
    channel.hears((1, spec.Basic.Cancel('one', True)),
                  gives=events.ConsumerCancelled(1, spec.Basic.Cancel('one', True), 'owner of one'))
    channel.protocol.abandon('consume')
    channel.hears((1, spec.Basic.ConsumeOk('one')))
    channel.says()


def test_cancel_that_was_not_sent_is_taken_back_and_the_consumer_goes_on(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.protocol.abandon('cancel')
    channel.says((1, QOS))
    channel.hears((1, QOS_OK),
                  delivery('one', 1),
                  gives=[events.Reply(1, QOS_OK, 'qos'),
                         delivered('one', 1)])
    channel.says()


def test_message_that_was_held_for_a_cancel_goes_back_when_that_is_taken_back(channel):
    """Held till the cancel is sent, since the broker would deliver it again at once."""
    channel.consume(1, 'one').consume(1, 'two')
    channel.protocol.call(1, QOS, 'qos')
    cancels = {tag: f'cancel {tag}' for tag in ('one', 'two')}
    for tag, context in cancels.items():
        channel.protocol.call(1, spec.Basic.Cancel(tag), context)
    channel.says((1, QOS))
    channel.hears(delivery('one', 1), delivery('two', 2), delivery('one', 3))
    channel.says()
    channel.protocol.abandon(cancels['one'])
    channel.says((1, spec.Basic.Reject(1, True)), (1, spec.Basic.Reject(3, True)))
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'qos'))
    channel.says((1, spec.Basic.Cancel('two')), (1, spec.Basic.Reject(2, True)))
    channel.hears(delivery('one', 4), gives=delivered('one', 4))
    channel.hears((1, spec.Basic.CancelOk('two')),
                  gives=events.Reply(1, spec.Basic.CancelOk('two'), cancels['two']))
    channel.says()


def test_cancel_that_was_sent_takes_effect(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.protocol.abandon('cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears(delivery('one', 1), (1, spec.Basic.CancelOk('one')))
    channel.says((1, spec.Basic.Reject(1, True)))
    channel.consume(1, 'one')


def test_cancel_of_an_unknown_consumer_is_abandoned(channel):
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.protocol.abandon('cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears((1, spec.Basic.CancelOk('one')))


def test_late_channel_is_closed(client):
    assert client.protocol.open_channel('open') == 1
    client.protocol.abandon('open')
    client.says((1, spec.Channel.Open()))
    client.hears((1, spec.Channel.OpenOk(b'')))
    close = spec.Channel.Close(200, 'Normal shutdown', 0, 0)
    client.says((1, close))
    with pytest.raises(exceptions.ChannelWrongStateError):
        client.protocol.call(1, QOS, 'qos')
    client.hears(
        (1, spec.Channel.CloseOk()),
        gives=events.ChannelClosed(1, exceptions.ChannelClosedByClient(200, 'Normal shutdown'), []))
    client.open(1)


def test_late_channel_is_closed_and_what_waited_for_it_is_not_sent(client):
    """Rule 15: behind our Channel.Close there is nothing to send, a frame there would be a 504."""
    client.protocol.open_channel('open')
    client.protocol.call(1, QOS, 'qos')
    client.protocol.abandon('open')
    client.says((1, spec.Channel.Open()))
    client.hears((1, spec.Channel.OpenOk(b'')))
    client.says((1, spec.Channel.Close(200, 'Normal shutdown', 0, 0)))
    client.hears(
        (1, spec.Channel.CloseOk()),
        gives=events.ChannelClosed(1, exceptions.ChannelClosedByClient(200, 'Normal shutdown'),
                                   ['qos']))


def test_abandoned_publish_is_confirmed_to_nobody(channel):
    channel.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk())
    first, second, third = (['context', number] for number in range(3))
    for context in (first, second, third):
        channel.protocol.publish(1, '', 'q', context=context)
    channel.protocol.data_to_send()
    channel.protocol.abandon(second)
    channel.hears((1, spec.Basic.Ack(3, True)),
                  gives=events.Confirmed(1, spec.Basic.Ack(3, True), [1, 3], [first, third]))


def test_abandoned_close_of_a_channel_goes_on(channel):
    close = spec.Channel.Close(200, 'done', 0, 0)
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, close, 'close')
    channel.protocol.abandon('close')
    channel.says((1, QOS), (1, close))
    channel.hears((1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, exceptions.ChannelClosedByClient(200, 'done'),
                                             ['qos']))


def test_abandoned_close_of_the_connection_goes_on(channel):
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.close(0.0, context='close')
    channel.protocol.abandon('close')
    channel.hears((0, spec.Connection.CloseOk()),
                  gives=events.Closed(exceptions.ConnectionClosedByClient(200, 'Normal shutdown'),
                                      ['qos']))


def test_abandoned_new_secret_is_swallowed(client):
    secret = spec.Connection.UpdateSecret(b'token', 'expired')
    client.protocol.call(0, secret, 'secret')
    client.protocol.abandon('secret')
    client.says((0, secret))
    client.hears((0, spec.Connection.UpdateSecretOk()))
    client.call(0, secret, spec.Connection.UpdateSecretOk())


def test_abandon_finds_the_context_on_its_channel(channel):
    channel.open(2, 3)
    contexts = {number: f'qos {number}' for number in (1, 2, 3)}
    for number, context in contexts.items():
        channel.protocol.call(number, QOS, context)
    channel.protocol.abandon(contexts[2])
    channel.hears(
        (1, QOS_OK), (2, QOS_OK), (3, QOS_OK),
        gives=[events.Reply(1, QOS_OK, contexts[1]),
               events.Reply(3, QOS_OK, contexts[3])])


def test_what_came_back_or_was_never_given_can_be_abandoned(channel):
    channel.call(1, QOS, QOS_OK)
    channel.protocol.call(1, QOS, 'waiting')
    for context in ('call', object(), 'unknown'):
        channel.protocol.abandon(context)
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'waiting'))


def test_contexts_are_told_apart_by_identity(channel):
    """The core never looks into them: they may be equal, or refuse to be compared."""
    one, other = ['equal'], ['equal']
    channel.protocol.call(1, QOS, one)
    channel.protocol.call(1, spec.Tx.Select(), other)
    channel.protocol.abandon(other)
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, one))
    channel.hears((1, spec.Tx.SelectOk()))


def test_none_is_no_context(channel):
    """Calls without one are answered as any other."""
    channel.protocol.call(1, QOS)
    channel.protocol.abandon(None)
    channel.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, None))
