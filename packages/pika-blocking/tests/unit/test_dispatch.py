"""When callbacks run, in which order, and what comes out of an exception."""

from __future__ import annotations

import threading
import time

import pika_testing
import pytest
from pika import exceptions, frame, spec
from pika_blocking import BlockingConnection


def consumer(*bodies: bytes, then: bytes = b''):
    """A broker that has a consumer on channel 1 and these messages for it."""

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(*bodies, then=then)
        peer.hear_until(spec.Connection.Close)
        peer.say(spec.Connection.CloseOk(), channel=0)

    return play


def idle(peer):
    """A broker that only opens and closes the connection."""
    peer.handshake()
    peer.close()


def test_a_call_queues_callbacks_and_the_next_dispatch_runs_them(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.hear(spec.Queue.Purge)
        peer.deliver(b'1', b'2')
        peer.say(spec.Queue.PurgeOk(7))
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        channel.basic_consume('q', lambda *message: seen.append(message), auto_ack=True)
        assert channel.queue_purge('q').method.message_count == 7
        assert seen == []
        connection.process_data_events()
        assert [
            (got is channel, method.delivery_tag, body) for got, method, properties, body in seen
        ] == [(True, 1, b'1'), (True, 2, b'2')]


def test_exception_of_a_callback_comes_out_and_stalls_nothing(serve):
    seen = []

    def on_message(channel, method, properties, body):
        seen.append(body)
        if body == b'1':
            raise ZeroDivisionError('mine')

    with BlockingConnection(serve(consumer(b'1', b'2', b'3'))) as connection:
        channel = connection.channel()
        tag = channel.basic_consume('q', on_message, auto_ack=True)
        with pytest.raises(ZeroDivisionError, match='mine'):
            connection.process_data_events(5)
        assert seen == [b'1']
        assert connection.is_open and channel.consumer_tags == [tag]
        connection.process_data_events(0)
        assert seen == [b'1', b'2', b'3']


def test_acks_before_an_exception_are_sent(serve):
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        for _ in range(3):
            peer.hear(spec.Basic.Ack)
        heard.set()
        peer.close()

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        if body == b'3':
            raise ZeroDivisionError

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message)
        with pytest.raises(ZeroDivisionError):
            connection.process_data_events(5)
        assert heard.wait(5)


def test_delivery_before_a_close_can_be_acknowledged(serve):
    """The state is true as of the event at hand: nobody has told of the close yet."""
    closing = frame.method_frame(1, spec.Channel.Close(406, 'PRECONDITION_FAILED', 60, 80))
    seen = []

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        seen.append(channel.is_open)

    with BlockingConnection(serve(consumer(b'1', b'2', then=closing))) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message)
        with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
            connection.process_data_events(5)
        assert caught.value.reply_code == 406
        assert seen == [True, True]
        assert channel.is_closed and connection.is_open


def test_queued_messages_of_a_closed_channel(serve):
    """The broker has put back what was to be acknowledged; the rest nobody else will get."""

    def play(peer):
        peer.open_channel()
        peer.consume()
        first = peer.tag
        peer.consume()
        second = peer.tag
        peer.hear(spec.Channel.Open)
        peer.say(spec.Channel.OpenOk(), channel=2)
        peer.hear(spec.Queue.Purge)
        for tag in (first, second):
            peer.tag = tag
            peer.deliver(tag.encode())
        peer.say(spec.Channel.Close(404, 'NOT_FOUND', 60, 40))
        peer.say(spec.Queue.PurgeOk(0), channel=2)
        peer.hear(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        channel.basic_consume('q', lambda *message: seen.append(message), consumer_tag='a')
        channel.basic_consume('q',
                              lambda *message: seen.append(message),
                              consumer_tag='b',
                              auto_ack=True)
        connection.channel().queue_purge('q')
        assert channel.is_closed
        with pytest.raises(exceptions.ChannelClosedByBroker):
            connection.process_data_events(0)
        assert [message[3] for message in seen] == [b'b']


def test_callbacks_are_never_nested(serve):
    depth, deepest, seen = 0, 0, []

    def on_message(channel, method, properties, body):
        nonlocal depth, deepest
        depth += 1
        deepest = max(depth, deepest)
        seen.append(body)
        connection.process_data_events(0)
        connection.sleep(0)
        with pytest.raises(exceptions.ReentrancyError):
            channel.start_consuming()
        depth -= 1

    with BlockingConnection(serve(consumer(b'1', b'2', b'3'))) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message, auto_ack=True)
        connection.process_data_events(5)
    assert deepest == 1
    assert seen == [b'1', b'2', b'3']


