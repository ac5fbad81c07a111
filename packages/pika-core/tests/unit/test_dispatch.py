"""The turns of `pika.connection`: when callbacks run, when bytes leave, what a callback raises."""

from __future__ import annotations

import pytest
from pika import spec
from pika.connection import DISPATCH_EVENTS


class Boom(Exception):
    pass


def boom(*args):
    raise Boom


def deliver(tag, consumer_tag='c'):
    return spec.Basic.Deliver(consumer_tag, tag, False, '', 'q')


def names(calls):
    return [call[0] for call in calls]


# Writing.


def test_writes_of_one_turn_leave_in_one_send(connection):
    channel = connection.open_channel()
    connection.stream.sends.clear()
    for number in range(10):
        channel.basic_publish('', 'q', b'%d' % number)
    assert connection.stream.sends == []
    assert len(connection.soon) == 1
    connection.run()
    assert len(connection.stream.sends) == 1
    channel.basic_publish('', 'q', b'again')
    connection.run()
    assert len(connection.stream.sends) == 2


def test_writes_of_one_dispatch_leave_in_one_send(connection, message):
    channel = connection.open_channel()
    channel.basic_consume('q',
                          lambda ch, method, *_: ch.basic_ack(method.delivery_tag),
                          consumer_tag='c')
    connection.run()
    connection.stream.sends.clear()
    connection.data_received(b''.join(message(deliver(tag)) for tag in range(1, 11)))
    assert len(connection.stream.sends) == 1
    assert connection.soon == []


@pytest.mark.parametrize('inside', [False, True])
def test_64_kib_do_not_wait_for_the_end_of_the_turn(connection, inside, message):
    channel = connection.open_channel()
    sends = connection.stream.sends

    def publish(*args):
        sends.clear()
        for _ in range(5):
            channel.basic_publish('', 'q', bytes(15000))
        assert len(sends) == 1

    if inside:
        channel.basic_consume('q', publish, consumer_tag='c')
        connection.run()
        connection.data_received(message(deliver(1)))
        assert len(sends) == 1
    else:
        publish()
        channel.basic_publish('', 'q', b'more')
        connection.run()
        assert len(sends) == 2


def test_small_chunks_are_joined_and_large_bodies_referred_to(connection, monkeypatch):
    channel = connection.open_channel()
    written = []
    monkeypatch.setattr(connection.stream, 'writelines', written.append)
    for _ in range(3):
        channel.basic_publish('', 'q', b'small')
    connection.run()
    body = bytes(200_000)
    channel.basic_publish('', 'q', body)
    connection.run()
    small, large = written
    assert len(small) == 1
    assert any(isinstance(chunk, memoryview) and chunk.obj is body for chunk in large)


def test_bytes_are_counted(connection):
    sent, received = connection.bytes_sent, connection.bytes_received
    assert sent == len(b''.join(connection.stream.sends))
    connection.data_received(b'\x08\0\0\0\0\0\0\xce')
    assert connection.bytes_received == received + 8


# Bounds of a dispatch.


def test_dispatch_is_bounded_by_events(connection, calls, log, message):
    channel = connection.open_channel()
    channel.basic_consume('q', log('message'), consumer_tag='c')
    del calls[:]
    count = DISPATCH_EVENTS + 100
    connection.data_received(b''.join(message(deliver(tag)) for tag in range(1, count + 1)))
    assert len(calls) == DISPATCH_EVENTS
    assert connection.stream.paused
    connection.run()
    assert [call[2].delivery_tag for call in calls] == list(range(1, count + 1))
    assert not connection.stream.paused


def test_dispatch_is_bounded_by_time(connection, calls, message):
    channel = connection.open_channel()
    acked = []

    def slow(channel, method, properties, body):
        connection.time += 0.004
        channel.basic_ack(method.delivery_tag)
        acked.append(method.delivery_tag)

    channel.basic_consume('q', slow, consumer_tag='c')
    connection.run()
    connection.stream.sends.clear()
    connection.data_received(b''.join(message(deliver(tag)) for tag in range(1, 6)))
    assert acked == [1, 2]
    assert len(connection.stream.sends) == 1  # their acks
    connection.turn()
    assert acked == [1, 2, 3, 4]
    assert connection.stream.paused
    connection.run()
    assert acked == [1, 2, 3, 4, 5]
    assert not connection.stream.paused


