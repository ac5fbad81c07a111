"""The rules of the generator `consume`."""

from __future__ import annotations

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
        heard = peer.hear_until((spec.Connection.Close, spec.Basic.Cancel))
        if isinstance(heard, spec.Basic.Cancel):
            peer.say(spec.Basic.CancelOk(peer.tag))
            heard = peer.hear((spec.Basic.Reject, spec.Connection.Close))
            while isinstance(heard, spec.Basic.Reject):
                assert heard.requeue
                rejected.append(heard.delivery_tag)
                heard = peer.hear((spec.Basic.Reject, spec.Connection.Close))
        peer.say(spec.Connection.CloseOk(), channel=0)

    rejected: list[int] = []
    play.rejected = rejected
    return play


def test_nothing_is_sent_before_the_first_message_is_asked_for(serve):

    def play(peer):
        peer.open_channel()
        peer.close()  # hears no Basic.Consume

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        channel.consume('q')
        connection.process_data_events(0.05)
        assert channel.consumer_tags == []


def test_messages_are_yielded(serve):
    with BlockingConnection(serve(consumer(b'1', b'2'))) as connection:
        channel = connection.channel()
        messages = channel.consume('q', auto_ack=True, consumer_tag='mine')
        method, properties, body = next(messages)
        assert channel.consumer_tags == ['mine']
        assert (method.consumer_tag, method.delivery_tag, body) == ('mine', 1, b'1')
        assert isinstance(properties, spec.BasicProperties)
        assert next(messages)[2] == b'2'


def test_inactivity(serve):
    with BlockingConnection(serve(consumer(b'1'))) as connection:
        channel = connection.channel()
        messages = channel.consume('q', inactivity_timeout=0.2)
        assert next(messages)[2] == b'1'
        for _ in range(2):
            started = time.monotonic()
            assert next(messages) == (None, None, None)
            assert time.monotonic() - started >= 0.2


