"""`pika.connection`: how connections open and end, and who is told."""

from __future__ import annotations

import gc
import weakref

import pika
import pytest
from pika import exceptions, spec
from pika.connection import Connection, ConnectionParameters


class Boom(Exception):
    pass


def boom(*args):
    raise Boom


def deliver(tag, consumer_tag='c'):
    return spec.Basic.Deliver(consumer_tag, tag, False, '', 'q')


def names(calls):
    return [call[0] for call in calls]


# Opening.


def test_handshake_runs_on_open_once(make, log, calls):
    connection = make(on_open_callback=log('open'))
    assert connection.connection_state == Connection.CONNECTION_INIT
    assert not (connection.is_open or connection.is_closing or connection.is_closed)
    connection.connected()
    assert connection.stream.sends == [b'AMQP\0\0\x09\x01']
    assert connection.connection_state == Connection.CONNECTION_PROTOCOL
    connection.stream.read = 8
    connection.hears(spec.Connection.Start(server_properties={'product': 'x'}), channel=0)
    assert connection.connection_state == Connection.CONNECTION_START
    connection.hears(spec.Connection.Tune(2047, 131072, 60), channel=0)
    assert calls == []
    connection.hears(spec.Connection.OpenOk(), channel=0)
    assert calls == [('open', connection)]
    assert connection.is_open
    assert connection.connection_state == Connection.CONNECTION_OPEN
    assert connection.params.heartbeat == 60
    assert connection.server_properties['product'] == 'x'
    assert [type(method).__name__ for method in connection.sent()] == ['StartOk', 'TuneOk', 'Open']


def test_parameters_are_copied(make):
    parameters = ConnectionParameters(heartbeat=None)
    connection = make(parameters).open()
    assert connection.params is not parameters
    assert parameters.heartbeat is None
    assert connection.params.heartbeat == 60


def test_parameters_of_wrong_type_are_refused(make):
    with pytest.raises(TypeError, match='parameters'):
        make('amqp://localhost')


def test_capabilities_are_those_of_the_broker(make, connection):
    assert connection.publisher_confirms is True
    assert connection.basic_nack is True
    assert connection.exchange_exchange_bindings is False
    assert connection.consumer_cancel_notify is False
    assert make().publisher_confirms is False


@pytest.mark.parametrize('lose', ['eof_received', 'connection_lost'])
def test_stream_lost_in_handshake_is_an_open_error(make, log, calls, lose):
    connection = make(on_open_error_callback=log('error'), on_close_callback=log('close'))
    connection.connected()
    getattr(connection, lose)(*([None] if lose == 'connection_lost' else []))
    (name, who, error), = calls
    assert (name, who) == ('error', connection)
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'handshake'
    assert connection.is_closed
    assert connection.connection_state == Connection.CONNECTION_CLOSED
    connection.connect_failed(Boom())
    connection.eof_received()
    assert len(calls) == 1


def test_failed_attempt_is_followed_by_another_with_all_credentials(make, log, calls):
    credentials = pika.PlainCredentials('me', 'secret', erase_on_connect=True)
    connection = make(ConnectionParameters(credentials=credentials),
                      on_open_callback=log('open'),
                      on_open_error_callback=log('error'))
    connection.retry = True
    connection.connected()
    connection.hears(spec.Connection.Start(), spec.Connection.Tune(), channel=0)
    connection.hears(spec.Connection.Close(530, 'no', 10, 40), channel=0)
    assert isinstance(connection.failures[0], exceptions.ProbableAccessDeniedError)
    assert connection.stream.closed
    assert connection.stream.sends[-1].endswith(b'\0\x0a\0\x33\xce')  # Close-Ok
    assert calls == []
    connection.retry = False
    connection.open()
    assert names(calls) == ['open']
    assert b'\0me\0secret' in connection.stream.sends[1]


