"""Calls, answers, confirms and the ends of channels, with a broker that follows a script."""

from __future__ import annotations

import inspect
import time

import pika_testing
import pytest
from pika import exceptions, frame, spec
from pika.exchange_type import ExchangeType
from pika_blocking import BlockingConnection, ReturnedMessage

NOT_FOUND = spec.Channel.Close(404, 'NOT_FOUND - no queue', 50, 10)

# What a program calls, what the broker hears, and what it answers.
CALLS = [
    (lambda ch: ch.queue_declare('q', True, True, True, True, {'x': 1}),
     spec.Queue.Declare(0, 'q', True, True, True, True, False,
                        {'x': 1}), spec.Queue.DeclareOk('q', 2, 3)),
    (lambda ch: ch.queue_declare('q'), spec.Queue.Declare(0, 'q', arguments={}),
     spec.Queue.DeclareOk('q', 2, 3)),
    (lambda ch: ch.queue_delete('q', True, True), spec.Queue.Delete(0, 'q', True,
                                                                    True), spec.Queue.DeleteOk(2)),
    (lambda ch: ch.queue_purge('q'), spec.Queue.Purge(0, 'q'), spec.Queue.PurgeOk(2)),
    (lambda ch: ch.queue_bind('q', 'x'), spec.Queue.Bind(0, 'q', 'x', 'q',
                                                         arguments={}), spec.Queue.BindOk()),
    (lambda ch: ch.queue_bind('q', 'x', '', {'a': 'b'}),
     spec.Queue.Bind(0, 'q', 'x', '', False, {'a': 'b'}), spec.Queue.BindOk()),
    (lambda ch: ch.queue_unbind('q', 'x'), spec.Queue.Unbind(0, 'q', 'x', 'q',
                                                             {}), spec.Queue.UnbindOk()),
    (lambda ch: ch.queue_unbind('q', 'x', 'k', {'a': 'b'}),
     spec.Queue.Unbind(0, 'q', 'x', 'k', {'a': 'b'}), spec.Queue.UnbindOk()),
    (lambda ch: ch.exchange_declare('x'), spec.Exchange.Declare(0, 'x', 'direct', arguments={}),
     spec.Exchange.DeclareOk()),
    (lambda ch: ch.exchange_declare('x', ExchangeType.topic, True, True, True, True, {'a': 1}),
     spec.Exchange.Declare(0, 'x', 'topic', True, True, True, True, False,
                           {'a': 1}), spec.Exchange.DeclareOk()),
    (lambda ch: ch.exchange_declare('x', exchange_type='x-delayed-message'),
     spec.Exchange.Declare(0, 'x', 'x-delayed-message', arguments={}), spec.Exchange.DeclareOk()),
    (lambda ch: ch.exchange_delete('x', True), spec.Exchange.Delete(0, 'x', True),
     spec.Exchange.DeleteOk()),
    (lambda ch: ch.exchange_bind('d', 's', 'k', {'a': 1}),
     spec.Exchange.Bind(0, 'd', 's', 'k', False, {'a': 1}), spec.Exchange.BindOk()),
    (lambda ch: ch.exchange_unbind('d', 's', 'k', {'a': 1}),
     spec.Exchange.Unbind(0, 'd', 's', 'k', False, {'a': 1}), spec.Exchange.UnbindOk()),
    (lambda ch: ch.tx_select(), spec.Tx.Select(), spec.Tx.SelectOk()),
    (lambda ch: ch.tx_commit(), spec.Tx.Commit(), spec.Tx.CommitOk()),
    (lambda ch: ch.tx_rollback(), spec.Tx.Rollback(), spec.Tx.RollbackOk()),
]


@pytest.mark.parametrize('call, heard, answer', CALLS)
def test_call_returns_the_frame_of_its_answer(serve, call, heard, answer):

    def play(peer):
        peer.open_channel()
        assert peer.hear(type(heard)) == heard
        peer.say(answer)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        got = call(connection.channel())
    assert isinstance(got, frame.Method)
    assert got.channel_number == 1
    assert got.method == answer