def test_rest_of_a_dispatch_is_scheduled_once(connection, log, message):
    channel = connection.open_channel()
    channel.basic_consume('q', log('message'), consumer_tag='c')
    connection.run()
    for start in (1, 301):
        connection.data_received(b''.join(message(deliver(start + i)) for i in range(300)))
    assert len(connection.soon) == 1


def test_end_comes_after_what_a_bounded_dispatch_left(connection, calls, log, message):
    channel = connection.open_channel()
    channel.basic_consume('q', log('message'), consumer_tag='c')
    del calls[:]
    connection.data_received(b''.join(message(deliver(tag)) for tag in range(1, 301)))
    connection.connection_lost(None)
    connection.run()
    assert names(calls) == ['message'] * 300 + ['close']


# Callbacks that raise.


def test_exception_of_a_consumer_comes_out_and_all_goes_on(connection, message):
    channel = connection.open_channel()
    seen = []

    def consume(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        seen.append(method.delivery_tag)
        if method.delivery_tag == 2:
            raise Boom('bad message')

    channel.basic_consume('q', consume, consumer_tag='c')
    connection.run()
    connection.stream.sends.clear()
    with pytest.raises(Boom) as info:
        connection.data_received(b''.join(message(deliver(tag)) for tag in range(1, 5)))
    assert seen == [1, 2]
    assert str(info.value) == 'bad message'
    note, = info.value.__notes__
    assert 'on_message_callback' in note and "'c'" in note and 'consume' in note
    assert len(connection.stream.sends) == 1  # the acks so far
    assert connection.is_open and channel.is_open and channel.consumer_tags == ['c']
    connection.run()
    assert seen == [1, 2, 3, 4]


def test_note_names_the_callback_that_raised(connection, log, message):
    channel = connection.open_channel()
    channel.basic_consume('q', boom, consumer_tag='c')
    channel.queue_declare('q', callback=log('declared'))
    with pytest.raises(Boom) as info:
        connection.hears(spec.Basic.ConsumeOk('c'), spec.Queue.DeclareOk('q', 0, 0),
                         message(deliver(1)))
    assert 'on_message_callback' in info.value.__notes__[0]


def test_exception_of_one_callback_does_not_eat_the_others(make, log, calls):
    connection = make(on_open_callback=boom)
    connection.add_on_open_callback(log('second'))
    with pytest.raises(Boom) as info:
        connection.open()
    assert 'connection open' in info.value.__notes__[0]
    assert calls == []
    connection.run()
    assert calls == [('second', connection)]


def test_base_exceptions_pass_too(connection, message):
    channel = connection.open_channel()

    def interrupt(*args):
        raise KeyboardInterrupt

    channel.basic_consume('q', interrupt, consumer_tag='c')
    with pytest.raises(KeyboardInterrupt):
        connection.data_received(message(deliver(1)))
    assert connection.is_open


def test_exception_while_draining_leaves_the_timer(connection, message):
    channel = connection.open_channel()
    channel.basic_consume('q', boom, consumer_tag='c')
    connection.run()
    connection.stream.kernel = message(deliver(1))
    with pytest.raises(Boom):
        connection.sleep(30)
    connection.run()
    connection.stream.sends.clear()
    connection.sleep(0)
    assert connection.stream.sends == [b'\x08\0\0\0\0\0\0\xce']


def test_no_callback_runs_inside_another(connection, calls, message):
    """A callback that turns the loop, as some programs do, gets no callback nested in it."""
    channel = connection.open_channel()
    depth = []

    def consume(channel, method, properties, body):
        assert not depth
        depth.append(1)
        if method.delivery_tag == 1:
            connection.data_received(message(deliver(2)))
        depth.pop()
        calls.append(method.delivery_tag)

    channel.basic_consume('q', consume, consumer_tag='c')
    del calls[:]
    connection.data_received(message(deliver(1)))
    assert calls == [1, 2]


def test_state_is_true_as_of_the_event_at_hand(connection, message):
    """A delivery and a Channel.Close in one segment: the consumer can still act."""
    channel = connection.open_channel()
    open_when_delivered = []
    channel.basic_consume('q',
                          lambda ch, *_: open_when_delivered.append(ch.is_open),
                          consumer_tag='c')
    connection.hears(message(deliver(1)), spec.Channel.Close(406, 'no', 0, 0))
    assert open_when_delivered == [True]
    assert channel.is_closed