def test_end_of_the_stream_before_says_nothing_of_the_next(make, monkeypatch):
    """A stream may linger after close(), while the next attempt has begun."""
    connection = make()
    connection.retry = True
    connection.connected()
    monkeypatch.setattr(connection.stream, 'close', lambda: None)
    connection.hears(b'HTTP/1.1')
    connection.connection_lost(None)
    assert len(connection.failures) == 1
    assert connection.armed() == []
    connection.connected()
    assert (connection.bytes_sent, connection.bytes_received) == (8, 0)


def test_connect_failed_is_an_open_error(make, log, calls):
    connection = make(on_open_error_callback=log('error'))
    error = exceptions.AMQPConnectionError('refused')
    connection.connect_failed(error)
    assert calls == [('error', connection, error)]


def test_open_error_without_callback_comes_out_of_the_loop(make):
    connection = make()
    with pytest.raises(exceptions.AMQPConnectionError, match='refused'):
        connection.connect_failed(exceptions.AMQPConnectionError('refused'))


def test_open_error_callback_replaces_the_default(make, log, calls):
    connection = make()
    connection.add_on_open_error_callback(log('mine'))
    connection.connect_failed(Boom())
    assert names(calls) == ['mine']


def test_open_error_callback_beside_the_default(make, log, calls):
    connection = make()
    connection.add_on_open_error_callback(log('mine'), remove_default=False)
    connection.add_on_open_error_callback(log('second'), remove_default=False)
    with pytest.raises(Boom):
        connection.connect_failed(Boom())
        connection.run()
    assert names(calls) == ['mine', 'second']


def test_what_credentials_raise_is_the_open_error(make, log, calls, monkeypatch):
    monkeypatch.setattr(pika.PlainCredentials, 'response_for', boom)
    connection = make(on_open_error_callback=log('error')).connected()
    connection.hears(spec.Connection.Start(), channel=0)
    assert isinstance(calls[0][2], Boom)


def test_heartbeat_callable_gets_this_connection(make):
    asked = []
    connection = make(ConnectionParameters(heartbeat=lambda *args: asked.append(args) or 7)).open()
    assert asked == [(connection, 60)]
    assert connection.params.heartbeat == 7


def test_stack_timeout_counts_from_the_start_of_the_attempt(make, log, calls):
    connection = make(ConnectionParameters(stack_timeout=15), on_open_error_callback=log('error'))
    stream = type(
        'S', (), {
            'writelines': lambda *_: None,
            'close': lambda _: None,
            'abort': lambda _: None,
            'drain': lambda _: True
        })()
    connection.connection_made(stream, connection.time - 10)
    connection.sleep(4.9)
    assert calls == []
    connection.sleep(0.2)
    assert 'Connection.Start within 15' in str(calls[0][2])


@pytest.mark.parametrize('stage', ['before', 'handshake'])
def test_close_before_open_is_an_open_error(make, log, calls, stage):
    connection = make(on_open_error_callback=log('error'), on_close_callback=log('close'))
    if stage == 'handshake':
        connection.connected()
    connection.close()
    assert connection.is_closing and not connection.is_closed
    assert connection.connection_state == Connection.CONNECTION_CLOSING
    assert calls == []
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.close()
    connection.run()
    (name, _, error), = calls
    assert name == 'error'
    assert isinstance(error, exceptions.ConnectionOpenAborted)
    assert connection.stopped
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.close()


def test_stream_that_comes_after_close_is_aborted(make, log):
    connection = make(on_open_error_callback=log('error'))
    connection.close()
    connection.connected()
    assert connection.stream.aborted and not connection.stream.sends
    connection.run()
    connection.connected()
    assert connection.stream.aborted


# Closing.


def test_connection_is_a_context_manager(connection, calls):
    with connection as entered:
        assert entered is connection
    assert isinstance(connection.sent()[0], spec.Connection.Close)
    with connection:  # closes no second time
        pass
    connection.hears(spec.Connection.CloseOk(), channel=0)
    with connection:
        assert connection.is_closed
    assert connection.sent() == []


