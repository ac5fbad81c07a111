"""Channels: their numbers, their states, and the order of their calls."""

from __future__ import annotations

import pytest
from pika import events, exceptions, spec
from pika.channel_numbers import ChannelNumbers
from pika_testing import message_frames

QOS, QOS_OK = spec.Basic.Qos(), spec.Basic.QosOk()
CLOSE = spec.Channel.Close(200, 'done', 0, 0)
BY_CLIENT = exceptions.ChannelClosedByClient(200, 'done')
GONE = spec.Channel.Close(404, 'NOT_FOUND', 50, 10)
BY_BROKER = exceptions.ChannelClosedByBroker(404, 'NOT_FOUND')

# Numbers.


def test_channels_get_the_lowest_free_number(client):
    assert [client.protocol.open_channel(None) for _ in range(3)] == [1, 2, 3]
    assert client.protocol.open_channel(None, 5) == 5
    assert [client.protocol.open_channel(None) for _ in range(2)] == [4, 6]
    client.says(*((number, spec.Channel.Open()) for number in (1, 2, 3, 5, 4, 6)))


def test_number_is_free_again_when_the_server_has_answered_the_close(client):
    """Rule 16: not before, for a second channel.open on it would end the connection."""
    client.open(1, 2)
    client.protocol.call(1, CLOSE, 'close')
    assert client.protocol.open_channel(None) == 3
    with pytest.raises(exceptions.ParameterValueError, match='not in use'):
        client.protocol.open_channel(None, 1)
    client.says((1, CLOSE), (3, spec.Channel.Open()))
    client.hears((1, spec.Channel.CloseOk()), gives=events.ChannelClosed(1, BY_CLIENT, ['close']))
    assert [client.protocol.open_channel(None) for _ in range(2)] == [1, 4]
    client.says((1, spec.Channel.Open()), (4, spec.Channel.Open()))


def test_number_is_free_again_when_our_answer_stands_before_the_new_open(channel):
    """Rule 16: CloseOk is queued ahead of the new channel.open."""
    channel.hears((1, GONE), gives=events.ChannelClosed(1, BY_BROKER, []))
    assert channel.protocol.open_channel('again') == 1
    channel.says((1, spec.Channel.CloseOk()), (1, spec.Channel.Open()))
    channel.hears((1, spec.Channel.OpenOk(b'')),
                  gives=events.Reply(1, spec.Channel.OpenOk(b''), 'again'))


def test_number_whose_close_has_no_answer_stays_taken(client):
    """Rule 16: on timeout of the close its number is kept out of use."""
    client.open(1)
    client.protocol.call(1, CLOSE, 'close')
    client.protocol.abandon('close')
    assert client.protocol.open_channel(None) == 2


def test_all_numbers_are_taken(make_client):
    """Rule 44: channel_max as negotiated."""
    client = make_client().start(tune=spec.Connection.Tune(3, 131072, 60)).open(1, 2, 3)
    with pytest.raises(exceptions.NoFreeChannels):
        client.protocol.open_channel('none')
    client.says()
    client.hears((2, GONE), gives=events.ChannelClosed(2, BY_BROKER, []))
    client.says((2, spec.Channel.CloseOk()))
    assert client.protocol.open_channel(None) == 2
    with pytest.raises(exceptions.NoFreeChannels):
        client.protocol.open_channel('none')


@pytest.mark.parametrize('number', [0, -1, 4, 65536])
def test_number_out_of_range_is_refused(make_client, number):
    client = make_client(channel_max=3).start()
    with pytest.raises(exceptions.ParameterValueError, match=r'channel_number must be 1 to 3'):
        client.protocol.open_channel('context', number)
    client.says()


@pytest.mark.parametrize('number', [True, '1', 1.0])
def test_number_that_is_none_is_refused(client, number):
    with pytest.raises(exceptions.ParameterTypeError, match='channel_number must be an int'):
        client.protocol.open_channel('context', number)
    client.says()


