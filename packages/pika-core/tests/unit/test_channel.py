"""`pika.channel`: what each method sends, what its callback gets, and which states refuse it."""

from __future__ import annotations

import inspect

import pytest
from pika import exceptions, frame, spec
from pika.channel import Channel
from pika.exchange_type import ExchangeType


@pytest.fixture
def channel(connection, calls):
    channel = connection.open_channel()
    del calls[:]
    return channel


def deliver(tag, consumer_tag='c'):
    return spec.Basic.Deliver(consumer_tag, tag, False, '', 'q')


# Opening and closing.


def test_channel_opens(connection, log, calls):
    del calls[:]
    channel = connection.channel(on_open_callback=log('open'))
    assert (channel.is_opening, channel.is_open, channel.is_closed) == (True, False, False)
    assert int(channel) == channel.channel_number == 1
    with pytest.raises(exceptions.ChannelWrongStateError,
                       match='^Channel is opening, but is not usable yet.$'):
        channel.queue_declare('q')
    assert isinstance(connection.sent()[0], spec.Channel.Open)
    connection.hears(spec.Channel.OpenOk())
    assert calls == [('open', channel)]
    assert channel.is_open and not channel.is_opening
    assert repr(channel) == '<Channel number=1 OPEN>'
    with pytest.raises(exceptions.ChannelWrongStateError):
        channel.open()


def test_channel_is_a_context_manager(connection, channel):
    with channel as entered:
        assert entered is channel
    assert channel.is_closing
    with channel:  # closes no second time
        pass
    assert [type(method) for method in connection.sent()] == [spec.Channel.Close]


def test_channel_numbers(connection):
    assert [connection.channel().channel_number for _ in range(3)] == [1, 2, 3]
    assert connection.channel(7).channel_number == 7
    for wrong in (7, 0x10000, -1):
        with pytest.raises(ValueError, match='channel_number'):
            connection.channel(wrong)
    with pytest.raises(TypeError, match='channel_number'):
        connection.channel('8')


def test_client_closes_channel(connection, channel, log, calls):
    channel.add_on_close_callback(log('close'))
    channel.basic_consume('q', log('message'), consumer_tag='c')
    channel.close(200, 'bye')
    assert channel.is_closing
    for refused in (channel.close, lambda: channel.basic_get('q', print)):
        with pytest.raises(exceptions.ChannelWrongStateError, match='^Channel is closing.$'):
            refused()
    assert [type(method) for method in connection.sent()
           ] == [spec.Basic.Consume, spec.Channel.Close]
    connection.hears(spec.Channel.CloseOk())
    (name, who, reason), = calls
    assert (name, who) == ('close', channel)
    assert isinstance(reason, exceptions.ChannelClosedByClient)
    assert (reason.reply_code, reason.reply_text) == (200, 'bye')
    assert channel.is_closed and channel.consumer_tags == []
    assert connection.is_open


def test_client_closes_channel_that_is_opening(connection, log, calls):
    del calls[:]
    channel = connection.channel(on_open_callback=log('open'))
    channel.add_on_close_callback(log('close'))
    channel.close()
    connection.hears(spec.Channel.OpenOk(), spec.Channel.CloseOk())
    assert [name for name, *_ in calls] == ['close']


def test_broker_closes_channel(connection, channel, log, calls):
    channel.add_on_close_callback(log('close'))
    channel.queue_declare('q', passive=True, callback=log('declared'))
    connection.hears(spec.Channel.Close(404, "NOT_FOUND - no queue 'q'", 50, 10))
    (name, _, reason), = calls
    assert name == 'close'
    assert isinstance(reason, exceptions.ChannelClosedByBroker)
    with pytest.raises(exceptions.ChannelWrongStateError, match='^Channel is closed.$') as info:
        channel.basic_publish('', 'q', b'')
    assert info.value.__cause__ is reason
    with pytest.raises(exceptions.ChannelWrongStateError):
        channel.close()


