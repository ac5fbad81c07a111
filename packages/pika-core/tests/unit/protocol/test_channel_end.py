"""How a channel ends, from either side, and what happens to all that waits on it."""

from __future__ import annotations

import pytest
from pika import events, exceptions, frame, spec
from pika_testing import message_frames

QOS, QOS_OK = spec.Basic.Qos(), spec.Basic.QosOk()
CLOSE = spec.Channel.Close(200, 'done', 0, 0)
BY_CLIENT = exceptions.ChannelClosedByClient(200, 'done')
GONE = spec.Channel.Close(404, 'NOT_FOUND', 50, 10)
BY_BROKER = exceptions.ChannelClosedByBroker(404, 'NOT_FOUND')


def test_server_closes_channel_while_rpc_pending(channel):
    """Rules 20 and 22: every unanswered call comes back with the close, oldest first."""
    declare = spec.Queue.Declare(queue='q', passive=True)
    for context in ('declare', 'bind', 'get'):
        channel.protocol.call(1, declare, context)
    channel.says((1, declare))
    channel.hears((1, GONE), gives=events.ChannelClosed(1, BY_BROKER, ['declare', 'bind', 'get']))
    channel.says((1, spec.Channel.CloseOk()))


def test_reason_of_the_server_names_the_method_that_caused_it(channel):
    data = b'\1\0\1\0\0\0\x0f\0\x14\0\x28\1\x94\4gone\0\x32\0\x0a\xce'
    channel.hears(data,
                  gives=events.ChannelClosed(1, exceptions.ChannelClosedByBroker(404, 'gone'), []))
    reason = channel.seen[-1].reason
    assert isinstance(reason, exceptions.ChannelClosedByBroker)
    assert (reason.reply_code, reason.reply_text) == (404, 'gone')
    assert (reason.class_id, reason.method_id) == (50, 10)


def test_server_closes_one_channel_and_the_others_stay(client):
    client.open(1, 2)
    client.protocol.call(2, QOS, 'qos')
    client.hears((1, GONE), (2, QOS_OK),
                 gives=[events.ChannelClosed(1, BY_BROKER, []),
                        events.Reply(2, QOS_OK, 'qos')])


def test_server_closes_channel_amid_a_message(channel):
    channel.consume(1, 'one')
    frames = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'body')
    channel.hears(*frames[:2], (1, GONE), gives=events.ChannelClosed(1, BY_BROKER, []))
    channel.says((1, spec.Channel.CloseOk()))
    channel.open(1).consume(1, 'one')
    channel.hears(*frames,
                  gives=events.Delivery(1, spec.Basic.Deliver('one', 1, False, '', 'q'),
                                        spec.BasicProperties.from_raw(b'\0\0'), b'body',
                                        'owner of one'))


def test_server_sends_on_a_channel_that_it_closed(channel):
    channel.hears((1, GONE), gives=events.ChannelClosed(1, BY_BROKER, []))
    channel.says((1, spec.Channel.CloseOk()))
    text = 'frame on channel 1, which is not open'
    channel.hears((1, QOS_OK),
                  gives=events.Closed(exceptions.ProtocolViolationError(504, text), []))
    channel.says((0, spec.Connection.Close(504, text, 0, 0)))


def test_client_closes_channel_and_what_waits_is_dropped(channel):
    """Close overtakes the queue; what was not sent is dropped, and comes back in the close."""
    channel.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk())
    channel.protocol.call(1, QOS, 'sent')
    channel.protocol.call(1, spec.Tx.Commit(), 'waiting')
    channel.protocol.publish(1, '', 'q', context='held back')
    channel.says((1, QOS))
    channel.protocol.call(1, CLOSE, 'close')
    channel.says((1, CLOSE))
    channel.hears((1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, BY_CLIENT,
                                             ['sent', 'waiting', 'held back', 'close']))
    channel.says()


def test_client_closes_channel_and_what_waits_behind_confirm_select_is_sent(channel):
    """A publish that was accepted is not lost by a close that follows it."""
    select = spec.Confirm.Select()
    publish = frame.content_header_frame(1, 0, b'\0\0')
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, spec.Queue.Declare(queue='q'), 'dropped')
    channel.protocol.call(1, select, 'select')
    channel.protocol.publish(1, '', 'q', context='publish')
    channel.says((1, QOS))
    channel.protocol.call(1, CLOSE, 'close')
    channel.says((1, select), (1, spec.Basic.Publish(0, '', 'q')), publish, (1, CLOSE))
    channel.hears((1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, BY_CLIENT,
                                             ['qos', 'dropped', 'select', 'publish', 'close']))


