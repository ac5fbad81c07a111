"""Connections to RabbitMQ: how they open, end, and tell of it."""

from __future__ import annotations

import time

import pytest
import rabbitmq
from pika import exceptions, spec
from pika.credentials import AMQPlainCredentials, ExternalCredentials, PlainCredentials
from pika.parameters import ConnectionParameters, SSLOptions, URLParameters
from pika_blocking import BlockingConnection


def test_open_and_close(connection):
    assert connection.is_open and not connection.is_closing and not connection.is_closed
    assert connection.server_properties['product'] == 'RabbitMQ'
    assert connection.params.heartbeat == 60  # as the broker and we have agreed
    for capability in ('basic_nack', 'consumer_cancel_notify', 'exchange_exchange_bindings',
                       'publisher_confirms'):
        assert getattr(connection, capability) is True
        assert getattr(connection, f'{capability}_supported') is True
    connection.close()
    assert connection.is_closed and not connection.is_open


def test_external(client_context, tls_url):
    """Rule 8: an empty response; the user is the one that the certificate names."""
    parameters = URLParameters(tls_url)
    parameters.credentials = ExternalCredentials()
    parameters.ssl_options = SSLOptions(client_context)
    with BlockingConnection(parameters) as connection:
        channel = connection.channel()
        queue = channel.queue_declare('', exclusive=True).method.queue
        properties = spec.BasicProperties(user_id=rabbitmq.CLIENT)
        channel.confirm_delivery()
        channel.basic_publish('', queue, b'', properties, mandatory=True)


def test_amqplain(parameters):
    """Rule 8."""
    login = parameters.credentials
    parameters.credentials = AMQPlainCredentials(login.username, login.password)
    with BlockingConnection(parameters) as connection:
        assert connection.is_open


def test_wrong_password(parameters):
    """Rule 7."""
    parameters.credentials = PlainCredentials('guest', 'wrong')
    with pytest.raises(exceptions.ProbableAuthenticationError) as caught:
        BlockingConnection(parameters)
    assert caught.value.phase == 'handshake'
    assert f'{parameters.host}:{parameters.port}' in str(caught.value)
    assert 'wrong' not in str(caught.value)


def test_missing_virtual_host(parameters):
    """Rule 7."""
    parameters.virtual_host = 'no-such-host'
    with pytest.raises(exceptions.ProbableAccessDeniedError, match='no-such-host') as caught:
        BlockingConnection(parameters)
    assert caught.value.phase == 'handshake'


def test_certificate_of_another_host(tls_parameters):
    tls_parameters.ssl_options = SSLOptions(tls_parameters.ssl_options.context, 'other.example')
    with pytest.raises(exceptions.AMQPConnectionError, match='other.example') as caught:
        BlockingConnection(tls_parameters)
    assert caught.value.phase == 'TLS'


def test_plain_on_the_port_for_tls(tls_parameters):
    """Rule 1: the end of the stream is no incompatible protocol."""
    tls_parameters.ssl_options = None
    with pytest.raises(exceptions.AMQPConnectionError) as caught:
        BlockingConnection(tls_parameters)
    assert str(caught.value)


def test_tls_on_the_plain_port(parameters, tls_context):
    """Rule 1."""
    parameters.ssl_options = SSLOptions(tls_context)
    with pytest.raises(exceptions.AMQPConnectionError) as caught:
        BlockingConnection(parameters)
    assert caught.value.phase == 'TLS'


def test_second_parameters(parameters, unused_port):
    nobody = ConnectionParameters('127.0.0.1', unused_port)
    with BlockingConnection([nobody, parameters]) as connection:
        assert connection.is_open


def test_small_frames_and_few_channels(broker, parameters):
    """Rules 3 and 11: what we ask for below the broker's offer is what holds.

    RabbitMQ takes no less than 8192 since 4.1.
    """
    new = broker.node and broker.version >= (4, 1)
    parameters.frame_max = 8192 if new else spec.FRAME_MIN_SIZE
    parameters.channel_max = 3
    body = bytes(range(256)) * 100
    with BlockingConnection(parameters) as connection:
        channels = [connection.channel() for _ in range(3)]
        with pytest.raises(exceptions.NoFreeChannels):
            connection.channel()
        queue = channels[0].queue_declare('', exclusive=True).method.queue
        channels[0].basic_publish('', queue, body)
        assert next(channels[0].consume(queue))[2] == body