def test_stale_channel_never_acts_on_a_number_in_use_again(connection, channel):
    connection.hears(spec.Channel.Close(406, 'no', 0, 0))
    again = connection.open_channel()
    assert again.channel_number == channel.channel_number
    for refused in (channel.close, channel.open, channel.basic_ack,
                    lambda: channel.basic_publish('', 'q', b''),
                    lambda: channel.queue_declare('q')):
        with pytest.raises(exceptions.ChannelWrongStateError):
            refused()
    assert connection.sent() == []
    assert again.is_open


def test_lost_connection_closes_channels(connection, channel, log, calls):
    channel.add_on_close_callback(log('close'))
    channel.basic_get('q', log('got'))
    connection.eof_received()
    assert [name for name, *_ in calls] == ['close', 'close']
    assert calls[0][1] is channel
    assert isinstance(calls[0][2], exceptions.StreamLostError)


@pytest.mark.parametrize('name, arguments', [
    ('basic_ack', (1,)),
    ('basic_nack', (1,)),
    ('basic_reject', (1,)),
    ('basic_publish', ('', 'q', b'')),
    ('basic_consume', ('q', print)),
    ('basic_cancel', ('c',)),
    ('basic_get', ('q', print)),
    ('basic_qos', ()),
    ('queue_declare', ('q',)),
])
def test_channel_that_is_not_open_refuses(connection, name, arguments):
    channel = connection.channel()
    connection.sent()
    with pytest.raises(exceptions.ChannelWrongStateError, match='is opening'):
        getattr(channel, name)(*arguments)
    assert connection.sent() == []


# Calls: the method sent, the answer, what the callback gets.

NOWAIT = [
    ('queue_declare', ('q',), spec.Queue.DeclareOk('q', 1, 2)),
    ('queue_bind', ('q', 'e'), spec.Queue.BindOk()),
    ('queue_purge', ('q',), spec.Queue.PurgeOk(3)),
    ('queue_delete', ('q',), spec.Queue.DeleteOk(3)),
    ('exchange_declare', ('e',), spec.Exchange.DeclareOk()),
    ('exchange_delete', ('e',), spec.Exchange.DeleteOk()),
    ('exchange_bind', ('to', 'from'), spec.Exchange.BindOk()),
    ('exchange_unbind', ('to', 'from'), spec.Exchange.UnbindOk()),
]
ANSWERED = [
    ('queue_unbind', ('q', 'e'), spec.Queue.UnbindOk()),
    ('basic_qos', (0, 10), spec.Basic.QosOk()),
    ('basic_recover', (True,), spec.Basic.RecoverOk()),
    ('tx_select', (), spec.Tx.SelectOk()),
    ('tx_commit', (), spec.Tx.CommitOk()),
    ('tx_rollback', (), spec.Tx.RollbackOk()),
]


@pytest.mark.parametrize('name, arguments, answer', NOWAIT + ANSWERED)
def test_callback_gets_the_frame_of_the_answer(connection, channel, log, calls, name, arguments,
                                               answer):
    getattr(channel, name)(*arguments, callback=log('done'))
    method, = connection.sent()
    assert not getattr(method, 'nowait', False)
    connection.hears(answer)
    assert calls == [('done', frame.Method(1, answer))]


@pytest.mark.parametrize('name, arguments, answer', NOWAIT)
def test_no_callback_is_nowait(connection, channel, name, arguments, answer):
    getattr(channel, name)(*arguments)
    assert connection.sent()[0].nowait is True


@pytest.mark.parametrize('name, arguments, answer', ANSWERED)
def test_answer_without_callback_is_dropped(connection, channel, calls, name, arguments, answer):
    getattr(channel, name)(*arguments)
    connection.hears(answer)
    assert calls == []
    assert connection.is_open


@pytest.mark.parametrize(
    'name, arguments, answer', NOWAIT + ANSWERED + [
        ('basic_cancel', ('c',), None),
        ('basic_get', ('q',), None),
        ('basic_consume', ('q', print), None),
        ('confirm_delivery', (print,), None),
        ('flow', (True,), None),
    ])
