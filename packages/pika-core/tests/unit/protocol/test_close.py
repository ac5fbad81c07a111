"""How a connection ends: from either side, from both at once, with its stream."""

from __future__ import annotations

import gc
import sys

import pytest
from pika import events, exceptions, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import CLOSE_TIMEOUT, Protocol
from pika_testing import message_frames, open_channel

QOS, QOS_OK = spec.Basic.Qos(), spec.Basic.QosOk()
FORCED = spec.Connection.Close(320, 'CONNECTION_FORCED', 0, 0)
BY_CLIENT = exceptions.ConnectionClosedByClient(200, 'Normal shutdown')
CLOSE, CLOSE_OK = spec.Connection.Close(200, 'Normal shutdown', 0, 0), spec.Connection.CloseOk()


def check(reason, kind, *args):
    """The reason is this error, and says where."""
    assert (type(reason), reason.args) == (kind, args)
    assert (reason.host, reason.port, reason.phase) == ('localhost', 5672, 'open')


def busy(client):
    """Two channels, calls on the first and confirms on the other; returns the contexts."""
    client.open(1, 2).call(2, spec.Confirm.Select(), spec.Confirm.SelectOk())
    client.protocol.call(1, QOS, 'sent')
    client.protocol.call(1, QOS, 'waiting')
    client.protocol.publish(2, '', 'q', context='publish')
    client.protocol.call(0, spec.Connection.UpdateSecret(b'', ''), 'secret')
    client.protocol.data_to_send()
    return ['secret', 'sent', 'waiting', 'publish']


def test_server_closes_the_connection(client):
    """Rule 25: every context comes back; the answer is still to be written."""
    contexts = busy(client)
    reason = client.fails((0, spec.Connection.Close(504, 'CHANNEL_ERROR', 20, 10)))
    check(reason, exceptions.ConnectionClosedByBroker, 504, 'CHANNEL_ERROR')
    assert (reason.class_id, reason.method_id) == (20, 10)
    assert client.returned[-4:] == contexts
    client.says((0, CLOSE_OK))


def test_connection_that_the_server_forced_to_close_may_be_opened_again(client):
    reason = client.fails((0, FORCED))
    assert reason.recoverable


def test_after_the_end_nothing_happens_any_more(client):
    client.open(1)
    client.fails((0, FORCED))
    client.says((0, CLOSE_OK))
    protocol = client.protocol
    assert (protocol.state, protocol.is_open) == ('closed', False)
    client.hears((1, QOS_OK), (0, FORCED), b'\xff' * 99)
    client.lost()
    client.lost(OSError('reset'))
    client.at(1e9)
    for command in (lambda: protocol.open_channel('c'), lambda: protocol.call(1, QOS, 'c'),
                    lambda: protocol.publish(1, '', 'q'), lambda: protocol.ack(1, 1),
                    lambda: protocol.consume(1, spec.Basic.Consume(), 'c', 'o'),
                    lambda: protocol.call(0, spec.Connection.UpdateSecret(b'', ''), 'c'),
                    lambda: protocol.close(0.0), lambda: protocol.connect(0.0)):
        with pytest.raises(exceptions.ConnectionWrongStateError, match='closed'):
            command()
    protocol.abandon('context')
    client.says()
    assert protocol.next_timeout() is None


def test_client_closes_the_connection(client):
    contexts = busy(client)
    client.protocol.close(5.0, context='close')
    client.says((0, CLOSE))
    assert client.protocol.state == 'closing'
    assert client.protocol.next_timeout() == 5.0 + CLOSE_TIMEOUT
    reason = client.fails((0, CLOSE_OK))
    check(reason, exceptions.ConnectionClosedByClient, 200, 'Normal shutdown')
    assert client.returned[-5:] == [*contexts, 'close']
    client.says()


def test_client_closes_with_code_and_text_of_its_own(client):
    client.protocol.close(0.0, 541, 'out of order')
    client.says((0, spec.Connection.Close(541, 'out of order', 0, 0)))
    check(client.fails((0, CLOSE_OK)), exceptions.ConnectionClosedByClient, 541, 'out of order')


