"""Consumers: registered before the broker answers, cancelled by either side, tags of one's own."""

from __future__ import annotations

import datetime

import pytest
from pika import data, events, exceptions, spec
from pika_testing import message_frames

PLAIN = spec.BasicProperties()


def deliver(tag, number, redelivered=False):
    return spec.Basic.Deliver(tag, number, redelivered, 'x', 'key')


def delivery(tag, number, body=b'body', channel=1):
    """The frames of a delivery."""
    return b''.join(message_frames(channel, deliver(tag, number), PLAIN, body))


def delivered(tag, number, body=b'body', channel=1, properties=b'\0\0'):
    """The event of a delivery."""
    return events.Delivery(channel, deliver(tag, number), spec.BasicProperties.from_raw(properties),
                           body, f'owner of {tag}')


def consume(channel, tag, **arguments):
    """Ask for a consumer, without an answer."""
    method = spec.Basic.Consume(queue='q', consumer_tag=tag, **arguments)
    channel.protocol.consume(1, method, f'consume {tag}', f'owner of {tag}')
    channel.says((1, method))


def test_server_delivers_to_the_consumer_of_the_tag(channel):
    channel.consume(1, 'one').consume(1, 'two')
    channel.hears(delivery('two', 1, b''), gives=delivered('two', 1, b''))
    channel.hears(delivery('one', 2),
                  delivery('two', 3, b'x' * 10000),
                  gives=[delivered('one', 2),
                         delivered('two', 3, b'x' * 10000)])
    channel.says()


def test_server_delivers_with_properties(channel):
    channel.consume(1, 'one')
    properties = spec.BasicProperties(headers={'n': 1}, priority=3)
    encoded = b''.join(properties.encode())
    channel.hears(*message_frames(1, deliver('one', 1), properties, b'body'),
                  gives=delivered('one', 1, properties=encoded))


def test_server_delivers_on_two_channels_at_once(channel):
    """Rule 12: frames of other channels may stand between those of a message."""
    channel.open(2).consume(1, 'one').consume(2, 'two')
    first = message_frames(1, deliver('one', 1), PLAIN, b'0123456789', 8 + 4)
    second = message_frames(2, deliver('two', 1), PLAIN, b'abcdefgh', 8 + 5)
    heartbeat = b'\x08\0\0\0\0\0\0\xce'
    assert [len(first), len(second)] == [5, 4]
    channel.hears(first[0],
                  second[0],
                  first[1],
                  first[2],
                  heartbeat,
                  second[1],
                  second[2],
                  first[3], (0, spec.Connection.Blocked('memory')),
                  second[3],
                  first[4],
                  gives=[
                      events.Blocked(spec.Connection.Blocked('memory')),
                      delivered('two', 1, b'abcdefgh', 2),
                      delivered('one', 1, b'0123456789')
                  ])


def test_server_delivers_before_it_answers_the_consume(channel):
    """Rule 28: the consumer is registered before deliveries can be dispatched."""
    consume(channel, 'one')
    channel.hears(
        delivery('one', 1), (1, spec.Basic.ConsumeOk('one')),
        gives=[delivered('one', 1),
               events.Reply(1, spec.Basic.ConsumeOk('one'), 'consume one')])


def test_empty_consumer_tag_is_made_here_so_that_it_is_known_at_once(channel):
    """Rules 21 and 28: consume with an empty tag and nowait would be unusable."""
    methods = [spec.Basic.Consume(queue='q', nowait=nowait) for nowait in (False, True, False)]
    tags = [
        channel.protocol.consume(1, method, None if method.nowait else 'context', 'owner')
        for method in methods
    ]
    assert tags == [f'ctag1.{number:032x}' for number in (1, 2, 3)]
    assert [method.consumer_tag for method in methods] == tags
    channel.says((1, methods[0]))
    channel.hears((1, spec.Basic.ConsumeOk(tags[0])),
                  gives=events.Reply(1, spec.Basic.ConsumeOk(tags[0]), 'context'))
    channel.says((1, methods[1]), (1, methods[2]))
    message = b''.join(message_frames(1, deliver(tags[1], 1)))
    channel.hears(message,
                  gives=events.Delivery(1, deliver(tags[1], 1),
                                        spec.BasicProperties.from_raw(b'\0\0'), b'', 'owner'))


def test_tags_that_are_made_differ_between_channels(channel):
    channel.open(2)
    tags = {
        channel.protocol.consume(number, spec.Basic.Consume(queue='q'), None, None)
        for number in (1, 2)
    }
    assert tags == {f'ctag1.{1:032x}', f'ctag2.{1:032x}'}


