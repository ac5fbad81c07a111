"""The operations of a channel on RabbitMQ, plain and over TLS."""

from __future__ import annotations

import threading
import time

import pytest
from pika import exceptions, frame, spec
from pika.exchange_type import ExchangeType

# A frame of the usual 131,072 bytes has room for this much of a body.
ONE_FRAME = 131_072 - 8


def wait_for_messages(channel, queue: str, count: int) -> None:
    """Until the queue has so many messages."""
    deadline = time.monotonic() + 10
    while channel.queue_declare(queue, passive=True).method.message_count != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Declaring.


def test_queues(channel, unique_name):
    """Rule 20: each call returns its own answer."""
    declared = channel.queue_declare(unique_name, exclusive=True)
    assert isinstance(declared, frame.Method)
    assert declared.method == spec.Queue.DeclareOk(unique_name, 0, 0)
    channel.basic_publish('', unique_name, b'1')
    wait_for_messages(channel, unique_name, 1)
    assert channel.queue_purge(unique_name).method.message_count == 1
    channel.basic_publish('', unique_name, b'2')
    wait_for_messages(channel, unique_name, 1)
    assert channel.queue_delete(unique_name).method.message_count == 1
    assert isinstance(channel.queue_delete(unique_name).method, spec.Queue.DeleteOk)


def test_exchanges_and_bindings(channel, queue, unique_name):
    """Rule 9: exchange to exchange bindings."""
    source, destination = f'{unique_name}-1', f'{unique_name}-2'
    answer = channel.exchange_declare(source, ExchangeType.topic, auto_delete=True)
    assert isinstance(answer.method, spec.Exchange.DeclareOk)
    channel.exchange_declare(destination, 'fanout', auto_delete=True)
    answer = channel.exchange_bind(destination, source, 'a.*')
    assert isinstance(answer.method, spec.Exchange.BindOk)
    assert isinstance(channel.queue_bind(queue, destination).method, spec.Queue.BindOk)
    for key in ('a.1', 'b.1'):
        channel.basic_publish(source, key, key)
    wait_for_messages(channel, queue, 1)
    assert channel.basic_get(queue, auto_ack=True)[2] == b'a.1'
    answer = channel.exchange_unbind(destination, source, 'a.*')
    assert isinstance(answer.method, spec.Exchange.UnbindOk)
    assert isinstance(channel.queue_unbind(queue, destination).method, spec.Queue.UnbindOk)
    assert isinstance(channel.exchange_delete(source).method, spec.Exchange.DeleteOk)


def test_binding_without_a_routing_key_takes_the_name_of_the_queue(channel, queue, unique_name):
    channel.exchange_declare(unique_name, auto_delete=True)
    channel.queue_bind(queue, unique_name)
    channel.basic_publish(unique_name, queue, b'1')
    wait_for_messages(channel, queue, 1)


def test_transactions(channel, queue):
    """Rule 25."""
    assert isinstance(channel.tx_select().method, spec.Tx.SelectOk)
    channel.basic_publish('', queue, b'1')
    assert isinstance(channel.tx_rollback().method, spec.Tx.RollbackOk)
    channel.basic_publish('', queue, b'2')
    assert isinstance(channel.tx_commit().method, spec.Tx.CommitOk)
    assert channel.basic_get(queue, auto_ack=True)[2] == b'2'
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.confirm_delivery()
    assert caught.value.reply_code == 406


def test_flow_qos_recover(channel, queue):
    assert channel.flow(True) is True
    assert channel.basic_qos(prefetch_count=1) is None
    channel.basic_publish('', queue, b'1')
    wait_for_messages(channel, queue, 1)
    assert channel.basic_get(queue)[0].redelivered is False
    assert channel.basic_recover(requeue=True) is None
    assert channel.basic_get(queue)[0].redelivered is True


# Publishing and getting.


@pytest.mark.parametrize('size', [0, 1, ONE_FRAME, ONE_FRAME + 1, 1 << 20])
def test_bodies(channel, queue, size):
    """Rule 12: 0 bytes are no body frame; a frame is filled exactly, and one byte more."""
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    for _ in range(2):
        channel.basic_publish('', queue, body, mandatory=True)
    wait_for_messages(channel, queue, 2)
    assert channel.basic_get(queue, auto_ack=True)[2] == body
    method, _, got = next(channel.consume(queue))
    assert got == body and type(got) is bytes
    channel.basic_ack(method.delivery_tag)


@pytest.mark.parametrize(
    'body', ['grün', 'grün'.encode(),
             bytearray('grün'.encode()),
             memoryview('grün'.encode())])