def test_calls_inside_a_callback(serve):
    """Declaring, getting, publishing and consuming work there, and wait for their own answers."""

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2')
        peer.hear(spec.Queue.Declare)
        peer.say(spec.Queue.DeclareOk('other', 3, 4))
        peer.hear(spec.Basic.Get)
        peer.socket.sendall(b''.join(
            pika_testing.message_frames(1, spec.Basic.GetOk(9, False, '', 'q', 0), body=b'got')))
        assert peer.hear_message() == b'published'
        peer.consume()
        peer.deliver(b'yielded', first=10)
        peer.hear(spec.Basic.Cancel)
        peer.say(spec.Basic.CancelOk(peer.tag))
        peer.close()

    seen = []

    def on_message(channel, method, properties, body):
        seen.append(body)
        if body == b'1':
            seen.append(channel.queue_declare('other').method.message_count)
            seen.append(channel.basic_get('q')[2])
            channel.basic_publish('', 'q', b'published')
            seen.append(next(channel.consume('q2'))[2])
            channel.cancel()

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message, auto_ack=True)
        connection.process_data_events(5)
    assert seen == [b'1', 3, b'got', b'yielded', b'2']


def test_waits_inside_a_callback_do_not_spin_over_a_due_timer(serve, monkeypatch):
    steps = 0

    def on_message(*message):
        nonlocal steps
        original = connection._driver.step

        def step(*args, **kwargs):
            nonlocal steps
            steps += 1
            original(*args, **kwargs)

        monkeypatch.setattr(connection._driver, 'step', step)
        connection.call_later(0, lambda: None)
        connection.sleep(0.1)

    with BlockingConnection(serve(consumer(b'1'))) as connection:
        connection.channel().basic_consume('q', on_message, auto_ack=True)
        connection.process_data_events(5)
    assert 1 <= steps <= 3


def test_dispatch_ends_although_messages_keep_coming(serve):
    """A callback that calls the broker reads on; what it reads is for the next dispatch."""
    seen = []
    stop = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'0')
        number = 1
        while not stop.is_set():
            heard = peer.hear(object)
            if isinstance(heard, spec.Connection.Close):
                break
            number += 1
            peer.deliver(b'%d' % number,
                         b'x',
                         first=2 * number,
                         then=frame.method_frame(1, spec.Queue.PurgeOk(0)))
        peer.say(spec.Connection.CloseOk(), channel=0)

    def on_message(channel, method, properties, body):
        seen.append(body)
        channel.queue_purge('q')

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message, auto_ack=True)
        connection.process_data_events(5)
        assert 1 <= len(seen) <= 5
        stop.set()


def test_process_data_events_times(serve):
    go_on = threading.Semaphore(0)

    def play(peer):
        peer.open_channel()
        peer.consume()
        for number in (1, 2):
            go_on.acquire()
            peer.deliver(b'%d' % number, first=number)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        channel.basic_consume('q', lambda *message: seen.append(message[3]), auto_ack=True)
        connection.process_data_events()
        started = time.monotonic()
        connection.process_data_events(0.5)
        assert time.monotonic() - started >= 0.5
        assert seen == []
        go_on.release()
        connection.process_data_events(60)
        assert seen == [b'1']
        threading.Timer(0.1, go_on.release).start()
        connection.process_data_events(None)
        assert seen == [b'1', b'2']
        assert time.monotonic() - started < 30
        with pytest.raises(ValueError):
            connection.process_data_events(-1)


def test_sleep_dispatches_and_lasts(serve):
    with BlockingConnection(serve(consumer(b'1', b'2'))) as connection:
        channel = connection.channel()
        seen = []
        channel.basic_consume('q', lambda *message: seen.append(message[3]), auto_ack=True)
        started = time.monotonic()
        connection.sleep(0.3)
        assert time.monotonic() - started >= 0.3
        assert seen == [b'1', b'2']
        with pytest.raises(ValueError):
            connection.sleep(-1)


