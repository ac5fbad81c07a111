"""What a `SelectConnection` to RabbitMQ does, from its opening to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pika
import pytest
from pika import exceptions, spec
from pika.transport import stream

PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


class Boom(Exception):
    pass


def in_channel(callback):
    """An on_open that opens a channel and calls `callback(channel)`."""
    return lambda connection: connection.channel(on_open_callback=callback)


def closed_by_client(end):
    return isinstance(end, exceptions.ConnectionClosedByClient)


# The life of a connection.


def test_open_and_close(run, parameters):
    seen = []

    def opened(connection):
        seen.append((connection.is_open, connection.server_properties['product']))
        connection.close(200, 'done')

    end = run(parameters, opened)
    assert seen == [(True, 'RabbitMQ')]
    assert closed_by_client(end)
    assert end.reply_text == 'done'


def test_nothing_happens_before_the_loop_starts(parameters):
    connection = pika.SelectConnection(parameters, on_open_callback=pytest.fail)
    assert not connection.is_open and not connection.is_closed
    connection.close()
    with pytest.raises(exceptions.ConnectionOpenAborted):
        connection.ioloop.start()


def test_two_connections_share_a_loop(parameters):
    loop = pika.adapters.IOLoop()
    ended = []

    def end(connection, reason):
        ended.append(connection)
        if len(ended) == 2:
            loop.stop()

    made = [
        pika.SelectConnection(parameters,
                              on_open_callback=lambda c: c.close(),
                              on_close_callback=end,
                              custom_ioloop=loop) for _ in range(2)
    ]
    assert made[0].ioloop is made[1].ioloop is loop
    loop.start()
    assert set(ended) == set(made)


def test_no_descriptor_is_left(run, parameters):
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('/proc tells')
    before = set(os.listdir('/proc/self/fd'))
    run(parameters)
    assert set(os.listdir('/proc/self/fd')) == before


@pytest.mark.parametrize('heartbeat, most', [(0, 0), (4, 12)])
def test_idle_connection_wakes_only_for_heartbeats(run, parameters, monkeypatch, heartbeat, most):
    """Ten seconds; with a timeout of 4 each side sends every two: five of ours, five of theirs."""
    parameters.heartbeat = heartbeat
    turns = []
    ioloop = pika.adapters.IOLoop()
    poll = ioloop.poll
    monkeypatch.setattr(ioloop, 'poll', lambda: (turns.append(1), poll()))

    def opened(connection):
        ioloop.call_later(1, turns.clear)  # the timer of the handshake has found that it is over
        ioloop.call_later(11, lambda: (counts.append(len(turns)), connection.close()))

    counts = []
    assert closed_by_client(run(parameters, opened, custom_ioloop=ioloop))
    # And once for the timer that counts.
    assert heartbeat / 2 * 2 <= counts[0] <= most + 1


@pytest.mark.parametrize('tls', [False, True], ids=['plain', 'tls'])
def test_writes_of_one_turn_leave_in_one_send(run, parameters, tls_url, tls_context, monkeypatch,
                                              queue, tls):
    """Up to 64 KiB of plaintext; with TLS as many records as that needs."""
    if tls:
        parameters = pika.URLParameters(tls_url)
        parameters.ssl_options = pika.SSLOptions(tls_context)
    sizes = []
    send = stream._send_some
    monkeypatch.setattr(
        stream, '_send_some', lambda sock, buffers:
        (sizes.append(sum(map(len, buffers))), send(sock, buffers))[1])

    def opened(channel):
        channel.queue_declare(queue, exclusive=True, callback=lambda frame: publish(channel))

    def publish(channel):
        sizes.clear()
        for _ in range(100):
            channel.basic_publish('', queue, bytes(500))
            channel.basic_qos(prefetch_count=1)
        channel.connection.ioloop.add_callback(lambda: done(channel))

    def done(channel):
        assert len(sizes) == 1
        assert 100 * 500 < sizes[0]
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))


def test_no_thread_for_an_address_and_none_left_for_a_name(run, parameters, monkeypatch):
    started = []

    class Thread(threading.Thread):

        def start(self):
            started.append(self)
            super().start()

    monkeypatch.setattr(threading, 'Thread', Thread)
    assert closed_by_client(run(parameters))
    assert started == []
    parameters.host = 'localhost'
    assert closed_by_client(run(parameters))
    thread, = started
    thread.join(10)
    assert not thread.is_alive()


def test_broker_closes_all_connections(run, faults, virtual_host, parameters):
    """Code and text of the broker arrive."""

    def opened(connection):
        thread = threading.Thread(target=faults.close_connections,
                                  args=[virtual_host, 'maintenance'])
        connection.ioloop.add_callback(thread.start)
        threads.append(thread)

    threads = []
    end = run(parameters, opened)
    threads[0].join()
    assert isinstance(end, exceptions.ConnectionClosedByBroker)
    assert end.reply_code == 320
    assert 'maintenance' in end.reply_text
    assert end.recoverable


def test_blocked_and_unblocked(run, faults, parameters, queue):
    seen = []
    stack = contextlib.ExitStack()

    def opened(channel):
        connection = channel.connection
        connection.add_on_connection_blocked_callback(blocked)
        connection.add_on_connection_unblocked_callback(unblocked)
        stack.enter_context(faults.memory_alarm())
        publish(channel)

    def publish(channel):
        # The alarm reaches the connection's process in its own time.
        if not seen:
            channel.basic_publish('', queue, b'x')
            channel.connection.ioloop.call_later(0.05, lambda: publish(channel))

    def blocked(connection, method_frame):
        seen.append(method_frame.method.reason)
        stack.close()

    def unblocked(connection, method_frame):
        seen.append('unblocked')
        connection.close()

    with stack:
        assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == ['low on memory', 'unblocked']


def test_update_secret(run, parameters):
    """With the password it had; RabbitMQ takes it."""
    seen = []

    def opened(connection):
        password = connection.params.credentials.password
        connection.update_secret(password, 'test', callback=updated)

    def updated(method_frame):
        seen.append(type(method_frame.method))
        connections[0].close()

    connections = []
    run(parameters, lambda connection: (connections.append(connection), opened(connection)))
    assert seen == [spec.Connection.UpdateSecretOk]


# Messages.


def test_thousand_messages_with_acks(run, parameters, queue):
    """Declare, bind, publish, consume, ack; afterwards the queue is empty."""
    count = 1000
    bodies = []
    left = []

    def opened(channel):
        channel.exchange_declare(queue, auto_delete=True)
        channel.queue_declare(queue, exclusive=True, callback=declared)
        channels.append(channel)

    def declared(method_frame):
        assert method_frame.method.queue == queue
        channels[0].queue_bind(queue, queue, 'key', callback=bound)

    def bound(method_frame):
        channel, = channels
        channel.basic_qos(prefetch_count=100)
        for number in range(count):
            channel.basic_publish(queue, 'key', b'%d' % number, PERSISTENT)
        channel.basic_consume(queue, on_message)

    def on_message(channel, method, properties, body):
        assert properties.delivery_mode == 2
        assert (method.exchange, method.routing_key) == (queue, 'key')
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == count:
            channel.basic_cancel(method.consumer_tag, callback=cancelled)

    def cancelled(method_frame):
        channels[0].queue_declare(queue, passive=True, callback=counted)

    def counted(method_frame):
        left.append(method_frame.method.message_count)
        channels[0].connection.close()

    channels = []
    assert closed_by_client(run(parameters, in_channel(opened)))
    assert bodies == [b'%d' % number for number in range(count)]
    assert left == [0]


def test_confirms(run, parameters, queue):
    count = 100
    confirmed = set()

    def opened(channel):
        channel.confirm_delivery(on_confirm, callback=lambda frame: publish(channel))

    def publish(channel):
        channel.queue_declare(queue, exclusive=True)
        for _ in range(count):
            channel.basic_publish('', queue, b'x', PERSISTENT)
        channels.append(channel)

    def on_confirm(method_frame):
        method = method_frame.method
        assert isinstance(method, spec.Basic.Ack)
        last = method.delivery_tag
        confirmed.update(range(1, last + 1) if method.multiple else [last])
        if len(confirmed) == count:
            channels[0].connection.close()

    channels = []
    assert closed_by_client(run(parameters, in_channel(opened)))
    assert confirmed == set(range(1, count + 1))


def test_nack_of_a_full_queue(run, parameters, queue):
    nacked = []

    def opened(channel):
        channel.queue_declare(queue,
                              exclusive=True,
                              arguments={
                                  'x-max-length': 1,
                                  'x-overflow': 'reject-publish'
                              })
        channel.confirm_delivery(lambda frame: on_confirm(channel, frame.method))
        for _ in range(5):
            channel.basic_publish('', queue, b'x')

    def on_confirm(channel, method):
        if isinstance(method, spec.Basic.Nack):
            nacked.append(method.delivery_tag)
            channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert nacked


def test_returned_message_comes_before_its_ack(run, parameters, queue):
    seen = []

    def opened(channel):
        channel.add_on_return_callback(on_return)
        channel.confirm_delivery(lambda frame: on_confirm(channel, frame.method))
        channel.basic_publish('',
                              queue,
                              b'lost',
                              pika.BasicProperties(message_id='7'),
                              mandatory=True)

    def on_return(channel, method, properties, body):
        seen.append((method.reply_code, method.routing_key, properties.message_id, body))

    def on_confirm(channel, method):
        seen.append((type(method), method.delivery_tag))
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == [(312, queue, '7', b'lost'), (spec.Basic.Ack, 1)]


def test_get_and_get_of_an_empty_queue(run, parameters, queue):
    seen = []

    def opened(channel):
        channel.queue_declare(queue, exclusive=True)
        channel.basic_publish('', queue, b'one')
        channel.add_callback(lambda frame: on_empty(channel), [spec.Basic.GetEmpty])
        channel.basic_get(queue, got, auto_ack=True)

    def got(channel, method, properties, body):
        seen.append((type(method), method.message_count, body))
        channel.basic_get(queue, got)

    def on_empty(channel):
        seen.append('empty')
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == [(spec.Basic.GetOk, 0, b'one'), 'empty']


@pytest.mark.parametrize('size', [0, 131064, 131065, 1 << 20])
def test_bodies_of_all_sizes(run, parameters, queue, size):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    seen = []

    def opened(channel):
        channel.queue_declare(queue, exclusive=True)
        channel.basic_publish('', queue, body)
        channel.basic_publish('', queue, b'after')
        channel.basic_consume(queue, on_message, auto_ack=True)

    def on_message(channel, method, properties, body):
        seen.append(body)
        if len(seen) == 2:
            channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == [body, b'after']


def test_nack_and_reject_give_back_and_broker_cancels(run, parameters, queue):
    seen = []

    def opened(channel):
        channel.add_on_cancel_callback(lambda frame: cancelled(channel, frame.method))
        channel.queue_declare(queue, exclusive=True)
        channel.basic_publish('', queue, b'x')
        channel.basic_consume(queue, on_message, consumer_tag='mine')

    def on_message(channel, method, properties, body):
        seen.append(method.redelivered)
        if len(seen) == 1:
            channel.basic_nack(method.delivery_tag)
        elif len(seen) == 2:
            channel.basic_reject(method.delivery_tag)
        else:
            channel.basic_ack(method.delivery_tag)
            channel.queue_delete(queue)

    def cancelled(channel, method):
        seen.append(method.consumer_tag)
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == [False, True, True, 'mine']


def test_transaction(run, parameters, queue):
    counts = []

    def opened(channel):
        channel.queue_declare(queue, exclusive=True)
        channel.tx_select()
        channel.basic_publish('', queue, b'dropped')
        channel.tx_rollback()
        channel.basic_publish('', queue, b'kept')
        channel.tx_commit()
        channel.queue_declare(queue, passive=True, callback=lambda frame: counted(channel, frame))

    def counted(channel, frame):
        counts.append(frame.method.message_count)
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert counts == [1]


def test_many_channels(run, parameters):
    opened = []

    def on_open(connection):
        for _ in range(200):
            connection.channel(on_open_callback=on_channel)

    def on_channel(channel):
        opened.append(channel.channel_number)
        channel.close()
        if len(opened) == 200:
            channel.connection.close()

    assert closed_by_client(run(parameters, on_open))
    assert sorted(opened) == list(range(1, 201))


# Channels that end.


def test_broker_closes_channel_and_the_connection_lives_on(run, parameters, queue):
    seen = []

    def opened(channel):
        channel.add_on_close_callback(closed)
        channel.queue_declare(queue, passive=True, callback=pytest.fail)

    def closed(channel, reason):
        seen.append(reason)
        with pytest.raises(exceptions.ChannelWrongStateError) as info:
            channel.queue_declare(queue)
        assert info.value.__cause__ is reason
        channel.connection.channel(on_open_callback=again)

    def again(channel):
        seen.append(channel.channel_number)
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    reason, number = seen
    assert isinstance(reason, exceptions.ChannelClosedByBroker)
    assert reason.reply_code == 404
    assert queue in reason.reply_text
    assert number == 1


def test_double_ack_closes_the_channel(run, parameters, queue):
    """Rule 27."""
    seen = []

    def opened(channel):
        channel.add_on_close_callback(closed)
        channel.queue_declare(queue, exclusive=True)
        channel.basic_publish('', queue, b'x')
        channel.basic_consume(queue, on_message)

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        channel.basic_ack(method.delivery_tag)

    def closed(channel, reason):
        seen.append(reason.reply_code)
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == [406]


def test_bad_values_send_nothing_and_leave_the_channel_open(run, parameters, queue):
    seen = []

    def opened(channel):
        nested = {'x-retries': [1, {'deep': {1, 2}}]}
        for bad, path in (
            (lambda: channel.queue_declare('q' * 256), 'queue'),
            (lambda: channel.basic_publish('', queue, b'', pika.BasicProperties(headers=nested)),
             r'headers.x-retries\[1\].deep'),
            (lambda: channel.basic_publish('', queue, b'', pika.BasicProperties(priority=300)),
             'priority'),
            (lambda: channel.basic_publish('', queue, b'', pika.BasicProperties(expiration=1000)),
             'expiration'), (lambda: channel.basic_publish('', queue, object()), 'body')):
            with pytest.raises((TypeError, ValueError), match=path):
                bad()
        channel.queue_declare(queue, exclusive=True, callback=lambda frame: declared(channel))

    def declared(channel):
        seen.append('declared')
        channel.connection.close()

    assert closed_by_client(run(parameters, in_channel(opened)))
    assert seen == ['declared']


# Exceptions of callbacks.


def test_exception_comes_out_of_start_and_the_connection_lives_on(parameters, queue):
    seen = []
    ends = []

    def opened(channel):
        channel.queue_declare(queue, exclusive=True)
        for number in range(5):
            channel.basic_publish('', queue, b'%d' % number)
        channel.basic_consume(queue, on_message)

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        seen.append(body)
        if body == b'2':
            raise Boom('poison')
        if body == b'4':
            channel.connection.close()

    def closed(connection, reason):
        ends.append(reason)
        connection.ioloop.stop()

    connection = pika.SelectConnection(parameters,
                                       on_open_callback=in_channel(opened),
                                       on_close_callback=closed)
    with pytest.raises(Boom) as info:
        connection.ioloop.start()
    assert str(info.value) == 'poison'
    assert 'on_message_callback' in info.value.__notes__[0]
    assert seen == [b'0', b'1', b'2']
    assert connection.is_open
    connection.ioloop.start()
    assert seen == [b'0', b'1', b'2', b'3', b'4']
    assert closed_by_client(ends[0])


@pytest.mark.skipif(not hasattr(signal, 'pthread_kill'), reason='a signal to oneself: POSIX')
def test_ctrl_c_gets_out_and_the_connection_can_be_closed(parameters):
    ends = []

    def opened(connection):
        main = threading.main_thread().ident
        threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()

    def closed(connection, reason):
        ends.append(reason)
        connection.ioloop.stop()

    connection = pika.SelectConnection(parameters,
                                       on_open_callback=opened,
                                       on_close_callback=closed)
    with pytest.raises(KeyboardInterrupt):
        connection.ioloop.start()
    connection.close()
    connection.ioloop.start()
    assert closed_by_client(ends[0])