def test_client_closes_connection_and_what_waits_behind_confirm_select_is_sent(channel):
    select = spec.Confirm.Select(nowait=True)
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, select)
    channel.protocol.publish(1, '', 'q')
    channel.says((1, QOS))
    channel.protocol.close(0.0)
    channel.says((1, select), (1, spec.Basic.Publish(0, '', 'q')),
                 frame.content_header_frame(1, 0, b'\0\0'),
                 (0, spec.Connection.Close(200, 'Normal shutdown', 0, 0)))


def test_server_sends_on_while_the_client_waits_for_its_close(channel):
    """Rule 15: all but close and close-ok is thrown away."""
    channel.consume(1, 'one')
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, CLOSE, 'close')
    channel.says((1, QOS), (1, CLOSE))
    message = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'x' * 99)
    channel.hears((1, QOS_OK), *message, (1, spec.Channel.Flow(False)),
                  (1, spec.Basic.Cancel('one', True)), *message[2:], (1, spec.Queue.BindOk()))
    channel.says()
    channel.hears((1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, BY_CLIENT, ['qos', 'close']))


def test_client_closes_channel_amid_a_message(channel):
    channel.consume(1, 'one')
    frames = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'x' * 99)
    channel.hears(*frames[:2], frames[2][:50], partial=True)
    channel.protocol.call(1, CLOSE, 'close')
    channel.hears(frames[2][50:], (1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, BY_CLIENT, ['close']))


def test_both_close_channel_at_once(channel):
    """Rule 15: the crossing close is answered, and the wait goes on; the broker's reason counts."""
    channel.protocol.call(1, QOS, 'qos')
    channel.protocol.call(1, CLOSE, 'close')
    channel.says((1, QOS), (1, CLOSE))
    channel.hears((1, GONE))
    channel.says((1, spec.Channel.CloseOk()))
    with pytest.raises(exceptions.ParameterValueError, match='not in use'):
        channel.protocol.open_channel(None, 1)
    channel.hears((1, spec.Channel.CloseOk()),
                  gives=events.ChannelClosed(1, BY_BROKER, ['qos', 'close']))
    channel.open(1)


def test_client_closes_channel_before_it_is_open(client):
    client.protocol.open_channel('open')
    client.protocol.call(1, CLOSE, 'close')
    client.says((1, spec.Channel.Open()), (1, CLOSE))
    client.hears((1, spec.Channel.OpenOk(b'')), (1, spec.Channel.CloseOk()),
                 gives=events.ChannelClosed(1, BY_CLIENT, ['open', 'close']))
    client.open(1)


def test_server_refuses_to_open_a_channel(client):
    client.protocol.open_channel('open')
    client.protocol.call(1, QOS, 'qos')
    client.says((1, spec.Channel.Open()))
    close = spec.Channel.Close(530, 'NOT_ALLOWED', 20, 10)
    client.hears((1, close),
                 gives=events.ChannelClosed(1, exceptions.ChannelClosedByBroker(530, 'NOT_ALLOWED'),
                                            ['open', 'qos']))
    client.says((1, spec.Channel.CloseOk()))


@pytest.mark.parametrize('active', [False, True])
def test_server_stops_and_resumes_publishing(channel, active):
    channel.hears((1, spec.Channel.Flow(active)), gives=events.Flow(1, active))
    channel.says((1, spec.Channel.FlowOk(active)))


def test_client_asks_the_server_for_flow(channel):
    channel.call(1, spec.Channel.Flow(True), spec.Channel.FlowOk(True))


def test_locked_queue_may_be_free_later(channel):
    """Rule 37: 405 until the old connection is reaped."""
    locked = exceptions.ChannelClosedByBroker(405, 'RESOURCE_LOCKED')
    channel.hears((1, spec.Channel.Close(405, 'RESOURCE_LOCKED', 50, 10)),
                  gives=events.ChannelClosed(1, locked, []))
    assert locked.recoverable
    assert not BY_BROKER.recoverable


def test_transactions_and_confirms_on_one_channel_are_for_the_server_to_refuse(channel):
    """Rule 25: mutually exclusive, 406."""
    channel.call(1, spec.Tx.Select(), spec.Tx.SelectOk())
    channel.protocol.call(1, spec.Confirm.Select(), 'select')
    channel.protocol.publish(1, '', 'q', context='publish')
    close = spec.Channel.Close(406, 'PRECONDITION_FAILED', 85, 10)
    channel.hears(
        (1, close),
        gives=events.ChannelClosed(1, exceptions.ChannelClosedByBroker(406, 'PRECONDITION_FAILED'),
                                   ['select', 'publish']))
