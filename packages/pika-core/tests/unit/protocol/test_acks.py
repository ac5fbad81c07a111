"""Acks, nacks and rejects: which go out, when, and which are refused."""

from __future__ import annotations

import pytest
from pika import events, exceptions, spec
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


@pytest.mark.parametrize('method', [
    spec.Basic.Ack(1),
    spec.Basic.Ack(1, True),
    spec.Basic.Ack(0, True),
    spec.Basic.Nack(2, True, False),
    spec.Basic.Nack(0, True),
    spec.Basic.Reject(3, False),
    spec.Basic.Reject((1 << 63) - 1)
],
                         ids=repr)
def test_client_answers_for_deliveries(channel, method):
    """Rules 27 and 33: on the channel of the delivery; tag 0 with multiple is all of them."""
    channel.open(2).consume(1, 'one')
    channel.hears(delivery('one', 1), gives=delivered('one', 1))
    channel.protocol.send(1, method)
    channel.says((1, method))
    if isinstance(method, spec.Basic.Ack):
        channel.protocol.ack(1, method.delivery_tag, method.multiple)
        channel.says((1, method))


TAG_OF_A_DELIVERY = 'the tag of a delivery; 0 only with multiple'
ANY_LONGLONG = 'an int from 0 to 18446744073709551615'


@pytest.mark.parametrize(('method', 'allowed'), [
    (spec.Basic.Ack(0), TAG_OF_A_DELIVERY),
    (spec.Basic.Nack(0), TAG_OF_A_DELIVERY),
    (spec.Basic.Reject(0), TAG_OF_A_DELIVERY),
    (spec.Basic.Ack(1 << 63), TAG_OF_A_DELIVERY),
    (spec.Basic.Ack(1 << 63, True), TAG_OF_A_DELIVERY),
    (spec.Basic.Ack(None), ANY_LONGLONG),
    (spec.Basic.Ack(-1), ANY_LONGLONG),
    (spec.Basic.Ack(1 << 64), ANY_LONGLONG),
    (spec.Basic.Ack('1'), ANY_LONGLONG),
],
                         ids=repr)
def test_delivery_tag_that_no_delivery_has_is_refused(channel, method, allowed):
    """Rule 27: 0 without multiple is an error, which the broker would close the channel for."""
    commands = [lambda: channel.protocol.send(1, method)]
    if isinstance(method, spec.Basic.Ack):
        commands.append(lambda: channel.protocol.ack(1, method.delivery_tag, method.multiple))
    for command in commands:
        with pytest.raises(exceptions.ParameterError) as caught:
            command()
        assert caught.value.args == ('delivery_tag', method.delivery_tag, allowed)
    channel.says()


@pytest.mark.parametrize(
    'method', [spec.Basic.Recover(), spec.Basic.Publish(), 'ack', None], ids=repr)
def test_only_acks_nacks_and_rejects_are_sent(channel, method):
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        channel.protocol.send(1, method)
    assert caught.value.args == ('method', method, 'Basic.Ack, Basic.Nack or Basic.Reject')
    channel.says()


def test_acks_go_out_while_a_call_is_outstanding(channel):
    channel.protocol.call(1, spec.Basic.Qos(), 'qos')
    channel.protocol.ack(1, 7)
    channel.protocol.send(1, spec.Basic.Nack(8))
    channel.says((1, spec.Basic.Qos()), (1, spec.Basic.Ack(7)), (1, spec.Basic.Nack(8)))


def test_acks_wait_behind_a_barrier(channel):
    """An ack is part of a transaction: it must not come before its tx.select."""
    channel.protocol.call(1, spec.Basic.Qos(), 'qos')
    channel.protocol.call(1, spec.Tx.Select(), 'select')
    channel.protocol.ack(1, 7)
    channel.protocol.send(1, spec.Basic.Nack(8))
    channel.says((1, spec.Basic.Qos()))
    channel.hears((1, spec.Basic.QosOk()), gives=events.Reply(1, spec.Basic.QosOk(), 'qos'))
    channel.says((1, spec.Tx.Select()), (1, spec.Basic.Ack(7)), (1, spec.Basic.Nack(8)))
    channel.protocol.ack(1, 9)
    channel.says((1, spec.Basic.Ack(9)))


def test_message_given_back_waits_behind_a_commit(channel):
    channel.consume(1, 'one')
    channel.protocol.call(1, spec.Basic.Cancel('one', nowait=True))
    channel.protocol.call(1, spec.Tx.Commit(), 'commit')
    channel.says((1, spec.Basic.Cancel('one', True)), (1, spec.Tx.Commit()))
    channel.hears(delivery('one', 1))
    channel.says()
    channel.hears((1, spec.Tx.CommitOk()), gives=events.Reply(1, spec.Tx.CommitOk(), 'commit'))
    channel.says((1, spec.Basic.Reject(1, True)))
