"""What an interrupt (Ctrl-C, a signal handler that raises) leaves behind, wherever it comes."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time

import pytest
from pika import exceptions, spec
from pika_blocking import BlockingConnection


@pytest.fixture
def interrupt_after(monkeypatch):
    """interrupt_after(name): the next call of this method of a socket is done, and interrupted."""
    plain = socket.socket
    armed = []

    class Interrupting(plain):

        def send(self, *args):
            return done('send', super().send(*args))

        def sendmsg(self, *args):
            return done('sendmsg', super().sendmsg(*args))

        def recv(self, *args):
            return done('recv', super().recv(*args))

    def done(name, result):
        if name in armed and threading.current_thread() is threading.main_thread():
            armed.remove(name)
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr('pika_blocking.connecting.socket.socket', Interrupting)
    return armed.append


@pytest.fixture
def alarm():
    """alarm(seconds) interrupts then."""

    def interrupt(number, stack):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def assert_lost(connection, channel):
    """The next call says so, and does not wait."""
    assert connection.is_closed
    with pytest.raises(exceptions.StreamLostError, match='interrupted'):
        channel.queue_purge('q')
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.process_data_events()


def answer_one_purge(peer):
    peer.open_channel()
    peer.hear(spec.Queue.Purge)
    peer.say(spec.Queue.PurgeOk(1))
    peer.hear_end()


@pytest.mark.parametrize('call', ['send', 'recv'])
def test_interrupt_while_bytes_are_moved_ends_the_connection(serve, interrupt_after, call):
    """How many bytes were moved is not known any more."""
    connection = BlockingConnection(serve(answer_one_purge))
    channel = connection.channel()
    interrupt_after(call)
    with pytest.raises(KeyboardInterrupt):
        channel.queue_purge('q')
    assert_lost(connection, channel)


def test_interrupt_while_a_large_body_is_sent_ends_the_connection(serve, interrupt_after):

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Basic.Publish)
        while peer.socket.recv(1 << 20):
            pass

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    interrupt_after('sendmsg')
    with pytest.raises(KeyboardInterrupt):
        channel.basic_publish('', 'q', bytes(100_000))
    assert_lost(connection, channel)


def test_interrupt_while_frames_are_parsed_ends_the_connection(serve, monkeypatch):
    """Nor is what comes out of a parser that was stopped halfway told to anybody."""
    connection = BlockingConnection(serve(answer_one_purge))
    channel = connection.channel()
    protocol = connection._driver.protocol
    plain = protocol.next_event

    def next_event():
        event = plain()
        if event is not None:
            monkeypatch.setattr(protocol, 'next_event', plain)
            raise KeyboardInterrupt
        return event

    monkeypatch.setattr(protocol, 'next_event', next_event)
    with pytest.raises(KeyboardInterrupt):
        channel.queue_purge('q')
    assert_lost(connection, channel)


@pytest.mark.parametrize('confirms', [False, True])
def test_interrupt_before_a_command_is_queued_ends_the_connection(serve, monkeypatch, confirms):
    """Its answer is counted on, and nobody was asked for it."""

    def play(peer):
        peer.open_channel()
        if confirms:
            peer.hear(spec.Confirm.Select)
            peer.say(spec.Confirm.SelectOk())
        peer.hear_end()

    def interrupt(*args):
        raise KeyboardInterrupt

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    if confirms:
        channel.confirm_delivery()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr('pika.outbox.Outbox.write_all', interrupt)
        channel.basic_publish('', 'q', b'') if confirms else channel.queue_purge('q')
    assert_lost(connection, channel)


def test_process_data_events_says_that_an_interrupt_ended_it(serve, interrupt_after):
    connection = BlockingConnection(serve(answer_one_purge))
    channel = connection.channel()
    interrupt_after('send')
    with pytest.raises(KeyboardInterrupt):
        channel.queue_purge('q')
    with pytest.raises(exceptions.StreamLostError, match='interrupted'):
        connection.process_data_events()


def test_interrupt_comes_out_of_a_with_block(serve, interrupt_after):
    with pytest.raises(KeyboardInterrupt), BlockingConnection(
            serve(answer_one_purge)) as connection:
        channel = connection.channel()
        interrupt_after('recv')
        channel.queue_purge('q')


def test_exception_of_a_callback_leaves_the_connection(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1')
        peer.close()

    def on_message(*message):
        raise KeyboardInterrupt

    with BlockingConnection(serve(play)) as connection:
        connection.channel().basic_consume('q', on_message, auto_ack=True)
        with pytest.raises(KeyboardInterrupt):
            connection.process_data_events(5)
        assert connection.is_open


def test_interrupted_cancel_forgets_the_consumer(serve, alarm):
    """Else start_consuming would wait for its messages."""
    rejected = []

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2')
        peer.hear(spec.Basic.Cancel)
        time.sleep(0.4)
        peer.say(spec.Basic.CancelOk(peer.tag))
        rejected.extend(peer.hear(spec.Basic.Reject).delivery_tag for _ in range(2))
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.basic_consume('q', print)
        time.sleep(0.1)
        alarm(0.2)
        with pytest.raises(KeyboardInterrupt):
            channel.stop_consuming()
        assert channel.consumer_tags == []
        channel.start_consuming()
    assert rejected == [1, 2]


def test_interrupted_close_is_a_close(serve, alarm):

    def play(peer):
        peer.open_channel()
        peer.hear(spec.Connection.Close)
        peer.hear_end()

    with BlockingConnection(serve(play)) as connection:
        connection.channel()
        alarm(0.2)
        with pytest.raises(KeyboardInterrupt):
            connection.close()
        assert connection.is_closed


def test_close_that_nobody_confirms_is_told(serve, monkeypatch, caplog):
    monkeypatch.setattr('pika.protocol.CLOSE_TIMEOUT', 0.3)
    caplog.set_level(logging.INFO, 'pika_blocking')

    def play(peer):
        peer.open_channel()
        time.sleep(1.5)

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    monkeypatch.setattr(connection._driver, '_send_slowly', lambda: None)
    channel.basic_publish('', 'q', bytes(20 << 20))
    started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < 8
    assert connection.is_closed
    text = caplog.messages[-1]
    assert 'no Connection.CloseOk within' in text and 'bytes were not taken' in text
    assert ' 0 bytes' not in text