def test_client_closes(connection, calls, log):
    channel = connection.open_channel()
    channel.add_on_close_callback(log('channel'))
    connection.close(200, 'bye')
    assert connection.is_closing and not connection.is_open
    assert channel.is_closing
    with pytest.raises(exceptions.ChannelWrongStateError, match='Channel is closing'):
        channel.basic_publish('', 'q', b'')
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.close()
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.channel()
    close, = connection.sent()
    assert (close.reply_code, close.reply_text) == (200, 'bye')
    del calls[:]
    connection.hears(spec.Connection.CloseOk(), channel=0)
    assert names(calls) == ['channel', 'close']
    assert isinstance(calls[1][2], exceptions.ConnectionClosedByClient)
    assert isinstance(calls[0][2], exceptions.ChannelClosedByClient)
    assert calls[0][2].args == calls[1][2].args == (200, 'bye')
    assert connection.is_closed and channel.is_closed
    assert connection.stream.closed
    assert connection.armed() == []


def test_broker_closes(connection, calls):
    channel = connection.open_channel()
    del calls[:]
    connection.hears(spec.Connection.Close(320, 'CONNECTION_FORCED', 0, 0), channel=0)
    (name, _, reason), = calls
    assert name == 'close'
    assert (reason.reply_code, type(reason)) == (320, exceptions.ConnectionClosedByBroker)
    assert isinstance(connection.sent()[0], spec.Connection.CloseOk)
    with pytest.raises(exceptions.ChannelWrongStateError) as info:
        channel.basic_ack(1)
    assert info.value.__cause__ is reason
    with pytest.raises(exceptions.ConnectionWrongStateError):
        connection.channel()


def test_lost_stream_closes_after_what_came_before(connection, calls, log, message):
    channel = connection.open_channel()
    channel.basic_consume('q', log('message'), consumer_tag='c')
    connection._protocol.receive_data(message(deliver(1)), connection.time)
    del calls[:]
    connection.connection_lost(OSError(104, 'reset'))
    assert names(calls) == ['message', 'close']
    assert isinstance(calls[1][2], exceptions.StreamLostError)
    assert isinstance(calls[1][2].__cause__, OSError)


def test_eof_closes(connection, calls):
    del calls[:]
    connection.eof_received()
    assert isinstance(calls[0][2], exceptions.StreamLostError)
    assert connection.stream.closed


def test_peer_that_takes_no_last_bytes_is_aborted(connection, monkeypatch):
    monkeypatch.setattr(connection.stream, 'close', lambda: None)
    connection.eof_received()
    connection.sleep(9)
    assert not connection.stream.aborted
    connection.sleep(2)
    assert connection.stream.aborted


def test_silent_peer_is_drained_before_it_is_judged(connection, calls):
    """Ten minutes of user code are no dead peer, when its heartbeats wait in the kernel."""
    del calls[:]
    connection.time += 600
    connection.stream.kernel = b'\x08\0\0\0\0\0\0\xce'
    connection.sleep(0)
    assert connection.is_open
    connection.sleep(70)
    assert isinstance(calls[0][2], exceptions.AMQPHeartbeatTimeout)


def test_silence_is_judged_after_a_late_timer_has_let_the_loop_read(connection, calls):
    """Where the stream cannot be drained: the loop was busy, and reads before it is asked again."""
    del calls[:]
    connection.stream.drains = False
    connection.time += 600
    connection.sleep(0)
    assert connection.is_open
    connection.data_received(b'\x08\0\0\0\0\0\0\xce')
    connection.sleep(1)
    assert connection.is_open


def test_heartbeats_are_sent_while_silence_waits_to_be_judged(connection):
    connection.stream.drains = False
    connection.stream.sends.clear()
    connection.time += 600
    connection.sleep(0)
    assert connection.stream.sends == [b'\x08\0\0\0\0\0\0\xce']