def test_timers(serve):
    with BlockingConnection(serve(idle)) as connection:
        seen = []
        started = time.monotonic()
        connection.call_later(0.1, lambda: seen.append(time.monotonic() - started))
        gone = connection.call_later(0.05, lambda: seen.append('removed'))
        connection.remove_timeout(gone)
        connection.remove_timeout(gone)

        def again():
            seen.append('again')
            connection.call_later(0, again)

        connection.process_data_events(5)
        assert len(seen) == 1 and 0.1 <= seen[0] < 1
        connection.call_later(float('inf'), lambda: seen.append('never'))
        connection.call_later(0, again)
        connection.process_data_events(float('inf'))
        assert seen[1:] == ['again']
        with pytest.raises(ValueError):
            connection.call_later(-1, print)
        with pytest.raises(TypeError):
            connection.call_later(1, None)


def test_callbacks_of_other_threads_wake_the_connection(serve):
    with BlockingConnection(serve(idle)) as connection:
        seen = []
        thread = threading.Timer(
            0.2, connection.add_callback_threadsafe,
            [lambda: seen.append(threading.current_thread() is threading.main_thread())])
        thread.start()
        started = time.monotonic()
        connection.process_data_events(60)
        assert time.monotonic() - started < 30
        assert seen == [True]
        thread.join()
        # The knock was heard: the next wait waits.
        polls = 0
        original = connection._driver.wire.wait

        def wait(*args):
            nonlocal polls
            polls += 1
            return original(*args)

        connection._driver.wire.wait = wait
        connection.process_data_events(0.2)
        assert polls <= 2


def test_many_threads_lose_no_callback(serve):
    seen = []
    with BlockingConnection(serve(idle)) as connection:

        def work():
            for number in range(500):
                connection.add_callback_threadsafe(lambda number=number: seen.append(number))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(seen) < 2000 and time.monotonic() < deadline:
            connection.process_data_events(0.1)
        for thread in threads:
            thread.join()
    assert len(seen) == 2000
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.add_callback_threadsafe(print)


def test_blocked_and_unblocked(serve):

    def play(peer):
        peer.open_channel()
        peer.say(spec.Connection.Blocked('low on memory'), spec.Connection.Unblocked(), channel=0)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        seen = []
        connection.add_on_connection_blocked_callback(lambda *args: seen.append(args))
        connection.add_on_connection_unblocked_callback(lambda *args: seen.append(args))
        connection.channel()
        connection.process_data_events(5)
    (got, blocked), (got_too, unblocked) = seen
    assert got is got_too is connection
    assert blocked.method.reason == 'low on memory'
    assert isinstance(unblocked.method, spec.Connection.Unblocked)


def test_blocked_for_too_long(serve):

    def play(peer):
        peer.open_channel()
        peer.say(spec.Connection.Blocked('low on memory'), channel=0)
        peer.hear_end()

    connection = BlockingConnection(serve(play, blocked_connection_timeout=0.2))
    connection.channel()
    with pytest.raises(exceptions.ConnectionBlockedTimeout):
        connection.sleep(5)


def test_broker_cancels_a_consumer(serve):
    """Rule 30: it is not answered. What came before is handed over first."""
    cancel = frame.method_frame(1, spec.Basic.Cancel('t', True))
    with BlockingConnection(serve(consumer(b'1', b'2', then=cancel))) as connection:
        channel = connection.channel()
        seen = []
        channel.add_on_cancel_callback(seen.append)
        channel.basic_consume('q', lambda *message: seen.append(message[3]), consumer_tag='t')
        channel.start_consuming()
        assert seen[:2] == [b'1', b'2']
        assert seen[2].method.consumer_tag == 't'
        assert channel.consumer_tags == []


def test_stop_consuming_requeues_what_was_not_handed_over(serve):
    seen, heard = [], []

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.hear(spec.Queue.Purge)
        peer.deliver(b'1', b'2', b'3')
        peer.say(spec.Queue.PurgeOk(0))
        peer.hear(spec.Basic.Ack)
        peer.hear(spec.Basic.Cancel)
        peer.say(spec.Basic.CancelOk(peer.tag))
        heard.extend(peer.hear(spec.Basic.Reject) for _ in range(2))
        peer.close()

    def on_message(channel, method, properties, body):
        seen.append(body)
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message)
        channel.queue_purge('q')  # all three are queued here by now
        channel.start_consuming()
    assert seen == [b'1']
    assert [(reject.delivery_tag, reject.requeue) for reject in heard] == [(2, True), (3, True)]