def test_highest_number_can_be_used(make_client):
    make_client(channel_max=3).start().open(3, 1, 2)
    client = make_client(channel_max=3).start()
    assert [client.protocol.open_channel(None) for _ in range(3)] == [1, 2, 3]


def test_many_channels_are_numbered_without_looking_at_all_of_them():
    """Opening 65,535 channels, and one after each close, takes no quadratic time."""

    class Counting(dict):
        looks = 0

        def __contains__(self, key):
            self.looks += 1
            return super().__contains__(key)

    numbers = ChannelNumbers()
    numbers.channels = channels = Counting()
    for expected in range(1, 2001):
        assert numbers.choose(None, 65535) == expected
        channels[expected] = None
    assert channels.looks <= 4000
    numbers.release(1000)
    numbers.release(10)
    assert numbers.choose(None, 65535) == 10
    channels[10] = None
    assert numbers.choose(None, 65535) == 1000


# States.


def test_channel_before_the_connection_is_open_is_refused(make_client):
    """Rule 6: no frame on a channel before open-ok."""
    client = make_client()
    for _ in range(2):
        with pytest.raises(exceptions.ConnectionWrongStateError, match='it is (idle|handshake)'):
            client.protocol.open_channel('context')
        with pytest.raises(exceptions.ConnectionWrongStateError):
            client.protocol.call(1, QOS, 'qos')
        with pytest.raises(exceptions.ConnectionWrongStateError):
            client.protocol.publish(1, '', 'q')
        with pytest.raises(exceptions.ConnectionWrongStateError):
            client.protocol.ack(1, 1)
        if client.protocol.state == 'idle':
            client.protocol.connect(0.0)
            client.protocol.data_to_send()
    client.says()


COMMANDS = {
    'call': lambda protocol: protocol.call(1, QOS, 'context'),
    'close': lambda protocol: protocol.call(1, CLOSE, 'context'),
    'consume': lambda protocol: protocol.consume(1, spec.Basic.Consume(), 'context', 'owner'),
    'publish': lambda protocol: protocol.publish(1, '', 'q'),
    'ack': lambda protocol: protocol.ack(1, 1),
    'send': lambda protocol: protocol.send(1, spec.Basic.Nack(1)),
}


@pytest.mark.parametrize('command', COMMANDS.values(), ids=COMMANDS)
def test_command_on_a_channel_that_is_not_open_is_refused(client, command):
    """Rules 15 and 17: a thread that comes late gets an error, and nothing is sent."""
    client.open(2)
    with pytest.raises(exceptions.ChannelWrongStateError, match='Channel is closed'):
        command(client.protocol)
    client.says()
    client.open(1)
    client.protocol.call(1, CLOSE, 'close')
    client.says((1, CLOSE))
    with pytest.raises(exceptions.ChannelWrongStateError, match='Channel is closing'):
        command(client.protocol)
    client.says()
    client.hears((1, spec.Channel.CloseOk()), gives=events.ChannelClosed(1, BY_CLIENT, ['close']))
    with pytest.raises(exceptions.ChannelWrongStateError, match='Channel is closed'):
        command(client.protocol)
    client.says()


def test_calls_before_the_answer_to_the_open_wait_for_it(client):
    client.protocol.open_channel('open')
    client.protocol.call(1, QOS, 'qos')
    client.protocol.publish(1, '', 'q')
    client.says((1, spec.Channel.Open()), *message_frames(1, spec.Basic.Publish(0, '', 'q')))
    client.hears((1, spec.Channel.OpenOk(b'')),
                 gives=events.Reply(1, spec.Channel.OpenOk(b''), 'open'))
    client.says((1, QOS))
    client.hears((1, QOS_OK), gives=events.Reply(1, QOS_OK, 'qos'))


@pytest.mark.parametrize('method', [
    spec.Channel.Open(),
    spec.Channel.CloseOk(),
    spec.Channel.OpenOk(b''),
    spec.Basic.Consume(queue='q'),
    spec.Basic.Ack(1),
    spec.Basic.Publish(),
    spec.Basic.QosOk(),
    spec.Connection.Open(),
    spec.Connection.Close(200, '', 0, 0),
    spec.Connection.UpdateSecret(b'', ''),
    spec.Connection.Start(),
    spec.Connection.Tune(),
    spec.Access.Request(),
],
                         ids=lambda method: method.NAME)