def test_consumer_tag_that_is_in_use_is_refused(channel):
    channel.open(2).consume(1, 'one').consume(2, 'one')
    with pytest.raises(exceptions.DuplicateConsumerTag) as caught:
        channel.protocol.consume(1, spec.Basic.Consume(queue='q', consumer_tag='one'), 'c', 'o')
    assert caught.value.args == ('one',)
    channel.says()
    channel.hears(delivery('one', 1), gives=delivered('one', 1))


def test_consumer_tag_of_256_bytes_is_refused_and_not_registered(channel):
    """Rule 40: 255 bytes after UTF-8."""
    method = spec.Basic.Consume(queue='q', consumer_tag='\u00e9' * 128)
    for _ in range(2):
        with pytest.raises(exceptions.ShortStringTooLong, match='consumer_tag'):
            channel.protocol.consume(1, method, 'context', 'owner')
    channel.says()


def test_nowait_consume_with_a_context_is_refused(channel):
    """Nothing could bring it back."""
    method = spec.Basic.Consume(queue='q', consumer_tag='one', nowait=True)
    with pytest.raises(ValueError, match='Basic.Consume with nowait'):
        channel.protocol.consume(1, method, 'context', 'owner')
    channel.says()
    assert channel.protocol.consume(1, method, None, 'owner of one') == 'one'
    channel.says((1, method))
    channel.hears(delivery('one', 1), gives=delivered('one', 1))


def test_server_delivers_for_a_consumer_that_nobody_started(channel):
    """Rule 13: a protocol error, and never another consumer's message."""
    channel.consume(1, 'one')
    text = "delivery on channel 1 for unknown consumer tag 'two'"
    channel.hears(delivery('two', 1),
                  gives=events.Closed(exceptions.ProtocolViolationError(503, text), []))
    channel.says((0, spec.Connection.Close(503, text, 0, 0)))