@pytest.mark.parametrize('arguments', [dict(code=65536), dict(text='x' * 256), dict(text=None)])
def test_close_that_cannot_be_sent_is_refused_and_the_connection_stays(client, arguments):
    with pytest.raises((ValueError, TypeError)):
        client.protocol.close(0.0, context='close', **arguments)
    client.says()
    assert client.protocol.is_open
    client.open(1)


def test_what_was_published_is_sent_before_the_close(client):
    client.open(1)
    client.protocol.publish(1, '', 'q', b'body')
    client.protocol.close(0.0)
    client.says(*message_frames(1, spec.Basic.Publish(0, '', 'q'), None, b'body'), (0, CLOSE))


def test_server_sends_on_while_the_client_waits_for_the_answer(client):
    """Rule 15: all but close and close-ok is thrown away, whatever channel it is for."""
    client.open(1).consume(1, 'one')
    client.protocol.call(1, QOS, 'qos')
    client.protocol.close(0.0, context='close')
    client.protocol.data_to_send()
    message = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'x' * 99)
    client.hears((1, QOS_OK), *message, *message[1:], (7, QOS_OK),
                 (0, spec.Connection.Blocked('memory')), (0, spec.Connection.Unblocked()),
                 (0, spec.Connection.Tune()), b'\x08\0\0\0\0\0\0\xce', *message[1:],
                 (1, spec.Channel.Close(404, 'gone', 0, 0)))
    client.says()
    assert client.fails((0, CLOSE_OK)).args == BY_CLIENT.args
    assert client.returned[-2:] == ['qos', 'close']


def test_both_close_at_once(client):
    """Rule 15: the crossing close is answered, and the wait goes on; the broker's reason counts."""
    client.protocol.close(0.0, context='close')
    client.says((0, CLOSE))
    client.hears((0, FORCED))
    client.says((0, CLOSE_OK))
    assert client.protocol.state == 'closing'
    check(client.fails((0, CLOSE_OK)), exceptions.ConnectionClosedByBroker, 320,
          'CONNECTION_FORCED')
    assert client.returned == ['close']
    client.says()


@pytest.mark.parametrize('error', [None, OSError('reset')])
def test_both_close_at_once_and_the_server_hangs_up(client, error):
    client.protocol.close(0.0)
    client.hears((0, FORCED))
    client.protocol.connection_lost(error, 0.0)
    check(client.ends(), exceptions.ConnectionClosedByBroker, 320, 'CONNECTION_FORCED')


@pytest.mark.parametrize('error', [None, OSError('reset')])
def test_server_hangs_up_instead_of_answering_the_close(client, error):
    """Rule 18: read to close-ok or the end of the stream; the client got what it asked for."""
    client.protocol.close(0.0, context='close')
    client.protocol.connection_lost(error, 0.0)
    check(client.ends(), exceptions.ConnectionClosedByClient, 200, 'Normal shutdown')
    assert client.returned == ['close']


def test_server_does_not_answer_the_close(client):
    """Rule 18: a broker that has blocked the connection reads nothing; a deadline, then the end."""
    client.protocol.close(5.0, context='close')
    client.at(5.0 + CLOSE_TIMEOUT - 0.1)
    client.protocol.handle_timeout(5.0 + CLOSE_TIMEOUT)
    check(client.ends(), exceptions.ConnectionClosedByClient, 200, 'Normal shutdown')


def test_close_twice_is_refused(client):
    client.protocol.close(0.0, context='close')
    with pytest.raises(exceptions.ConnectionWrongStateError, match='closing'):
        client.protocol.close(0.0, context='again')
    client.says((0, CLOSE))


@pytest.mark.parametrize('kind', ['channel', 'call', 'publish'])
def test_command_on_a_connection_that_closes_is_refused(client, kind):
    client.open(1)
    client.protocol.close(0.0)
    client.says((0, CLOSE))
    with pytest.raises(exceptions.ConnectionWrongStateError, match='closing'):
        if kind == 'channel':
            client.protocol.open_channel('context')
        elif kind == 'call':
            client.protocol.call(1, QOS, 'context')
        else:
            client.protocol.publish(1, '', 'q')
    client.says()


def test_server_answers_a_close_that_nobody_sent(client):
    text = 'unexpected Connection.CloseOk on channel 0'
    check(client.fails((0, CLOSE_OK)), exceptions.ProtocolViolationError, 503, text)
    client.says((0, spec.Connection.Close(503, text, 0, 0)))