def test_kinds_of_bodies(channel, queue, body):
    channel.confirm_delivery()
    channel.basic_publish('', queue, body)
    assert channel.basic_get(queue, auto_ack=True)[2].decode() == 'grün'


def test_properties(channel, queue):
    """Rule 41."""
    properties = spec.BasicProperties(content_type='text/plain',
                                      headers={'a': [1, {
                                          'b': 2.5
                                      }]},
                                      delivery_mode=1,
                                      priority=3,
                                      correlation_id='c',
                                      expiration='60000',
                                      timestamp=1_700_000_000)
    channel.confirm_delivery()
    channel.basic_publish('', queue, b'', properties)
    method, got, _ = channel.basic_get(queue, auto_ack=True)
    assert (method.exchange, method.routing_key, method.message_count) == ('', queue, 0)
    assert got == properties


def test_get_from_an_empty_queue(channel, queue):
    assert channel.basic_get(queue) == (None, None, None)


def test_get_with_ack(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish('', queue, b'1')
    method, _, _ = channel.basic_get(queue)
    channel.basic_reject(method.delivery_tag, requeue=True)
    method, _, _ = channel.basic_get(queue)
    assert method.redelivered is True
    channel.basic_ack(method.delivery_tag)
    assert channel.basic_get(queue) == (None, None, None)


def test_return_without_confirms(connection, channel):
    """Rule 24: it reaches the callback when callbacks run."""
    seen = []
    channel.add_on_return_callback(lambda *args: seen.append(args))
    channel.basic_publish('', 'nobody', b'1', mandatory=True)
    channel.basic_publish('', 'nobody', b'2')
    connection.process_data_events(10)
    [(got, method, properties, body)] = seen
    assert got is channel
    assert (method.reply_code, method.reply_text, method.routing_key) == (312, 'NO_ROUTE', 'nobody')
    assert isinstance(properties, spec.BasicProperties)
    assert body == b'1'


@pytest.mark.parametrize('body', [b'', b'1', bytes(ONE_FRAME + 1)])
def test_unroutable_with_confirms(connection, channel, queue, body):
    """Rules 12 and 24."""
    seen = []
    channel.add_on_return_callback(lambda *args: seen.append(args))
    channel.confirm_delivery()
    with pytest.raises(exceptions.UnroutableError) as caught:
        channel.basic_publish('', 'nobody', body, mandatory=True)
    [message] = caught.value.messages
    assert message.method.reply_code == 312
    assert message.body == body
    channel.basic_publish('', 'nobody', body)
    channel.basic_publish('', queue, body, mandatory=True)
    connection.process_data_events()
    assert [args[3] for args in seen] == [body]


def test_nack(channel, unique_name):
    """Rule 23: a queue that is full refuses."""
    channel.queue_declare(unique_name,
                          exclusive=True,
                          arguments={
                              'x-max-length': 1,
                              'x-overflow': 'reject-publish'
                          })
    channel.confirm_delivery()
    channel.basic_publish('', unique_name, b'1')
    with pytest.raises(exceptions.NackError) as caught:
        channel.basic_publish('', unique_name, b'2')
    assert caught.value.messages == []
    assert channel.queue_purge(unique_name).method.message_count == 1
    channel.basic_publish('', unique_name, b'3')


def test_confirms_in_numbers(channel, queue):
    """Rule 23."""
    channel.confirm_delivery()
    for _ in range(500):
        channel.basic_publish('', queue, b'x', mandatory=True)
    assert channel.queue_purge(queue).method.message_count == 500


def test_publishes_arrive_in_order_and_all(channel, queue):
    count = 5000
    for number in range(count):
        channel.basic_publish('', queue, b'%d' % number)
    for expected, (method, _, body) in enumerate(channel.consume(queue)):
        assert body == b'%d' % expected
        channel.basic_ack(method.delivery_tag)
        if expected == count - 1:
            break
    channel.cancel()
    assert channel.queue_declare(queue, passive=True).method.message_count == 0


# Consuming.


def test_start_consuming(channel, queue):
    """Rule 27: tags of deliveries are of this channel."""
    count = 2000
    seen = []

    def on_message(got, method, properties, body):
        assert got is channel
        got.basic_ack(method.delivery_tag)
        seen.append(body)
        if len(seen) == count:
            got.stop_consuming()

    for number in range(count):
        channel.basic_publish('', queue, b'%d' % number)
    tag = channel.basic_consume(queue, on_message)
    assert channel.consumer_tags == [tag]
    channel.start_consuming()
    assert seen == [b'%d' % number for number in range(count)]
    assert channel.consumer_tags == []
    assert channel.queue_declare(queue, passive=True).method == spec.Queue.DeclareOk(queue, 0, 0)


def test_prefetch(connection, channel, queue):
    """Rule 31: for consumers that start later."""
    for number in range(10):
        channel.basic_publish('', queue, b'%d' % number)
    wait_for_messages(channel, queue, 10)
    channel.basic_qos(prefetch_count=3)
    methods = []
    channel.basic_consume(queue, lambda channel, method, *rest: methods.append(method))
    connection.sleep(0.5)
    assert len(methods) == 3
    channel.basic_ack(methods[-1].delivery_tag, multiple=True)
    connection.sleep(0.5)
    assert len(methods) == 6


def test_cancel_requeues(channel, queue):
    """Rule 29: what was delivered and not handed over goes back, in its order."""
    for number in range(10):
        channel.basic_publish('', queue, b'%d' % number)
    wait_for_messages(channel, queue, 10)
    for method, _, _ in channel.consume(queue):
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == 3:
            break
    assert channel.cancel() == 0
    wait_for_messages(channel, queue, 7)
    bodies = [channel.basic_get(queue, auto_ack=True)[2] for _ in range(7)]
    assert bodies == [b'%d' % number for number in range(3, 10)]


def test_basic_cancel(connection, channel, queue):
    """Rule 29: with auto_ack the broker has forgotten them, so the caller gets them."""
    for number in range(10):
        channel.basic_publish('', queue, b'%d' % number)
    wait_for_messages(channel, queue, 10)
    tag = channel.basic_consume(queue, print)
    assert channel.basic_cancel(tag) == []
    wait_for_messages(channel, queue, 10)
    tag = channel.basic_consume(queue, print, auto_ack=True)
    left = channel.basic_cancel(tag)
    rest = channel.queue_purge(queue).method.message_count
    assert [body for _, _, body in left] == [b'%d' % number for number in range(len(left))]
    assert len(left) + rest == 10
    assert channel.basic_cancel('no such tag') == []


def test_consume_inactivity_and_resuming(channel, queue):
    messages = channel.consume(queue, inactivity_timeout=0.1)
    assert next(messages) == (None, None, None)
    channel.basic_publish('', queue, b'1')
    channel.basic_publish('', queue, b'2')
    bodies = []
    for method, _, body in channel.consume(queue):
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == 2:
            break
    assert bodies == [b'1', b'2']


def test_consumer_of_a_queue_that_is_deleted(connection, channel, unique_name):
    """Rule 30."""
    channel.queue_declare(unique_name)
    seen = []
    channel.add_on_cancel_callback(seen.append)
    tag = channel.basic_consume(unique_name, print)
    connection.channel().queue_delete(unique_name)
    channel.start_consuming()
    assert [method_frame.method.consumer_tag for method_frame in seen] == [tag]
    channel.queue_declare(unique_name)
    messages = channel.consume(unique_name, inactivity_timeout=10)
    connection.call_later(0.1, lambda: connection.channel().queue_delete(unique_name))
    assert list(messages) == []
    assert channel.consumer_tags == []


def test_exclusive_consumer(connection, channel, queue):
    channel.basic_consume(queue, print, exclusive=True)
    other = connection.channel()
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        other.basic_consume(queue, print)
    assert caught.value.reply_code == 403
    assert other.consumer_tags == []


def test_duplicate_consumer_tag(channel, queue):
    channel.basic_consume(queue, print, consumer_tag='mine')
    with pytest.raises(exceptions.DuplicateConsumerTag):
        channel.basic_consume(queue, print, consumer_tag='mine')
    assert channel.is_open


def test_two_consumers_get_their_own_messages(connection, channel, queue):
    other = connection.channel()
    other_queue = other.queue_declare('', exclusive=True).method.queue
    seen = []
    channel.basic_consume(queue, lambda *args: seen.append((args[0], args[3])), auto_ack=True)
    other.basic_consume(other_queue, lambda *args: seen.append((args[0], args[3])), auto_ack=True)
    for number in range(20):
        channel.basic_publish('', queue, b'%d' % number)
        other.basic_publish('', other_queue, b'%d' % number)
    deadline = time.monotonic() + 10
    while len(seen) < 40 and time.monotonic() < deadline:
        connection.process_data_events(1)
    for one in (channel, other):
        assert [body for got, body in seen if got is one
               ] == [b'%d' % number for number in range(20)]


def test_reply_to(connection, channel, queue):
    """Rule 34: consume from the pseudo queue, without ack, before the request."""
    seen = []
    channel.basic_consume('amq.rabbitmq.reply-to',
                          lambda *args: seen.append(args[3]),
                          auto_ack=True)

    def on_request(got, method, properties, body):
        got.basic_publish('', properties.reply_to, b'answer to ' + body)
        got.basic_ack(method.delivery_tag)

    server = connection.channel()
    server.basic_consume(queue, on_request)
    channel.basic_publish('', queue, b'1', spec.BasicProperties(reply_to='amq.rabbitmq.reply-to'))
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        connection.process_data_events(1)
    assert seen == [b'answer to 1']


def test_callback_from_a_thread_ends_start_consuming(connection, channel, queue):
    channel.basic_consume(queue, print)
    timer = threading.Timer(0.2, connection.add_callback_threadsafe, [channel.stop_consuming])
    timer.start()
    channel.start_consuming()
    timer.join()


def test_calls_inside_a_callback(connection, channel, queue):
    seen = []

    def on_message(got, method, properties, body):
        with pytest.raises(exceptions.ReentrancyError):
            got.start_consuming()
        seen.append(got.queue_declare(queue, passive=True).method.queue)
        seen.append(got.basic_get(queue))
        other = connection.channel()
        other.confirm_delivery()
        other.basic_publish('', queue, b'again')
        other.close()
        connection.process_data_events(0)
        got.basic_ack(method.delivery_tag)
        got.stop_consuming()

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue, on_message)
    channel.basic_publish('', queue, b'1')
    channel.start_consuming()
    assert seen == [queue, (None, None, None)]
    wait_for_messages(channel, queue, 1)