def test_client_cancels_and_gets_the_answer(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears((1, spec.Basic.CancelOk('one')),
                  gives=events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'))
    channel.consume(1, 'one')
    channel.hears(delivery('one', 1), gives=delivered('one', 1))


def test_server_delivers_after_the_client_cancelled_and_gets_it_back(channel):
    """Rule 29: deliveries may arrive until cancel-ok; nobody but us can requeue them."""
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears(delivery('one', 5), delivery('one', 6))
    channel.says((1, spec.Basic.Reject(5, True)), (1, spec.Basic.Reject(6, True)))
    channel.hears((1, spec.Basic.CancelOk('one')),
                  gives=events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'))


def test_server_delivers_without_acks_after_the_client_cancelled(channel):
    """Rule 29: these the broker has forgotten, so they are handed over."""
    channel.consume(1, 'one', no_ack=True)
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears(delivery('one', 5), gives=delivered('one', 5))
    channel.says()


def test_server_delivers_after_its_answer_to_the_cancel(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    text = "delivery on channel 1 for unknown consumer tag 'one'"
    channel.hears((1, spec.Basic.CancelOk('one')),
                  delivery('one', 1),
                  gives=[
                      events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'),
                      events.Closed(exceptions.ProtocolViolationError(503, text), [])
                  ])


@pytest.mark.parametrize('no_ack', [False, True])
def test_server_delivers_after_a_cancel_with_nowait(channel, no_ack):
    """Rules 21 and 29: until the answer to a later call proves that the broker knows."""
    channel.consume(1, 'one', no_ack=no_ack)
    channel.protocol.call(1, spec.Basic.Cancel('one', nowait=True))
    channel.says((1, spec.Basic.Cancel('one', True)))
    channel.hears(delivery('one', 1), gives=[delivered('one', 1)] if no_ack else [])
    channel.says(*([] if no_ack else [(1, spec.Basic.Reject(1, True))]))
    with pytest.raises(exceptions.DuplicateConsumerTag):
        channel.protocol.consume(1, spec.Basic.Consume(queue='q', consumer_tag='one'), 'c', 'o')
    channel.call(1, spec.Basic.Qos(), spec.Basic.QosOk())
    channel.consume(1, 'one')
    channel.hears(delivery('one', 2), gives=delivered('one', 2))


def test_server_delivers_while_a_cancel_with_nowait_waits_for_its_turn(channel):
    """Rule 29: the answer to an earlier call proves nothing."""
    channel.consume(1, 'one').consume(1, 'two')
    channel.protocol.call(1, spec.Basic.Qos(), 'qos')
    channel.protocol.call(1, spec.Basic.Cancel('one', nowait=True))
    channel.says((1, spec.Basic.Qos()))
    channel.hears((1, spec.Basic.QosOk()), gives=events.Reply(1, spec.Basic.QosOk(), 'qos'))
    channel.says((1, spec.Basic.Cancel('one', True)))
    channel.hears(delivery('one', 1))
    channel.says((1, spec.Basic.Reject(1, True)))


def test_server_cancels(channel):
    """Rule 30: no cancel-ok for the broker; the consumer is gone, the others stay."""
    channel.consume(1, 'one').consume(1, 'two')
    channel.hears((1, spec.Basic.Cancel('one', True)),
                  gives=events.ConsumerCancelled(1, spec.Basic.Cancel('one', True), 'owner of one'))
    channel.says()
    channel.hears(delivery('two', 1), gives=delivered('two', 1))
    channel.consume(1, 'one')


def test_server_cancels_a_consumer_that_nobody_knows(channel):
    channel.hears((1, spec.Basic.Cancel('one', True)))
    channel.says()


def test_both_cancel_at_once(channel):
    """Rule 30: a cancel-ok for an unknown tag is fine; the caller gets what was asked for."""
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears((1, spec.Basic.Cancel('one', True)), (1, spec.Basic.CancelOk('one')),
                  gives=events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'))
    channel.says()


def test_both_cancel_at_once_and_the_tag_is_used_again(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears((1, spec.Basic.Cancel('one', True)))
    again = spec.Basic.Consume(queue='other', consumer_tag='one')
    channel.protocol.consume(1, again, 'again', 'owner of one')
    channel.says()
    channel.hears((1, spec.Basic.CancelOk('one')),
                  gives=events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'))
    channel.says((1, again))
    channel.hears(
        (1, spec.Basic.ConsumeOk('one')),
        delivery('one', 1),
        gives=[events.Reply(1, spec.Basic.ConsumeOk('one'), 'again'),
               delivered('one', 1)])


def test_client_cancels_a_consumer_that_nobody_knows(channel):
    channel.protocol.call(1, spec.Basic.Cancel('one'), 'cancel')
    channel.says((1, spec.Basic.Cancel('one')))
    channel.hears((1, spec.Basic.CancelOk('one')),
                  gives=events.Reply(1, spec.Basic.CancelOk('one'), 'cancel'))


def test_server_closes_the_channel_and_its_consumers_are_gone(channel):
    channel.consume(1, 'one')
    channel.hears((1, spec.Channel.Close(404, 'gone', 60, 20)),
                  gives=events.ChannelClosed(1, exceptions.ChannelClosedByBroker(404, 'gone'), []))
    channel.says((1, spec.Channel.CloseOk()))
    channel.open(1).consume(1, 'one')


def test_qos_is_sent_as_given(channel):
    """Rule 31: whether global_qos is allowed is the broker's to say."""
    channel.call(1, spec.Basic.Qos(0, 20, False), spec.Basic.QosOk())
    channel.call(1, spec.Basic.Qos(0, 0, True), spec.Basic.QosOk())


def test_direct_reply_to_needs_no_answer_before_the_publish(channel):
    """Rule 34: consume without acks before publishing, on the same channel."""
    consumer = spec.Basic.Consume(queue='amq.rabbitmq.reply-to', consumer_tag='t', no_ack=True)
    channel.protocol.consume(1, consumer, 'consume', 'owner of t')
    request = spec.BasicProperties(reply_to='amq.rabbitmq.reply-to')
    channel.protocol.publish(1, '', 'rpc', b'body', request)
    channel.says((1, consumer),
                 *message_frames(1, spec.Basic.Publish(0, '', 'rpc'), request, b'body'))


@pytest.mark.parametrize(('offset', 'encoded'), [
    ('first', b'S\0\0\0\5first'),
    (5000, b'I\0\0\x13\x88'),
    (datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), b'T\0\0\0\0\x5e\x0d\x32\x80'),
    (data.Timestamp(1577923200), b'T\0\0\0\0\x5e\x0d\x32\x80'),
],
                         ids=repr)
def test_stream_is_consumed_from_an_offset(channel, offset, encoded):
    """Rule 32: x-stream-offset is a name, a number, or a time, which needs its own wire type."""
    method = spec.Basic.Consume(queue='q',
                                consumer_tag='one',
                                arguments={'x-stream-offset': offset})
    channel.protocol.consume(1, method, None, None)
    table = b'\x0fx-stream-offset' + encoded
    payload = b'\0\x3c\0\x14\0\0\1q\3one\0' + len(table).to_bytes(4, 'big') + table
    channel.says(b'\1\0\1' + len(payload).to_bytes(4, 'big') + payload + b'\xce')