def test_start_consuming_without_consumers_returns(serve):
    with BlockingConnection(serve(lambda peer: (peer.open_channel(), peer.close()))) as connection:
        connection.channel().start_consuming()


@pytest.mark.parametrize('what', ['channel', 'connection'])
def test_closing_inside_a_callback_ends_start_consuming(serve, what):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        if what == 'channel':
            peer.hear(spec.Channel.Close)
            peer.say(spec.Channel.CloseOk())
        peer.close()

    seen = []

    def on_message(channel, method, properties, body):
        seen.append(body)
        (channel if what == 'channel' else connection).close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message, auto_ack=True)
        channel.start_consuming()
        assert seen == [b'1']


def test_connection_closed_by_the_broker_while_consuming(serve):
    closing = frame.method_frame(0, spec.Connection.Close(320, 'CONNECTION_FORCED', 0, 0))

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', then=closing)
        peer.hear(spec.Connection.CloseOk)
        peer.hear_end()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    seen = []
    channel.basic_consume('q', lambda *message: seen.append(message[3]), auto_ack=True)
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        channel.start_consuming()
    assert caught.value.reply_code == 320
    assert seen == [b'1']
    for call in (connection.process_data_events, connection.channel, connection.close,
                 lambda: connection.sleep(0), lambda: connection.call_later(1, print)):
        with pytest.raises(exceptions.ConnectionWrongStateError) as again:
            call()
        assert again.value.__cause__ is caught.value
    for call in (channel.start_consuming, channel.close, lambda: channel.basic_ack(1),
                 lambda: channel.basic_publish('', 'q', b''), lambda: channel.queue_declare('q')):
        with pytest.raises(exceptions.ChannelWrongStateError) as again:
            call()
        assert again.value.__cause__ is caught.value
    assert channel.is_closed and connection.is_closed


# The end.


def test_close_runs_callbacks_of_the_end(serve):
    seen = []
    with BlockingConnection(serve(idle)) as connection:
        connection.add_on_close_callback(lambda *told: seen.append(told))
    (who, reason), = seen
    assert who is connection
    assert isinstance(reason, exceptions.ConnectionClosedByClient)
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.add_on_close_callback(print)
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.process_data_events()


def closing(peer):
    """A broker that closes the connection when it hears of a queue."""
    peer.open_channel()
    peer.hear(spec.Queue.Purge)
    peer.say(spec.Connection.Close(320, 'CONNECTION_FORCED', 0, 0), channel=0)
    peer.hear(spec.Connection.CloseOk)


def test_a_call_raises_the_end_and_the_next_dispatch_runs_callbacks(serve):
    seen = []
    connection = BlockingConnection(serve(closing))
    connection.add_on_close_callback(lambda connection, reason: seen.append(reason))
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        connection.channel().queue_purge('q')
    assert seen == []
    connection.process_data_events()
    assert seen == [caught.value]
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.process_data_events()
    assert seen == [caught.value]


def test_callbacks_of_the_end_run_before_a_dispatch_raises_it(serve):

    def play(peer):
        peer.open_channel()
        peer.say(spec.Connection.Close(320, 'CONNECTION_FORCED', 0, 0), channel=0)
        peer.hear(spec.Connection.CloseOk)

    seen = []
    connection = BlockingConnection(serve(play))
    connection.channel()
    connection.add_on_close_callback(lambda connection, reason: seen.append(reason))
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        connection.process_data_events(5)
    assert seen == [caught.value]


def test_callbacks_of_the_end_run_after_the_callback_that_closes(serve):
    seen = []

    def on_message(channel, method, properties, body):
        connection.close()
        seen.append('closed')

    connection = BlockingConnection(serve(consumer(b'1')))
    connection.add_on_close_callback(lambda connection, reason: seen.append(type(reason)))
    connection.channel().basic_consume('q', on_message, auto_ack=True)
    connection.process_data_events(5)
    assert seen == ['closed', exceptions.ConnectionClosedByClient]
