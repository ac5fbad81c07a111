"""What reaches the kernel, when, and in how many calls."""

from __future__ import annotations

import select
import signal
import socket
import threading
import time

import pytest
from pika import exceptions, frame, spec
from pika_blocking import BlockingConnection

COUNTED = ('send', 'sendmsg', 'recv', 'recv_into')


@pytest.fixture
def calls(monkeypatch) -> dict[str, int]:
    """How often the client calls its sockets, and polls."""
    counts = dict.fromkeys([*COUNTED, 'poll'], 0)

    plain, plain_poll = socket.socket, select.poll

    class CountingSocket(plain):
        pass

    for name in COUNTED:

        def call(self, *args, name=name):
            if threading.current_thread() is threading.main_thread():
                counts[name] += 1
            return getattr(plain, name)(self, *args)

        setattr(CountingSocket, name, call)

    class CountingPoll:

        def __init__(self):
            self._poll = plain_poll()
            self.register, self.modify = self._poll.register, self._poll.modify

        def poll(self, *args):
            counts['poll'] += 1
            return self._poll.poll(*args)

    monkeypatch.setattr('pika_blocking.connecting.socket.socket', CountingSocket)
    monkeypatch.setattr('pika_blocking.wire.select.poll', CountingPoll)
    return counts


def test_publish_is_one_send_and_no_poll(serve, calls):
    """And one read each 10 ms at most, for a program that only publishes must still hear."""
    count = 1000

    def play(peer):
        peer.open_channel()
        for _ in range(count):
            peer.hear_message()
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        calls.update(dict.fromkeys(calls, 0))
        started = time.monotonic()
        for _ in range(count):
            channel.basic_publish('', 'q', b'x' * 100)
        looks = (time.monotonic() - started) / 0.01 + 1
        assert calls['send'] == count
        assert calls['sendmsg'] == calls['poll'] == calls['recv_into'] == 0
        assert calls['recv'] <= looks


def test_large_body_is_one_call_where_the_kernel_takes_it(serve, calls):
    body = bytes(100_000)

    def play(peer):
        peer.open_channel()
        assert peer.hear_message() == body
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        calls.update(dict.fromkeys(calls, 0))
        channel.basic_publish('', 'q', body)
        assert (calls['send'], calls['sendmsg'], calls['poll']) == (0, 1, 0)


def test_program_that_only_publishes_hears_the_broker(serve):

    def play(peer):
        peer.open_channel()
        peer.hear_message()
        peer.say(spec.Channel.Close(404, 'NOT_FOUND', 60, 40))
        peer.hear_until(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        with pytest.raises(exceptions.ChannelClosedByBroker):
            for _ in range(500):
                channel.basic_publish('nowhere', 'q', b'')
                time.sleep(0.001 if channel.is_open else 0)


def test_sending_reads_when_the_kernel_is_full(serve):
    """A broker that waits for us to read may read no more itself."""
    body = bytes(8 << 20)
    count = 50_000

    def play(peer):
        peer.open_channel()
        peer.consume()
        # Nobody hears yet; this ends only when the client reads while it sends.
        peer.deliver(*[b'y' * 200] * count)
        assert peer.hear_message() == body
        peer.hear(spec.Basic.Cancel)
        peer.say(spec.Basic.CancelOk(peer.tag))
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        tag = channel.basic_consume('q', print, auto_ack=True)
        channel.basic_publish('', 'q', body)
        assert len(channel.basic_cancel(tag)) == count


def test_interrupted_publish_leaves_whole_frames(serve):
    """Rule 26: what was begun is finished by the next call."""
    body = bytes(20 << 20)
    go_on = threading.Event()
    bodies = []

    def play(peer):
        peer.open_channel()
        go_on.wait(10)
        bodies.extend([peer.hear_message(), peer.hear_message()])
        peer.close()

    def interrupt(number, stack):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with BlockingConnection(serve(play)) as connection:
            channel = connection.channel()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                channel.basic_publish('', 'q', body)
            go_on.set()
            connection.process_data_events(0)
            channel.basic_publish('', 'q', b'next')
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [len(body) for body in bodies] == [20 << 20, 4]


def test_interrupted_call_never_answers_the_next(serve):
    """Rule 20: the late reply is swallowed."""

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Queue.Purge)
        time.sleep(0.4)
        peer.say(spec.Queue.PurgeOk(1))
        peer.hear(spec.Queue.Purge)
        peer.say(spec.Queue.PurgeOk(2))
        peer.close()

    def interrupt(number, stack):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with BlockingConnection(serve(play)) as connection:
            channel = connection.channel()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                channel.queue_purge('q')
            assert channel.queue_purge('q').method.message_count == 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_acks_of_quick_callbacks_leave_together(serve, calls):
    count = 100

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(*[b'x'] * count)
        for number in range(1, count + 1):
            assert peer.hear(spec.Basic.Ack).delivery_tag == number
        peer.close()

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message)
        calls.update(dict.fromkeys(calls, 0))
        connection.process_data_events(5)
        assert calls['send'] <= 4