def test_what_cannot_be_called_is_refused(connection, channel, name, arguments, answer):
    with pytest.raises(TypeError, match='callback must be callable'):
        getattr(channel, name)(*arguments, **{'callback': 'no'})
    assert connection.sent() == []


@pytest.mark.parametrize('name, arguments', [
    ('basic_consume', ('q', None)),
    ('confirm_delivery', (None,)),
    ('add_callback', (None, [])),
    ('add_on_cancel_callback', (None,)),
    ('add_on_close_callback', (None,)),
    ('add_on_flow_callback', (None,)),
    ('add_on_return_callback', (None,)),
])
def test_what_must_be_called_is_needed(channel, name, arguments):
    with pytest.raises(TypeError, match='must be callable'):
        getattr(channel, name)(*arguments)


def test_arguments_go_where_they_belong(connection, channel):
    table = {'x-max-length': 3}
    channel.queue_declare('q', True, True, True, True, table)
    channel.queue_bind('q', 'e', 'k', table)
    channel.queue_unbind('q', 'e', 'k', table)
    connection.hears(spec.Queue.UnbindOk())
    channel.queue_delete('q', True, True)
    channel.exchange_declare('e', ExchangeType.topic, True, True, True, True, table)
    channel.exchange_declare('e')
    channel.exchange_delete('e', True)
    channel.exchange_bind('to', 'from', 'k', table)
    channel.exchange_unbind('to', 'from', 'k', table)
    channel.basic_qos(1, 2, True)
    connection.hears(spec.Basic.QosOk())
    channel.basic_recover(True)
    connection.hears(spec.Basic.RecoverOk())
    channel.basic_nack(5, True, False)
    channel.basic_reject(6, False)
    channel.basic_ack(0, True)
    assert connection.sent() == [
        spec.Queue.Declare(0, 'q', True, True, True, True, True, table),
        spec.Queue.Bind(0, 'q', 'e', 'k', True, table),
        spec.Queue.Unbind(0, 'q', 'e', 'k', table),
        spec.Queue.Delete(0, 'q', True, True, True),
        spec.Exchange.Declare(0, 'e', 'topic', True, True, True, True, True, table),
        spec.Exchange.Declare(0, 'e', 'direct', nowait=True, arguments={}),
        spec.Exchange.Delete(0, 'e', True, True),
        spec.Exchange.Bind(0, 'to', 'from', 'k', True, table),
        spec.Exchange.Unbind(0, 'to', 'from', 'k', True, table),
        spec.Basic.Qos(1, 2, True),
        spec.Basic.Recover(True),
        spec.Basic.Nack(5, True, False),
        spec.Basic.Reject(6, False),
        spec.Basic.Ack(0, True),
    ]


@pytest.mark.parametrize('name', ['basic_ack', 'basic_nack', 'basic_reject'])
def test_answer_to_a_delivery_outside_a_callback_is_sent(connection, channel, name):
    getattr(channel, name)(7)
    assert [method.delivery_tag for method in connection.sent()] == [7]


def test_routing_key_none_is_the_name_of_the_queue(connection, channel):
    channel.queue_bind('q', 'e')
    channel.queue_bind('q', 'e', '')
    channel.queue_unbind('q', 'e')
    assert [method.routing_key for method in connection.sent()] == ['q', '', 'q']


def test_calls_wait_for_the_answer_to_the_one_before(connection, channel, log, calls):
    channel.queue_declare('', exclusive=True, callback=log('declared'))
    channel.queue_bind('q', 'e')
    channel.basic_qos(prefetch_count=1, callback=log('qos'))
    channel.basic_publish('', 'q', b'at once')
    assert [type(item).__name__ for item in connection.sent()
           ] == ['Declare', 'Publish', 'Header', 'Body']
    connection.hears(spec.Queue.DeclareOk('q', 0, 0))
    assert [type(item).__name__ for item in connection.sent()] == ['Bind', 'Qos']
    connection.hears(spec.Basic.QosOk())
    assert [name for name, *_ in calls] == ['declared', 'qos']