def test_exception_in_a_callback(channel, queue):
    """It comes out; connection and consumer stay, and the messages behind follow."""
    seen = []

    def on_message(got, method, properties, body):
        seen.append(body)
        if len(seen) == 2:
            raise ZeroDivisionError
        if len(seen) == 5:
            got.stop_consuming()

    for number in range(5):
        channel.basic_publish('', queue, b'%d' % number)
    wait_for_messages(channel, queue, 5)
    channel.basic_consume(queue, on_message, auto_ack=True)
    with pytest.raises(ZeroDivisionError):
        channel.start_consuming()
    assert len(seen) == 2
    channel.start_consuming()
    assert seen == [b'0', b'1', b'2', b'3', b'4']


# Channels that the broker closes.


def test_closed_while_a_call_waits(connection, channel):
    """Rule 22: a passive declare of what is not there."""
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.queue_declare('no such queue', passive=True)
    assert caught.value.reply_code == 404
    assert 'Queue.Declare' in str(caught.value)
    assert channel.is_closed and connection.is_open
    with pytest.raises(exceptions.ChannelWrongStateError) as again:
        channel.basic_publish('', 'q', b'')
    assert again.value.__cause__ is caught.value
    connection.process_data_events()
    assert connection.channel().queue_declare('', exclusive=True)