def test_method_that_is_no_call_is_refused(channel, method):
    """Rule 22: access.request too, which RabbitMQ has for show only."""
    with pytest.raises(exceptions.ParameterValueError,
                       match='method must be one that the broker answers'):
        channel.protocol.call(1, method, 'context')
    channel.says()
    channel.call(1, QOS, QOS_OK)


@pytest.mark.parametrize('method', [QOS, spec.Connection.Close(200, '', 0, 0)])
def test_channel_0_takes_a_new_secret_and_no_other_call(client, method):
    with pytest.raises(exceptions.ChannelWrongStateError):
        client.protocol.call(0, method, 'context')
    client.says()


# The order of calls.


def test_server_answers_calls_in_order_with_others_between(channel):
    """Rule 20: methods that answer nothing may arrive in between."""
    channel.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk()).consume(1, 'one')
    channel.protocol.publish(1, '', 'q', context='publish')
    channel.protocol.data_to_send()
    declare, bind = spec.Queue.Declare(queue='q'), spec.Queue.Bind(queue='q', exchange='x')
    channel.protocol.call(1, declare, 'declare')
    channel.protocol.call(1, bind, 'bind')
    channel.says((1, declare))
    deliver = spec.Basic.Deliver('one', 1, False, '', 'q')
    channel.hears(*message_frames(1,
                                  deliver), (1, spec.Basic.Ack(1)), (1, spec.Channel.Flow(False)),
                  (1, spec.Basic.Cancel('one', True)), (1, spec.Queue.DeclareOk('q', 1, 2)),
                  gives=[
                      events.Delivery(1, deliver, spec.BasicProperties.from_raw(b'\0\0'), b'',
                                      'owner of one'),
                      events.Confirmed(1, spec.Basic.Ack(1), [1], ['publish']),
                      events.Flow(1, False),
                      events.ConsumerCancelled(1, spec.Basic.Cancel('one', True), 'owner of one'),
                      events.Reply(1, spec.Queue.DeclareOk('q', 1, 2), 'declare')
                  ])
    channel.says((1, spec.Channel.FlowOk(False)), (1, bind))
    channel.hears((1, spec.Queue.BindOk()), gives=events.Reply(1, spec.Queue.BindOk(), 'bind'))


def test_calls_of_other_channels_do_not_wait(client):
    client.open(1, 2)
    client.protocol.call(1, QOS, 'first')
    client.protocol.call(2, QOS, 'second')
    client.says((1, QOS), (2, QOS))
    client.hears((2, QOS_OK), (1, QOS_OK),
                 gives=[events.Reply(2, QOS_OK, 'second'),
                        events.Reply(1, QOS_OK, 'first')])


def test_nowait_methods_keep_their_place(channel):
    """Rule 21: nowait has no answer, and a bind must not overtake its declare."""
    declare = spec.Queue.Declare(queue='q')
    bind = spec.Queue.Bind(queue='q', exchange='x', nowait=True)
    channel.protocol.call(1, bind)
    channel.protocol.call(1, declare, 'declare')
    channel.protocol.call(1, bind)
    channel.protocol.call(1, QOS, 'qos')
    channel.says((1, bind), (1, declare))
    channel.hears((1, spec.Queue.DeclareOk('q', 0, 0)),
                  gives=events.Reply(1, spec.Queue.DeclareOk('q', 0, 0), 'declare'))
    channel.says((1, bind), (1, QOS))


def test_nowait_call_with_a_context_is_refused(channel):
    with pytest.raises(ValueError, match='context must be None for Queue.Declare with nowait'):
        channel.protocol.call(1, spec.Queue.Declare(queue='q', nowait=True), 'context')
    channel.says()


def test_nowait_declare_that_fails_closes_the_channel(channel):
    """Rule 21: errors of nowait methods come later, as channel.close."""
    declare = spec.Queue.Declare(queue='q', passive=True, nowait=True)
    channel.protocol.call(1, declare)
    channel.says((1, declare))
    channel.hears((1, GONE), gives=events.ChannelClosed(1, BY_BROKER, []))