def test_server_hangs_up(client):
    """Rule 25: what happened to the calls is unknown."""
    contexts = busy(client)
    client.protocol.receive_eof(0.0)
    check(client.ends(), exceptions.StreamLostError,
          'the stream to the broker was lost: the broker closed it without a Connection.Close')
    assert client.returned[-4:] == contexts
    client.says()


def test_stream_breaks(client):
    error = ConnectionResetError('reset by peer')
    client.protocol.connection_lost(error, 0.0)
    reason = client.ends()
    check(reason, exceptions.StreamLostError, 'the stream to the broker was lost: reset by peer')
    assert reason.__cause__ is error


def test_first_cause_of_the_end_stays(client):
    client.protocol.connection_lost(OSError('first'), 0.0)
    client.protocol.connection_lost(OSError('second'), 0.0)
    client.protocol.receive_eof(0.0)
    assert client.ends().args == ('the stream to the broker was lost: first',)


def test_error_of_the_adapter_is_the_reason_itself(client):
    error = exceptions.AMQPConnectionError('of the adapter', host='there', port=1, phase='TLS')
    client.protocol.connection_lost(error, 0.0)
    assert client.ends() is error
    assert (error.host, error.port, error.phase) == ('there', 1, 'TLS')


def test_what_came_before_the_end_of_the_stream_is_parsed_first(client):
    """Rule 19: the last frame is often connection.close with the reason."""
    client.open(1).consume(1, 'one')
    method = spec.Basic.Deliver('one', 1, False, '', 'q')
    client.arrives(*message_frames(1, method), (0, spec.Connection.Close(320, 'x', 0, 0)))
    client.lost(OSError('reset'),
                gives=[
                    events.Delivery(1, method, spec.BasicProperties.from_raw(b'\0\0'), b'',
                                    'owner of one'),
                    events.Closed(exceptions.ConnectionClosedByBroker(320, 'x'), [])
                ])
    client.says((0, CLOSE_OK))


def test_stream_ends_amid_a_frame(client):
    client.open(1).consume(1, 'one')
    frames = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'x' * 999)
    client.hears(*frames[:2], frames[2][:500], partial=True)
    client.lost(OSError('reset'),
                gives=events.Closed(
                    exceptions.StreamLostError('the stream to the broker was lost: reset'), []))


def test_stream_is_lost_before_it_was_used(make_client):
    client = make_client()
    client.protocol.connection_lost(OSError('reset'), 0.0)
    reason = client.ends()
    assert (type(reason), reason.args) == (exceptions.StreamLostError,
                                           ('the stream to the broker was lost: reset',))


def test_protocol_is_dropped_amid_a_body(monkeypatch):
    """Memory that is lent for a read makes no noise when all is collected together."""
    noise = []
    monkeypatch.setattr(sys, 'unraisablehook', noise.append)
    protocol = Protocol(ConnectionParameters())
    open_channel(protocol)
    protocol.consume(1, spec.Basic.Consume(consumer_tag='one'), None, None)
    frames = message_frames(1, spec.Basic.Deliver('one', 1, False, '', 'q'), None, b'x' * 99)
    protocol.receive_data(b''.join(frames)[:-50], 0.0)
    assert protocol.next_event() is None
    room = protocol.get_buffer()
    assert len(room) == 49
    del protocol, room
    gc.collect()
    assert noise == []


def test_close_that_the_server_does_not_confirm_says_so(channel):
    """Rule 18: a blocked broker reads nothing; the reason tells what the client did not get."""
    channel.protocol.close(0.0)
    channel.protocol.handle_timeout(10.0)
    event = channel.protocol.next_event()
    assert isinstance(event.reason, exceptions.ConnectionClosedByClient)
    assert isinstance(event.reason.__cause__, TimeoutError)
    assert 'Connection.CloseOk' in str(event.reason.__cause__)


def test_close_that_the_server_confirms_has_no_cause():
    protocol = Protocol(ConnectionParameters())
    open_channel(protocol)
    protocol.close(0.0)
    protocol.receive_data(frame.Method(0, spec.Connection.CloseOk()).marshal(), 1.0)
    event = protocol.next_event()
    assert isinstance(event.reason, exceptions.ConnectionClosedByClient)
    assert event.reason.__cause__ is None