@pytest.mark.parametrize('call, heard, answer, expected', [
    (lambda ch: ch.basic_qos(prefetch_count=5), spec.Basic.Qos(0, 5), spec.Basic.QosOk(), None),
    (lambda ch: ch.basic_qos(0, 5, True), spec.Basic.Qos(0, 5, True), spec.Basic.QosOk(), None),
    (lambda ch: ch.basic_recover(True), spec.Basic.Recover(True), spec.Basic.RecoverOk(), None),
    (lambda ch: ch.flow(False), spec.Channel.Flow(False), spec.Channel.FlowOk(False), False),
    (lambda ch: ch.confirm_delivery(), spec.Confirm.Select(), spec.Confirm.SelectOk(), None),
    (lambda ch: ch.basic_get('q', True), spec.Basic.Get(0, 'q', True), spec.Basic.GetEmpty(),
     (None, None, None)),
])
def test_call_returns_no_frame(serve, call, heard, answer, expected):

    def play(peer):
        peer.open_channel()
        assert peer.hear(type(heard)) == heard
        peer.say(answer)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        assert call(connection.channel()) == expected


def test_update_secret(serve):
    """Rule 36."""

    def play(peer):
        peer.handshake()
        assert peer.hear(spec.Connection.UpdateSecret) == spec.Connection.UpdateSecret(
            b'new', 'why')
        peer.say(spec.Connection.UpdateSecretOk(), channel=0)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        assert connection.update_secret('new', 'why') is None


def test_nack_and_reject(serve):

    def play(peer):
        peer.open_channel()
        assert peer.hear(spec.Basic.Nack) == spec.Basic.Nack(1, False, True)
        assert peer.hear(spec.Basic.Nack) == spec.Basic.Nack(2, True, False)
        assert peer.hear(spec.Basic.Reject) == spec.Basic.Reject(3, True)
        assert peer.hear(spec.Basic.Reject) == spec.Basic.Reject(4, False)
        assert peer.hear(spec.Basic.Ack) == spec.Basic.Ack(0, True)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.basic_nack(1)
        channel.basic_nack(2, True, False)
        channel.basic_reject(3)
        channel.basic_reject(4, requeue=False)
        channel.basic_ack(multiple=True)


@pytest.mark.parametrize('call', [
    lambda ch: ch.queue_declare('x' * 256),
    lambda ch: ch.basic_ack('1'),
    lambda ch: ch.basic_ack(0),
    lambda ch: ch.basic_publish('', 'q', 5),
    lambda ch: ch.basic_publish('', 'q', b'', spec.BasicProperties(priority=300)),
    lambda ch: ch.basic_publish('', 'q', b'', spec.BasicProperties(expiration=1000)),
    lambda ch: ch.basic_publish('', 'q', b'', spec.BasicProperties(headers={'a': [{
        'b': {1}
    }]})),
    lambda ch: ch.basic_consume('q', None),
    lambda ch: ch.basic_consume('q', print, consumer_tag=5),
    lambda ch: ch.add_on_return_callback(None),
    lambda ch: ch.add_on_cancel_callback(None),
    lambda ch: ch.connection.channel(0),
    lambda ch: ch.connection.channel(1),
    lambda ch: ch.connection.channel('2'),
])
def test_values_that_cannot_be_sent(serve, call):
    """They raise before a byte is sent, and channel and connection go on."""
    with BlockingConnection(serve(lambda peer: (peer.open_channel(), peer.close()))) as connection:
        channel = connection.channel()
        with pytest.raises((TypeError, ValueError)) as caught:
            call(channel)
        assert str(caught.value)
        assert channel.is_open