@pytest.mark.parametrize('name, arguments, path', [
    ('queue_declare', ('q' * 256,), 'queue'),
    ('queue_declare', (1,), 'queue'),
    ('queue_declare', ('q', False, False, False, False, {
        'a': [{
            'b': object()
        }]
    }), r'arguments.a\[0\].b'),
    ('basic_publish', ('', 'k' * 256, b''), 'routing_key'),
    ('basic_publish', ('', 'q', 1), 'body'),
    ('basic_publish', ('', 'q', b'', spec.BasicProperties(priority=300)), 'priority'),
    ('basic_ack', ('1',), 'delivery_tag'),
    ('basic_ack', (0,), 'delivery_tag'),
    ('basic_qos', (0, 65536), 'prefetch_count'),
    ('basic_consume', ('q' * 256, print), 'queue'),
])
def test_values_that_do_not_fit_are_refused_before_a_byte_is_sent(connection, channel, name,
                                                                  arguments, path):
    with pytest.raises((TypeError, ValueError), match=path):
        getattr(channel, name)(*arguments)
    assert connection.sent() == []
    assert channel.consumer_tags == []


def test_flow(connection, channel, log, calls):
    channel.flow(True, callback=log('flow'))
    assert connection.sent() == [spec.Channel.Flow(True)]
    connection.hears(spec.Channel.FlowOk(True))
    assert calls == [('flow', True)]


def test_broker_asks_for_flow(connection, channel, log, calls):
    channel.add_on_flow_callback(log('flow'))
    connection.hears(spec.Channel.Flow(False))
    assert channel.flow_active is False
    assert calls == [('flow', frame.Method(1, spec.Channel.Flow(False)))]
    assert connection.sent() == [spec.Channel.FlowOk(False)]


# Messages.


def test_consume_and_cancel(connection, channel, log, calls, message):
    tag = channel.basic_consume('q',
                                log('message'),
                                auto_ack=True,
                                exclusive=True,
                                consumer_tag='c',
                                arguments={'x-priority': 1},
                                callback=log('consuming'))
    assert tag == 'c'
    assert connection.sent() == [
        spec.Basic.Consume(0, 'q', 'c', False, True, True, False, {'x-priority': 1})
    ]
    connection.hears(spec.Basic.ConsumeOk('c'))
    assert calls.pop() == ('consuming', frame.Method(1, spec.Basic.ConsumeOk('c')))
    assert channel.consumer_tags == ['c']
    connection.data_received(
        message(deliver(1), b'hello', spec.BasicProperties(content_type='text/plain')))
    (name, who, method, properties, body), = calls
    assert (name, who, body) == ('message', channel, b'hello')
    assert method == deliver(1)
    assert properties.content_type == 'text/plain'
    del calls[:]
    channel.basic_cancel('c', callback=log('cancelled'))
    assert channel.consumer_tags == []
    assert connection.sent() == [spec.Basic.Cancel('c')]
    connection.hears(spec.Basic.CancelOk('c'))
    assert calls == [('cancelled', frame.Method(1, spec.Basic.CancelOk('c')))]


def test_consumer_tags_are_made(channel):
    tags = [channel.basic_consume('q', print) for _ in range(3)]
    assert len(set(tags)) == 3
    assert channel.consumer_tags == tags
    with pytest.raises(exceptions.DuplicateConsumerTag):
        channel.basic_consume('q', print, consumer_tag=tags[0])


@pytest.mark.parametrize('call', [
    lambda channel, **how: channel.queue_declare('q', **how),
    lambda channel, **how: channel.queue_bind('q', 'e', **how),
    lambda channel, **how: channel.queue_purge('q', **how),
    lambda channel, **how: channel.queue_delete('q', **how),
    lambda channel, **how: channel.exchange_declare('e', **how),
    lambda channel, **how: channel.exchange_bind('e', 'f', **how),
    lambda channel, **how: channel.exchange_unbind('e', 'f', **how),
    lambda channel, **how: channel.exchange_delete('e', **how),
    lambda channel, **how: channel.confirm_delivery(print, **how),
    lambda channel, **how: channel.basic_cancel(channel.consumer_tags[0], **how),
])
def test_nowait_as_a_keyword(connection, channel, call, log):
    connection.hears(spec.Basic.ConsumeOk(channel.basic_consume('q', log('message'))))
    connection.sent()
    with pytest.raises(ValueError, match='nowait must be False or None'):
        call(channel, callback=log('reply'), nowait=True)
    assert connection.sent() == []
    call(channel, nowait=False)
    assert [method.nowait for method in connection.sent()] == [False]