def test_channel_numbers(connection):
    """Rule 16."""
    one, seven, two = connection.channel(), connection.channel(7), connection.channel()
    assert [int(one), int(seven), int(two)] == [1, 7, 2]
    one.close()
    again = connection.channel()
    assert int(again) == 1
    assert again.queue_declare('', exclusive=True).method.queue
    with pytest.raises(exceptions.ChannelWrongStateError):
        one.queue_declare('', exclusive=True)


def test_many_connections_leave_nothing_open(parameters, open_files):
    before = open_files()
    for _ in range(20):
        with BlockingConnection(parameters) as connection:
            connection.channel()
    assert open_files() <= before


def test_operator_closes_the_connection(faults, virtual_host, parameters):
    """The current call raises the reason; later ones are of the wrong state, with it as cause."""
    connection = BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare('q')
    faults.close_connections(virtual_host, 'by an operator')
    with pytest.raises(exceptions.ConnectionClosedByBroker, match='by an operator') as caught:
        channel.queue_declare('q')
    assert caught.value.reply_code == 320
    assert caught.value.recoverable
    assert connection.is_closed and channel.is_closed
    with pytest.raises(exceptions.ChannelWrongStateError) as again:
        channel.queue_declare('q')
    assert again.value.__cause__ is caught.value
    with pytest.raises(exceptions.ConnectionWrongStateError) as again:
        connection.process_data_events()
    assert again.value.__cause__ is caught.value


def test_operator_closes_an_idle_connection(faults, virtual_host, parameters):
    connection = BlockingConnection(parameters)
    faults.close_connections(virtual_host, 'by an operator')
    with pytest.raises(exceptions.ConnectionClosedByBroker, match='by an operator'):
        connection.process_data_events(10)


def test_operator_closes_a_connection_that_only_publishes(faults, virtual_host, parameters):
    connection = BlockingConnection(parameters)
    channel = connection.channel()
    faults.close_connections(virtual_host, 'by an operator')
    deadline = time.monotonic() + 10
    with pytest.raises(exceptions.ConnectionClosedByBroker, match='by an operator'):
        while time.monotonic() < deadline:
            channel.basic_publish('', 'nobody', b'x' * 1000)


def test_violation_of_the_protocol_ends_the_connection(connection):
    """Rule 22: 'immediate' is not implemented (540); every channel learns of it."""
    channel, other = connection.channel(), connection.channel()
    with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
        channel.basic_recover(requeue=False)
    assert caught.value.reply_code == 540
    assert other.is_closed


def test_memory_alarm(faults, parameters):
    """Rule 35: told only after something was published; a blocked connection can still be asked."""
    with BlockingConnection(parameters) as connection:
        seen = []
        connection.add_on_connection_blocked_callback(lambda *args: seen.append(args))
        connection.add_on_connection_unblocked_callback(lambda *args: seen.append(args))
        channel = connection.channel()
        deadline = time.monotonic() + 30
        with faults.memory_alarm():
            # More than once: the alarm may reach the connection after the first.
            while not seen and time.monotonic() < deadline:
                channel.basic_publish('', 'nobody', b'')
                connection.process_data_events(0.2)
        while len(seen) < 2 and time.monotonic() < deadline:
            connection.process_data_events(1)
    (got, blocked), (_, unblocked) = seen
    assert got is connection
    assert 'memory' in blocked.method.reason
    assert isinstance(unblocked.method, spec.Connection.Unblocked)


def test_memory_alarm_for_too_long(faults, parameters):
    parameters.blocked_connection_timeout = 0.5
    connection = BlockingConnection(parameters)
    channel = connection.channel()
    with faults.memory_alarm():
        with pytest.raises(exceptions.ConnectionBlockedTimeout):
            for _ in range(100):  # the alarm may reach the connection after the first
                channel.basic_publish('', 'nobody', b'')
                connection.sleep(0.2)
    assert connection.is_closed


def test_heartbeats(parameters):
    """Rule 4: the client's value holds, and an idle connection outlives its timeout."""
    parameters.heartbeat = 1
    with BlockingConnection(parameters) as connection:
        channel = connection.channel()
        connection.sleep(4)
        channel.queue_declare('', exclusive=True)


def test_busy_program_outlives_its_heartbeat(parameters):
    """The broker allows two missed ones; what it sent waits in the kernel."""
    parameters.heartbeat = 2
    with BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for _ in range(3):
            time.sleep(1.5)
            connection.process_data_events()
        channel.queue_declare('', exclusive=True)


def test_update_secret(connection):
    """Rule 36."""
    connection.update_secret('guest', 'for a test')
    assert connection.channel().is_open