def test_channel_closed_by_the_broker_while_a_call_waits(serve):
    """The call raises the reason; later ones are of the wrong state, with the reason chained."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Queue.Declare)
        peer.say(NOT_FOUND)
        peer.hear(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
            channel.queue_declare('q', passive=True)
        assert caught.value.reply_code == 404
        with pytest.raises(exceptions.ChannelWrongStateError) as again:
            channel.queue_declare('q', passive=True)
        assert again.value.__cause__ is caught.value
        connection.process_data_events(0)  # somebody was told already


def test_channel_closed_by_the_broker_while_idle(serve):
    """process_data_events raises, for one channel at a time, and once."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Channel.Open)
        peer.say(spec.Channel.OpenOk(), channel=2)
        peer.say(NOT_FOUND)
        peer.say(spec.Channel.Close(406, 'PRECONDITION_FAILED', 60, 80), channel=2)
        peer.hear_until(spec.Channel.CloseOk)
        peer.hear_until(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channels = [connection.channel(), connection.channel()]
        codes = []
        for _ in range(2):
            with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
                connection.process_data_events(5)
            codes.append(caught.value.reply_code)
        assert codes == [404, 406]
        assert all(channel.is_closed for channel in channels)
        connection.process_data_events(0)


def test_a_call_on_a_channel_that_is_closed_tells_of_it(serve):
    """Then process_data_events does not tell again: the program may have another by then."""

    def play(peer):
        peer.open_channel()
        peer.say(NOT_FOUND)
        peer.hear(spec.Channel.Open)
        peer.say(spec.Channel.OpenOk(), channel=2)
        peer.hear(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        connection.channel(2)
        connection._driver.pull()
        with pytest.raises(exceptions.ChannelWrongStateError) as caught:
            channel.queue_purge('q')
        assert isinstance(caught.value.__cause__, exceptions.ChannelClosedByBroker)
        connection.process_data_events(0)


def test_closed_channel_never_acts_on_a_number_that_is_used_again(serve):
    """Rule 16."""

    def play(peer):
        peer.open_channel()
        peer.say(NOT_FOUND)
        peer.hear(spec.Channel.CloseOk)
        peer.hear(spec.Channel.Open)
        peer.say(spec.Channel.OpenOk())
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        stale = connection.channel()
        with pytest.raises(exceptions.ChannelClosedByBroker):
            connection.process_data_events(5)
        fresh = connection.channel()
        assert int(fresh) == fresh.channel_number == stale.channel_number == 1
        for call in (lambda: stale.basic_publish('', 'q', b''), lambda: stale.basic_ack(1),
                     lambda: stale.basic_nack(1), lambda: stale.queue_purge('q'),
                     lambda: stale.basic_get('q'), lambda: stale.basic_consume('q', print),
                     lambda: next(stale.consume('q')), stale.close, stale.confirm_delivery,
                     stale.start_consuming):
            with pytest.raises(exceptions.ChannelWrongStateError):
                call()
        stale.stop_consuming()
        assert stale.cancel() == 0 and stale.basic_cancel('x') == []
        assert fresh.is_open


def test_close_that_crosses_a_close_of_the_broker(serve):
    """Rule 15; what the program did wrong is not passed over."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Channel.Close)
        peer.say(NOT_FOUND)
        peer.hear(spec.Channel.CloseOk)
        peer.say(spec.Channel.CloseOk())
        peer.hear(spec.Connection.Close)
        peer.say(spec.Connection.Close(541, 'INTERNAL_ERROR', 0, 0), channel=0)
        peer.hear(spec.Connection.CloseOk)
        peer.say(spec.Connection.CloseOk(), channel=0)
        peer.hear_end()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    with pytest.raises(exceptions.ChannelClosedByBroker):
        channel.close()
    with pytest.raises(exceptions.ConnectionClosedByBroker):
        connection.close()
    assert connection.is_closed and channel.is_closed


def test_close(serve):

    def play(peer):
        peer.open_channel()
        assert peer.hear(spec.Channel.Close) == spec.Channel.Close(0, 'Normal shutdown', 0, 0)
        peer.say(spec.Channel.CloseOk())
        assert peer.hear(spec.Connection.Close) == spec.Connection.Close(
            200, 'Normal shutdown', 0, 0)
        peer.say(spec.Connection.CloseOk(), channel=0)
        peer.hear_end()

    with BlockingConnection(serve(play)) as connection:
        with connection.channel() as channel:
            assert channel.is_open and not channel.is_closed
        assert channel.is_closed and not channel.is_open
        assert connection.is_open and not connection.is_closed
    assert connection.is_closed and not connection.is_open
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.close()


def test_close_of_a_connection_that_the_broker_leaves_unanswered(serve, monkeypatch):
    """Rule 18."""
    monkeypatch.setattr('pika.protocol.CLOSE_TIMEOUT', 0.2)

    def play(peer):
        peer.handshake()
        peer.hear(spec.Connection.Close)
        peer.hear_end()

    started = time.monotonic()
    BlockingConnection(serve(play)).close()
    assert 0.2 <= time.monotonic() - started < 8


def test_confirms(serve):
    """Rules 23 and 24: a return belongs to the publish that waits, and comes before its ack."""

    def returned(body):
        method = spec.Basic.Return(312, 'NO_ROUTE', '', 'q')
        return b''.join(pika_testing.message_frames(1, method, body=body))

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Confirm.Select)
        peer.say(spec.Confirm.SelectOk())
        peer.hear_message()
        peer.say(spec.Basic.Ack(1))
        peer.hear_message()
        peer.socket.sendall(returned(b'2'))
        peer.say(spec.Basic.Ack(2))
        peer.hear_message()
        peer.say(spec.Basic.Nack(3))
        peer.hear_message()
        peer.socket.sendall(returned(b'4'))
        peer.say(spec.Basic.Nack(4))
        peer.hear_message()
        peer.say(spec.Basic.Ack(5, True))
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        channel.add_on_return_callback(lambda *args: seen.append(args))
        channel.confirm_delivery()
        channel.confirm_delivery()
        assert channel.basic_publish('', 'q', b'1', mandatory=True) is None
        with pytest.raises(exceptions.UnroutableError) as caught:
            channel.basic_publish('', 'q', b'2', mandatory=True)
        [message] = caught.value.messages
        assert type(message) is ReturnedMessage
        assert (message.method.reply_code, message.body) == (312, b'2')
        assert isinstance(message.properties, spec.BasicProperties)
        with pytest.raises(exceptions.NackError) as caught:
            channel.basic_publish('', 'q', b'3')
        assert caught.value.messages == []
        with pytest.raises(exceptions.NackError) as caught:
            channel.basic_publish('', 'q', b'4', mandatory=True)
        assert [message.body for message in caught.value.messages] == [b'4']
        channel.basic_publish('', 'q', b'5')
        assert seen == []
        connection.process_data_events(0)
        assert [(args[0], args[3]) for args in seen] == [(channel, b'2'), (channel, b'4')]


def test_channel_closed_while_a_confirm_is_awaited(serve):

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Confirm.Select)
        peer.say(spec.Confirm.SelectOk())
        peer.hear_message()
        peer.say(NOT_FOUND)
        peer.hear(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(exceptions.ChannelClosedByBroker):
            channel.basic_publish('nowhere', 'q', b'1')


def test_returns_without_confirms_reach_the_callback(serve):

    def play(peer):
        peer.open_channel()
        peer.hear_message()
        method = spec.Basic.Return(312, 'NO_ROUTE', '', 'q')
        peer.socket.sendall(b''.join(pika_testing.message_frames(1, method, body=b'back')))
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        channel.add_on_return_callback(lambda *args: seen.append(args))
        channel.basic_publish('', 'q', b'back', mandatory=True)
        connection.process_data_events(5)
        [(got, method, properties, body)] = seen
        assert got is channel
        assert (method.reply_code, body) == (312, b'back')


def test_stream_lost_while_a_call_waits(serve):

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Queue.Purge)

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    with pytest.raises(exceptions.StreamLostError) as caught:
        channel.queue_purge('q')
    assert '127.0.0.1' in str(caught.value)


def test_broken_frame_while_a_call_waits(serve):
    """Rule 13: not a byte goes out after it."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Queue.Purge)
        peer.socket.sendall(frame.method_frame(1, spec.Queue.PurgeOk(0))[:-1] + b'x')
        peer.hear_end()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    with pytest.raises(exceptions.ProtocolViolationError):
        channel.queue_purge('q')


def test_violated_protocol_while_a_call_waits(serve):
    """Rule 13: the broker is told why before the connection ends."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Queue.Purge)
        peer.say(spec.Basic.QosOk())
        assert peer.hear(spec.Connection.Close).reply_code == 503
        peer.hear_end()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    with pytest.raises(exceptions.ProtocolViolationError):
        channel.queue_purge('q')


def test_instrumentation_finds_what_it_looks_for(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.consume()
        peer.deliver(b'1')
        peer.close()

    seen = []
    with BlockingConnection(serve(play)) as connection:
        connection.mine = channel = connection.channel()
        channel.mine = True
        tag = channel.basic_consume('q', seen.append)
        channel._consumer_infos[tag].on_message_callback = lambda *message: seen.append('wrapped')
        messages = channel.consume('q2')
        assert inspect.isgenerator(messages)
        next(messages)
        info = channel._consumer_infos[channel.consumer_tags[1]]
        assert info.consumer_tag == channel.consumer_tags[1]
        assert len(info.pending_events) == 0