def test_closed_while_idle(connection, channel):
    """Rule 27: an ack for what is not outstanding; the next call tells, or the ack."""
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.basic_ack(99)
        connection.process_data_events(10)
    assert caught.value.reply_code == 406
    with pytest.raises(exceptions.ChannelWrongStateError) as again:
        channel.basic_ack(99)
    assert again.value.__cause__ is caught.value
    assert connection.is_open


def test_closed_by_a_publish(connection, channel):
    channel.basic_publish('no such exchange', '', b'')
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.close()
    assert caught.value.reply_code == 404
    other = connection.channel()
    other.confirm_delivery()
    with pytest.raises(exceptions.ChannelClosedByBroker):
        other.basic_publish('no such exchange', '', b'')


def test_closed_while_consuming(connection, channel, queue):
    """Rule 27: acknowledged twice."""

    def on_message(got, method, properties, body):
        got.basic_ack(method.delivery_tag)
        got.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, on_message)
    channel.basic_publish('', queue, b'1')
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.start_consuming()
    assert caught.value.reply_code == 406
    assert connection.is_open


def test_closed_while_a_message_is_awaited(connection, channel, queue):
    channel.basic_publish('', queue, b'1')
    messages = channel.consume(queue)
    method, _, _ = next(messages)
    channel.basic_ack(method.delivery_tag)
    channel.basic_ack(method.delivery_tag)
    with pytest.raises(exceptions.ChannelClosedByBroker):
        next(messages)
    connection.process_data_events()


def test_stopping_the_flow_is_not_implemented(connection, channel):
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        channel.flow(False)
    assert caught.value.reply_code == 540
    assert connection.is_closed