def test_inactivity_of_no_time_at_all(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        time.sleep(0.2)
        peer.deliver(b'1')
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        messages = connection.channel().consume('q', inactivity_timeout=0)
        assert next(messages) == (None, None, None)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            _, _, body = next(messages)
            if body is not None:
                break
        assert body == b'1'


def test_second_consume_goes_on_where_the_first_was_left(serve):
    """Its arguments, timeout and tag are not compared."""
    with BlockingConnection(serve(consumer(b'1', b'2', b'3'))) as connection:
        channel = connection.channel()
        for _, _, body in channel.consume('q'):
            assert body == b'1'
            break
        for _, _, body in channel.consume('q', inactivity_timeout=1, arguments={'x': 1}):
            assert body == b'2'
            break
        for other in (('other', False, False), ('q', True, False), ('q', False, True)):
            with pytest.raises(ValueError, match=r"\('q', False, False\)"):
                next(channel.consume(*other))
        assert next(channel.consume('q'))[2] == b'3'


def test_cancel_requeues_and_ends_every_generator(serve):
    play = consumer(b'1', b'2', b'3')
    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        one, two = channel.consume('q'), channel.consume('q')
        assert next(one)[2] == b'1'
        assert next(two)[2] == b'2'
        assert channel.cancel() == 0
        assert list(one) == list(two) == []
        assert channel.consumer_tags == []
        assert channel.cancel() == 0
    assert play.rejected == [3]


def test_messages_that_were_not_pulled_are_counted(serve):
    play = consumer(b'1', b'2', b'3')
    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        assert channel.get_waiting_message_count() == 0
        next(channel.consume('q'))
        assert channel.get_waiting_message_count() == 2
        channel.cancel()
        assert channel.get_waiting_message_count() == 0
    assert play.rejected == [2, 3]


def test_basic_cancel_returns_messages_that_count_as_acknowledged(serve):
    with BlockingConnection(serve(consumer(b'1', b'2', b'3'))) as connection:
        channel = connection.channel()
        messages = channel.consume('q', auto_ack=True)
        next(messages)
        left = channel.basic_cancel(channel.consumer_tags[0])
        assert [(method.delivery_tag, body) for method, _, body in left] == [(2, b'2'), (3, b'3')]
        assert list(messages) == []


def test_broker_cancels_the_consumer(serve):
    """Rule 30: it ends quietly, after what came before; the next one starts a new consumer."""

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2', then=frame.method_frame(1, spec.Basic.Cancel(peer.tag, True)))
        peer.consume()
        peer.deliver(b'3', first=3)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        assert [body for _, _, body in channel.consume('q', auto_ack=True)] == [b'1', b'2']
        assert channel.consumer_tags == []
        assert next(channel.consume('q'))[2] == b'3'


def test_channel_closed_by_the_broker(serve):
    closing = frame.method_frame(1, spec.Channel.Close(406, 'PRECONDITION_FAILED', 60, 80))
    with BlockingConnection(serve(consumer(b'1', then=closing))) as connection:
        messages = connection.channel().consume('q')
        assert next(messages)[2] == b'1'
        with pytest.raises(exceptions.ChannelClosedByBroker):
            next(messages)
        connection.process_data_events(0)
        assert connection.is_open


def test_messages_that_count_as_acknowledged_are_yielded_before_the_close_is_told(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2')
        peer.hear(spec.Queue.Purge)
        peer.say(spec.Channel.Close(404, 'NOT_FOUND', 50, 30))
        peer.hear(spec.Channel.CloseOk)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        messages = channel.consume('q', auto_ack=True)
        assert next(messages)[2] == b'1'
        with pytest.raises(exceptions.ChannelClosedByBroker):
            channel.queue_purge('q')
        assert next(messages)[2] == b'2'
        with pytest.raises(exceptions.ChannelClosedByBroker):
            next(messages)


@pytest.mark.parametrize('what', ['channel', 'connection'])
def test_program_closes_it_in_the_loop(serve, what):

    def play(peer):
        peer.open_channel()
        peer.consume()
        peer.deliver(b'1', b'2')
        if what == 'channel':
            peer.hear(spec.Channel.Close)
            peer.say(spec.Channel.CloseOk())
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        for _, _, body in channel.consume('q', auto_ack=True):
            seen.append(body)
            (channel if what == 'channel' else connection).close()
        assert seen == [b'1']


def test_connection_ends_while_a_message_is_awaited(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()

    connection = BlockingConnection(serve(play))
    channel = connection.channel()
    with pytest.raises(exceptions.StreamLostError):
        next(channel.consume('q'))
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.process_data_events()


def test_callbacks_of_other_consumers_run_while_it_waits(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        other = peer.tag
        peer.consume()
        own, peer.tag = peer.tag, other
        peer.deliver(b'other')
        time.sleep(0.1)
        peer.tag = own
        peer.deliver(b'own', first=2)
        peer.close()

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        seen = []
        connection.call_later(0, lambda: seen.append('timer'))
        channel.basic_consume('q', lambda *message: seen.append(message[3]), auto_ack=True)
        assert next(channel.consume('q2', auto_ack=True))[2] == b'own'
        assert seen == ['timer', b'other']


def test_process_data_events_returns_when_a_message_for_it_arrives(serve):
    with BlockingConnection(serve(consumer(b'1', b'2'))) as connection:
        channel = connection.channel()
        messages = channel.consume('q', auto_ack=True)
        next(messages)
        started = time.monotonic()
        connection.process_data_events(60)
        assert time.monotonic() - started < 30
        assert next(messages)[2] == b'2'
        started = time.monotonic()
        connection.process_data_events(0.2)
        assert time.monotonic() - started >= 0.2


def test_exception_of_a_callback_while_it_waits_leaves_the_consumer(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        time.sleep(0.2)
        peer.deliver(b'1')
        peer.close()

    def fail():
        raise ZeroDivisionError

    with BlockingConnection(serve(play)) as connection:
        channel = connection.channel()
        connection.call_later(0.05, fail)
        with pytest.raises(ZeroDivisionError):
            next(channel.consume('q'))
        assert next(channel.consume('q'))[2] == b'1'


def test_exception_of_a_callback_loses_no_message_that_came_with_it(serve):

    def play(peer):
        peer.open_channel()
        peer.consume()
        deliver = spec.Basic.Deliver(peer.tag, 1, False, '', 'q')
        peer.socket.sendall(b''.join([
            frame.method_frame(0, spec.Connection.Blocked('memory')),
            *pika_testing.message_frames(1, deliver, body=b'1')
        ]))
        peer.close()

    def fail(*args):
        raise ZeroDivisionError

    with BlockingConnection(serve(play)) as connection:
        connection.add_on_connection_blocked_callback(fail)
        connection.call_later(0, fail)
        channel = connection.channel()
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                next(channel.consume('q'))
        assert next(channel.consume('q'))[2] == b'1'