@pytest.mark.parametrize('answer', [
    spec.Queue.BindOk(),
    spec.Basic.GetEmpty(),
    spec.Channel.OpenOk(b''),
    spec.Channel.CloseOk(),
    spec.Confirm.SelectOk(),
    spec.Queue.Declare(queue='q'),
    spec.Connection.OpenOk(),
],
                         ids=lambda method: method.NAME)
@pytest.mark.parametrize('pending', [False, True])
def test_server_answers_what_was_not_asked(channel, answer, pending):
    """Rule 20: an answer of another kind is nobody's; never "take the next method"."""
    if pending:
        channel.protocol.call(1, QOS, 'qos')
        channel.protocol.data_to_send()
    text = f'unexpected {answer.NAME} on channel 1'
    channel.hears((1, answer),
                  gives=events.Closed(exceptions.ProtocolViolationError(503, text),
                                      ['qos'] if pending else []))
    channel.says((0, spec.Connection.Close(503, text, 0, 0)))


def test_get_brings_a_message_or_tells_that_there_is_none(channel):
    get, got = spec.Basic.Get(queue='q'), spec.Basic.GetOk(3, True, 'x', 'k', 8)
    channel.protocol.call(1, get, 'first')
    channel.protocol.call(1, get, 'second')
    channel.protocol.call(1, get, 'third')
    channel.says((1, get))
    body = b'x' * 70000
    channel.hears(*message_frames(1, got, spec.BasicProperties(priority=1), body),
                  gives=events.Reply(1, got, 'first', spec.BasicProperties.from_raw(b'\x08\0\1'),
                                     body))
    channel.says((1, get))
    channel.hears((1, spec.Basic.GetEmpty()),
                  gives=events.Reply(1, spec.Basic.GetEmpty(), 'second'))
    channel.says((1, get))
    channel.hears(*message_frames(1, got),
                  gives=events.Reply(1, got, 'third', spec.BasicProperties.from_raw(b'\0\0'), b''))


def test_server_sends_a_message_that_nobody_got(channel):
    got = spec.Basic.GetOk(3, True, 'x', 'k', 8)
    text = 'unexpected Basic.GetOk on channel 1'
    channel.hears(*message_frames(1, got),
                  gives=events.Closed(exceptions.ProtocolViolationError(503, text), []))


def test_method_that_no_frame_holds_is_refused(make_client):
    """Rule 11: methods cannot be split."""
    client = make_client(frame_max=4096).start().open(1)
    room = 4096 - 8

    def declare(size):
        return spec.Queue.Declare(queue='q', arguments={'k': 'v' * size})

    overhead = 4 + 2 + 2 + 1 + 4 + 2 + 5  # index, ticket, 'q', bits, table, key, head of the value
    client.call(1, declare(room - overhead), spec.Queue.DeclareOk('q', 0, 0))
    with pytest.raises(exceptions.ParameterValueError,
                       match='arguments of Queue.Declare must be at most 4084 bytes'):
        client.protocol.call(1, declare(room - overhead + 1), 'context')
    client.says()


@pytest.mark.parametrize('method', [
    spec.Queue.Declare(queue='q' * 256),
    spec.Queue.Declare(queue='q', arguments={'k': object()}),
    spec.Basic.Qos(prefetch_count=65536),
    spec.Basic.Get(queue=None),
    spec.Channel.Close(200, 'x' * 256, 0, 0),
    spec.Basic.Cancel('t' * 256),
],
                         ids=lambda method: method.NAME)
def test_value_that_cannot_be_sent_is_refused_before_a_byte_is_queued(channel, method):
    """Rule 40, and the promise of all commands."""
    with pytest.raises((ValueError, TypeError)) as caught:
        channel.protocol.call(1, method, 'context')
    assert isinstance(caught.value, exceptions.AMQPError)
    channel.says()
    channel.call(1, QOS, QOS_OK)