def test_silence_is_judged_once_the_loop_has_read_nothing(connection, calls):
    del calls[:]
    connection.stream.drains = False
    connection.time += 600
    connection.sleep(0)
    assert connection.is_open
    connection.sleep(0.1)
    assert isinstance(calls[0][2], exceptions.AMQPHeartbeatTimeout)


def test_timer_in_time_needs_no_second_look(connection):
    connection.stream.drains = False
    connection.sleep(20)
    connection.stream.sends.clear()
    connection.sleep(10)
    assert connection.stream.sends == [b'\x08\0\0\0\0\0\0\xce']


def test_idle_connection_wakes_only_for_heartbeats(connection):
    connection.sleep(20)  # the timer of the handshake fires, and finds that it is over
    made = len(connection.timers)
    connection.stream.sends.clear()
    for _ in range(10):
        connection.sleep(29)
        connection.data_received(b'\x08\0\0\0\0\0\0\xce')
    assert connection.stream.sends == [b'\x08\0\0\0\0\0\0\xce'] * 10
    assert len(connection.timers) - made == 10  # one for each; none for what was read
    assert len(connection.armed()) == 1


def test_timer_moves_to_an_earlier_moment(make, log, calls):
    connection = make(ConnectionParameters(blocked_connection_timeout=5),
                      on_close_callback=log('close')).open()
    connection.hears(spec.Connection.Blocked('low on disk'), channel=0)
    connection.sleep(4)
    assert calls == []
    connection.sleep(1)
    assert isinstance(calls[0][2], exceptions.ConnectionBlockedTimeout)


def test_blocked_and_unblocked(connection, calls, log):
    connection.add_on_connection_blocked_callback(log('blocked'))
    connection.add_on_connection_unblocked_callback(log('unblocked'))
    del calls[:]
    connection.hears(spec.Connection.Blocked('low on disk'), spec.Connection.Unblocked(), channel=0)
    assert names(calls) == ['blocked', 'unblocked']
    assert calls[0][1] is connection
    assert calls[0][2].method.reason == 'low on disk'


def test_update_secret(connection, calls, log):
    connection.update_secret('token', 'it expires', callback=log('updated'))
    method, = connection.sent()
    assert (method.new_secret, method.reason) == (b'token', 'it expires')
    del calls[:]
    connection.hears(spec.Connection.UpdateSecretOk(), channel=0)
    (name, method_frame), = calls
    assert name == 'updated'
    assert isinstance(method_frame.method, spec.Connection.UpdateSecretOk)
    connection.update_secret('token', 'it expires')
    connection.hears(spec.Connection.UpdateSecretOk(), channel=0)


@pytest.mark.parametrize('add', [
    'add_on_open_callback', 'add_on_open_error_callback', 'add_on_close_callback',
    'add_on_connection_blocked_callback', 'add_on_connection_unblocked_callback'
])
def test_what_cannot_be_called_is_refused(make, add):
    with pytest.raises(TypeError, match='callback'):
        getattr(make(), add)('no')


def test_a_closed_connection_is_no_garbage_that_stays(make):
    connection = make(on_open_callback=lambda c: None, on_close_callback=lambda c, e: None).open()
    connection.open_channel()
    connection.hears(spec.Connection.Close(320, 'bye', 0, 0), channel=0)
    connection.run()
    dead = weakref.ref(connection)
    del connection
    gc.collect()
    assert dead() is None


def test_an_adapter_has_to_say_how():
    with pytest.raises(NotImplementedError):
        Connection()
    bare = Connection(internal_connection_workflow=False)
    for missing in (lambda: bare._call_soon(boom), lambda: bare._call_at(0.0, boom), bare._now,
                    bare._stop_connecting):
        with pytest.raises(NotImplementedError):
            missing()