def test_acks_of_a_quick_loop_leave_together(serve, calls):
    count = 100

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(*[b'x'] * count)
        for number in range(1, count + 1):
            assert peer.hear(spec.Basic.Ack).delivery_tag == number
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        calls.update(dict.fromkeys(calls, 0))
        for method, _, _ in channel.consume('q'):
            channel.basic_ack(method.delivery_tag)
            if method.delivery_tag == count:
                break
        assert calls['send'] <= 5


def test_ack_of_a_slow_handler_leaves_at_once(serve):
    """Nothing that the handler does after it, and no work on the next message, holds it back."""
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        for _ in range(3):
            peer.hear(spec.Basic.Ack)
            heard.set()
        peer.close()

    seen = []

    def on_message(channel, method, properties, body):
        time.sleep(0.002)
        channel.basic_ack(method.delivery_tag)
        seen.append(heard.wait(5))
        heard.clear()

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message)
        connection.process_data_events(5)
    assert seen == [True, True, True]


def test_ack_before_the_work_of_a_slow_handler_leaves_at_once(serve):
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        for _ in range(3):
            peer.hear(spec.Basic.Ack)
            heard.set()
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        seen = []
        channel = connection.channel()
        for method, _, _ in channel.consume('q'):
            channel.basic_ack(method.delivery_tag)
            seen.append(heard.wait(5))
            heard.clear()
            time.sleep(0.002)
            if method.delivery_tag == 3:
                break
    assert seen == [True, True, True]


def test_ack_outside_a_dispatch_leaves_at_once(serve):
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        for _ in range(3):
            peer.hear(spec.Basic.Ack)
            heard.set()
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        messages = channel.consume('q')
        for _ in range(3):
            method, _, _ = next(messages)
            time.sleep(0.002)
            channel.basic_ack(method.delivery_tag)
            assert heard.wait(5)
            heard.clear()


def test_leaving_a_loop_sends_what_was_held(serve):
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(*[b'x'] * 10)
        for _ in range(5):
            peer.hear(spec.Basic.Ack)
        heard.set()
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        for method, _, _ in channel.consume('q'):
            channel.basic_ack(method.delivery_tag)
            if method.delivery_tag == 5:
                break
        assert heard.wait(5)


def test_heartbeats_are_sent_while_waiting_and_while_messages_are_worked_on(serve):
    """Rule 4: every half of the timeout, between messages too."""
    heard = []
    at_work = []

    def play(peer):
        peer.open_channel(heartbeat=1)
        peer.consume()
        peer.deliver(*[b'message'] * 30)
        for number in range(4):
            peer.hear(frame.Heartbeat)
            heard.append(number)
            peer.say_heartbeat()
        peer.close()

    def on_message(*message):
        if len(heard) < 2:  # the messages are not done before two have come
            time.sleep(0.3)
            at_work.append(len(heard))

    with BlockingConnection(serve(play, heartbeat=1)) as connection:
        channel = connection.channel()
        channel.basic_consume('q', on_message, auto_ack=True)
        connection.process_data_events(5)
        deadline = time.monotonic() + 20
        while len(heard) < 4 and time.monotonic() < deadline:
            connection.sleep(0.1)
    assert len(heard) == 4
    assert at_work[-1] > 0