def test_nowait_true_without_a_callback(connection, channel):
    channel.queue_declare('q', nowait=True)
    channel.queue_declare('r', callback=print, nowait=False)
    assert [method.nowait for method in connection.sent()] == [True, False]


def test_cancel_without_callback_is_nowait(connection, channel):
    channel.basic_consume('q', print, consumer_tag='c')
    connection.hears(spec.Basic.ConsumeOk('c'))
    connection.sent()
    channel.basic_cancel('c')
    assert connection.sent() == [spec.Basic.Cancel('c', True)]


def test_cancel_of_an_unknown_tag_is_nothing(connection, channel, log):
    channel.basic_cancel('unknown', callback=log('cancelled'))
    assert connection.sent() == []


def test_delivery_after_cancel_goes_back(connection, channel, log, calls, message):
    """Rule 29."""
    channel.basic_consume('q', log('message'), consumer_tag='c')
    connection.hears(spec.Basic.ConsumeOk('c'))
    channel.basic_cancel('c', callback=log('cancelled'))
    connection.sent()
    connection.data_received(message(deliver(1)))
    assert calls == []
    assert connection.sent() == [spec.Basic.Reject(1, True)]


def test_broker_cancels_a_consumer(connection, channel, log, calls):
    channel.add_on_cancel_callback(log('cancelled'))
    channel.basic_consume('q', print, consumer_tag='c')
    connection.hears(spec.Basic.ConsumeOk('c'), spec.Basic.Cancel('c'))
    assert calls == [('cancelled', frame.Method(1, spec.Basic.Cancel('c')))]
    assert channel.consumer_tags == []


def test_get(connection, channel, log, calls, message):
    channel.basic_get('q', log('got'), auto_ack=True)
    with pytest.raises(exceptions.DuplicateGetOkCallback):
        channel.basic_get('q', log('again'))
    assert connection.sent() == [spec.Basic.Get(0, 'q', True)]
    method = spec.Basic.GetOk(1, False, '', 'q', 5)
    connection.data_received(message(method, b'hello'))
    assert calls == [('got', channel, method, spec.BasicProperties(), b'hello')]
    channel.basic_get('q', log('got'))


def test_get_on_an_empty_queue(connection, channel, log, calls):
    channel.add_callback(log('empty'), [spec.Basic.GetEmpty])
    for _ in range(2):
        channel.basic_get('q', log('got'))
        connection.hears(spec.Basic.GetEmpty())
    assert [name for name, *_ in calls] == ['empty']
    assert isinstance(calls[0][1].method, spec.Basic.GetEmpty)


def test_added_callbacks(connection, channel, log, calls):
    channel.add_callback(log('once'), [spec.Queue.DeclareOk, spec.Basic.QosOk])
    channel.add_callback(
        log('always'), [spec.Queue.DeclareOk, spec.Channel.Flow, spec.Basic.Cancel, spec.Basic.Ack],
        one_shot=False)
    for _ in range(2):
        channel.queue_declare('q', callback=log('declared'))
        connection.hears(spec.Queue.DeclareOk('q', 0, 0))
    assert [name for name, *_ in calls] == ['declared', 'once', 'always', 'declared', 'always']
    del calls[:]
    channel.confirm_delivery(log('confirm'))
    channel.basic_publish('', 'q', b'')
    channel.basic_consume('q', print, consumer_tag='c')
    connection.hears(spec.Channel.Flow(True), spec.Basic.ConsumeOk('c'), spec.Basic.Cancel('c'),
                     spec.Basic.Ack(1))
    assert [name for name, *_ in calls] == ['always', 'always', 'confirm', 'always']