def test_program_that_was_busy_takes_no_live_peer_for_dead(serve, monkeypatch):
    """The heartbeats that wait in the kernel are read before silence is judged."""
    monkeypatch.setattr('pika.protocol.HEARTBEAT_GRACE', 0.0)

    def play(peer):
        peer.open_channel(heartbeat=1)
        for _ in range(5):
            time.sleep(0.4)
            peer.say_heartbeat()
        peer.close()

    with BlockingConnection(serve(play, heartbeat=1)) as connection:
        connection.channel()
        time.sleep(1.9)
        connection.process_data_events(0)
        assert connection.is_open


def test_silent_peer_is_taken_for_dead(serve, monkeypatch):
    monkeypatch.setattr('pika.protocol.HEARTBEAT_GRACE', 0.0)

    def play(peer):
        peer.open_channel(heartbeat=1)
        peer.hear(spec.Queue.Purge)
        peer.hear_end()

    connection = BlockingConnection(serve(play, heartbeat=1))
    channel = connection.channel()
    started = time.monotonic()
    with pytest.raises(exceptions.AMQPHeartbeatTimeout):
        channel.queue_purge('q')
    assert 0.5 < time.monotonic() - started < 30


def test_last_words_of_the_broker_are_heard_when_sending_fails(serve):
    """Rule 19."""
    closed = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.say(spec.Connection.Close(320, 'CONNECTION_FORCED - shutdown', 0, 0), channel=0)
        peer.socket.close()
        closed.set()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    closed.wait(5)
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        for _ in range(100):
            channel.basic_publish('', 'q', bytes(100_000))
    assert caught.value.reply_code == 320


def test_idle_connection_wakes_up_for_heartbeats_only(serve, calls):

    def play(peer):
        peer.open_channel(heartbeat=2)
        peer.close()

    with BlockingConnection(serve(play, heartbeat=2)) as connection:
        connection.channel()
        calls.update(dict.fromkeys(calls, 0))
        connection.process_data_events(1.5)
        assert calls['poll'] <= 3


@pytest.mark.parametrize('how', ['callbacks', 'generator'])
def test_ack_of_the_last_message_leaves_at_once(serve, how):
    """However quick the handlers were before, and with all that were held."""
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', b'3')
        for _ in range(3):
            peer.hear(spec.Basic.Ack)
        heard.set()
        peer.close()

    seen = []

    def on_message(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == 3:
            seen.append(heard.wait(5))

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        if how == 'callbacks':
            channel.basic_consume('q', on_message)
            connection.process_data_events(5)
        else:
            messages = channel.consume('q')
            for _ in range(3):
                on_message(channel, *next(messages))
    assert seen == [True]


def test_acks_do_not_wait_for_other_callbacks(serve):
    heard = threading.Event()

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2')
        for _ in range(2):
            peer.hear(spec.Basic.Ack)
        heard.set()
        peer.close()

    seen = []

    def on_message(channel, method, properties, body):
        if method.delivery_tag == 2:
            connection._dispatcher.put(lambda: seen.append(heard.wait(5)))
        channel.basic_ack(method.delivery_tag)

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message)
        connection.process_data_events(5)
        connection.process_data_events(0)
    assert seen == [True]


def test_coalesced_publishes_leave_in_few_sends(serve, calls, monkeypatch):
    """At 64 KiB, and at the end; a look at the socket, which is due now and then, sends as well."""
    monkeypatch.setattr('pika_blocking.driver.LOOK_INTERVAL', 1000.0)

    def play(peer):
        peer.open_channel()
        for _ in range(100):
            peer.hear_message()
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        before = calls['send'] + calls['sendmsg']
        with connection.coalesce(), connection.coalesce():
            for _ in range(100):
                channel.basic_publish('', 'queue', bytes(2000))
            assert calls['send'] + calls['sendmsg'] - before == 3
        assert calls['send'] + calls['sendmsg'] - before == 4