def test_confirms(connection, channel, log, calls):
    channel.confirm_delivery(log('confirm'), callback=log('selected'))
    connection.hears(spec.Confirm.SelectOk())
    assert calls.pop(0)[0] == 'selected'
    for _ in range(3):
        channel.basic_publish('', 'q', b'')
    connection.hears(spec.Basic.Ack(2, True), spec.Basic.Nack(3))
    assert calls == [('confirm', frame.Method(1, spec.Basic.Ack(2, True))),
                     ('confirm', frame.Method(1, spec.Basic.Nack(3)))]


def test_confirms_twice(connection, channel, log, calls):
    both = log('both')
    for callback in (both, both, log('other')):
        channel.confirm_delivery(callback)
    assert [method.nowait for method in connection.sent()] == [True] * 3
    channel.basic_publish('', 'q', b'')
    connection.hears(spec.Basic.Ack(1))
    assert [name for name, *_ in calls] == ['both', 'other']


def test_confirms_of_a_broker_that_has_none(make):
    connection = make().connected()
    connection.hears(spec.Connection.Start(), spec.Connection.Tune(), channel=0)
    connection.hears(spec.Connection.OpenOk(), channel=0)
    with pytest.raises(exceptions.MethodNotImplemented):
        connection.open_channel().confirm_delivery(print)


def test_returned_message(connection, channel, log, calls, message):
    channel.add_on_return_callback(log('returned'))
    channel.basic_publish('', 'nowhere', b'body', mandatory=True)
    method = spec.Basic.Return(312, 'NO_ROUTE', '', 'nowhere')
    connection.data_received(message(method))
    assert calls == [('returned', channel, method, spec.BasicProperties(), b'body')]


# Names and defaults of pika 1.x.


@pytest.mark.parametrize('name, expected', [
    ('basic_ack', 'delivery_tag=0, multiple=False'),
    ('basic_cancel', "consumer_tag='', callback=None"),
    ('basic_consume', 'queue, on_message_callback, auto_ack=False, exclusive=False, '
     'consumer_tag=None, arguments=None, callback=None'),
    ('basic_get', 'queue, callback, auto_ack=False'),
    ('basic_nack', 'delivery_tag=0, multiple=False, requeue=True'),
    ('basic_publish', 'exchange, routing_key, body, properties=None, mandatory=False'),
    ('basic_qos', 'prefetch_size=0, prefetch_count=0, global_qos=False, callback=None'),
    ('basic_recover', 'requeue=False, callback=None'),
    ('basic_reject', 'delivery_tag=0, requeue=True'),
    ('close', "reply_code=0, reply_text='Normal shutdown'"),
    ('confirm_delivery', 'ack_nack_callback, callback=None'),
    ('exchange_bind', "destination, source, routing_key='', arguments=None, callback=None"),
    ('exchange_delete', 'exchange=None, if_unused=False, callback=None'),
    ('exchange_unbind', "destination=None, source=None, routing_key='', arguments=None, "
     'callback=None'),
    ('flow', 'active, callback=None'),
    ('queue_bind', 'queue, exchange, routing_key=None, arguments=None, callback=None'),
    ('queue_declare', 'queue, passive=False, durable=False, exclusive=False, auto_delete=False, '
     'arguments=None, callback=None'),
    ('queue_delete', 'queue, if_unused=False, if_empty=False, callback=None'),
    ('queue_purge', 'queue, callback=None'),
    ('queue_unbind', 'queue, exchange=None, routing_key=None, arguments=None, callback=None'),
    ('add_callback', 'callback, replies, one_shot=True'),
])
def test_signature(name, expected):
    parameters = list(inspect.signature(getattr(Channel, name)).parameters.values())[1:]
    shown = [
        parameter.name if parameter.default is inspect.Parameter.empty else
        f'{parameter.name}={parameter.default!r}'
        for parameter in parameters
        if parameter.kind is not parameter.KEYWORD_ONLY  # not of pika 1.x
    ]
    assert ', '.join(shown) == expected
