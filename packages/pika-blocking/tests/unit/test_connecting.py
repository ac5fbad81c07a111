"""What connecting raises, and in which order endpoints are tried."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import ssl
import struct
import time

import pytest
import trustme
from pika import exceptions, frame, spec
from pika.credentials import PlainCredentials
from pika.parameters import ConnectionParameters, SSLOptions
from pika_blocking import BlockingConnection


def open_files() -> int:
    gc.collect()
    return len(os.listdir('/proc/self/fd'))


def failure(parameters: ConnectionParameters | list[ConnectionParameters]) -> Exception:
    """The error that connecting raises; its text is never empty, and it leaves nothing open."""
    before = open_files() if os.path.isdir('/proc/self/fd') else 0
    with pytest.raises(Exception) as caught:
        BlockingConnection(parameters)
    error = caught.value
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert str(error)
    last = parameters[-1] if isinstance(parameters, list) else parameters
    assert (error.host, error.port) == (last.host, last.port)
    assert f'{last.host}:{last.port}' in str(error)
    if before:
        deadline = time.monotonic() + 10  # the server, a thread here, closes its end too
        while open_files() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert open_files() <= before
    return error


def test_port_refuses(closed_port):
    error = failure(ConnectionParameters('127.0.0.1', closed_port))
    assert error.phase == 'connect'
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert error.recoverable


def test_peer_is_silent(serve):
    parameters = serve(lambda peer: peer.socket.recv(8) and peer.hear_end(), stack_timeout=0.3)
    started = time.monotonic()
    error = failure(parameters)
    assert 0.25 < time.monotonic() - started < 10
    assert error.phase == 'handshake'
    assert '0.3' in str(error) and 'timeout' in str(error)


def test_peer_is_silent_where_tls_is_due(serve):
    options = SSLOptions(ssl.create_default_context())
    parameters = serve(lambda peer: peer.socket.recv(10_000) and peer.socket.recv(10_000),
                       stack_timeout=0.3,
                       ssl_options=options)
    started = time.monotonic()
    error = failure(parameters)
    assert 0.25 < time.monotonic() - started < 10
    assert error.phase == 'TLS'
    assert '0.3' in str(error)


def test_peer_does_not_accept(monkeypatch):
    """socket_timeout bounds TCP, stack_timeout does where it is shorter."""
    limits = []

    class Silent(socket.socket):

        def settimeout(self, value):
            limits.append(value)
            super().settimeout(value)

        def connect(self, address):
            raise socket.timeout('timed out')

    monkeypatch.setattr(socket, 'socket', Silent)
    for parameters, limit, name in (
        (ConnectionParameters('127.0.0.1', 1, socket_timeout=2), 2.0, 'socket_timeout'),
        (ConnectionParameters('127.0.0.1', 1, stack_timeout=3), 3.0, 'stack_timeout'),
        (ConnectionParameters('127.0.0.1', 1, stack_timeout=None,
                              socket_timeout=7), 7.0, 'socket_timeout'),
    ):
        with pytest.raises(exceptions.AMQPConnectionError) as caught:
            BlockingConnection(parameters)
        assert limits[-1] == limit
        assert name in str(caught.value) and str(limit) in str(caught.value)
        assert caught.value.phase == 'connect'
        assert isinstance(caught.value.__cause__, TimeoutError)


def test_http_answers(serve):

    def play(peer):
        peer.socket.recv(8)
        peer.socket.sendall(b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')

    error = failure(serve(play))
    assert type(error) is exceptions.IncompatibleProtocolError
    assert error.phase == 'handshake'


def test_another_version_answers(serve):
    """Rule 1."""

    def play(peer):
        peer.socket.recv(8)
        peer.socket.sendall(b'AMQP\x03\x01\x00\x00')

    error = failure(serve(play))
    assert type(error) is exceptions.IncompatibleProtocolError
    assert '3-1-0-0' in str(error)


def test_peer_hangs_up_at_once(serve):
    """Rule 1: not an incompatible protocol."""
    error = failure(serve(lambda peer: peer.socket.recv(8)))
    assert type(error) is exceptions.StreamLostError


def test_peer_hangs_up_when_it_has_the_credentials(serve):
    """Rule 7: a broker without authentication_failure_close."""

    def play(peer):
        peer.hear(frame.ProtocolHeader)
        peer.say(spec.Connection.Start(mechanisms='PLAIN', locales='en_US'), channel=0)
        peer.hear(spec.Connection.StartOk)

    assert type(failure(serve(play))) is exceptions.ProbableAuthenticationError


def test_broken_frame_in_the_handshake(serve):
    """Rule 13: not a byte goes out after it."""

    def play(peer):
        peer.hear(frame.ProtocolHeader)
        peer.socket.sendall(frame.method_frame(0, spec.Connection.Start())[:-1] + b'x')
        peer.hear_end()

    error = failure(serve(play))
    assert error.phase == 'handshake'


def test_mechanism_is_not_offered(serve):

    def play(peer):
        peer.hear(frame.ProtocolHeader)
        peer.say(spec.Connection.Start(mechanisms='EXTERNAL', locales='en_US'), channel=0)
        peer.hear_end()

    assert type(failure(serve(play))) is exceptions.AuthenticationError


def test_what_the_program_raises_comes_out(serve):

    def play(peer):
        peer.hear(frame.ProtocolHeader)
        peer.say(spec.Connection.Start(mechanisms='PLAIN', locales='en_US'), channel=0)
        peer.hear(spec.Connection.StartOk)
        peer.say(spec.Connection.Tune(0, 0, 60), channel=0)
        peer.hear_end()

    seen = []

    def heartbeat(connection, offered):
        seen.append((connection, offered))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        BlockingConnection(serve(play, heartbeat=heartbeat))
    [(connection, offered)] = seen
    assert isinstance(connection, BlockingConnection)
    assert offered == 60


def test_name_does_not_resolve():
    error = failure(ConnectionParameters('no-such-host.invalid'))
    assert isinstance(error, socket.gaierror)
    assert error.phase == 'resolve'


def test_certificate_is_of_another_host(serve):
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert('other.example').configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)

    def play(peer):
        try:
            server_context.wrap_socket(peer.socket, server_side=True).close()
        except (ssl.SSLError, ConnectionError):
            pass

    error = failure(serve(play, ssl_options=SSLOptions(client_context, 'broker.example')))
    assert error.phase == 'TLS'
    assert 'broker.example' in str(error)
    assert not error.recoverable


def test_peer_does_not_speak_tls(serve):

    def play(peer):
        peer.socket.recv(10_000)
        peer.socket.sendall(b'AMQP\x00\x00\x09\x01')
        peer.hear_end()

    options = SSLOptions(ssl.create_default_context())
    error = failure(serve(lambda peer: peer.socket.recv(10_000), ssl_options=options))
    assert error.phase == 'TLS'
    error = failure(
        serve(lambda peer: peer.socket.sendall(b'HTTP/1.1 400 Bad\r\n\r\n'), ssl_options=options))
    assert error.phase == 'TLS'


def test_no_parameters():
    with pytest.raises(ValueError, match='at least one'):
        BlockingConnection([])


@pytest.mark.parametrize('error', [TypeError, AttributeError, exceptions.AMQPError])
def test_url_in_place_of_parameters(error):
    with pytest.raises(error, match='URLParameters') as caught:
        BlockingConnection('amqp://user:secret@host')
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('parameters', [5, [ConnectionParameters(), 5], ['amqp://host'], {'a': 1}])
def test_something_else_in_place_of_parameters(parameters):
    with pytest.raises(TypeError, match='a sequence of them'):
        BlockingConnection(parameters)


def test_second_parameters_are_taken_when_the_first_fail(serve, closed_port):
    parameters = serve(lambda peer: (peer.handshake(), peer.close()))
    with BlockingConnection([ConnectionParameters('127.0.0.1', closed_port),
                             parameters]) as connection:
        assert connection.is_open


def test_all_addresses_of_a_name_are_tried(serve, closed_port, monkeypatch):
    parameters = serve(lambda peer: (peer.handshake(), peer.close()))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', port))
             for port in (closed_port, parameters.port)]
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args, **kwargs: found)
    with BlockingConnection(ConnectionParameters('some.host')) as connection:
        assert connection.is_open


def test_attempts_and_delay_are_those_of_the_last(closed_port, monkeypatch):
    waits = []
    monkeypatch.setattr(time, 'sleep', waits.append)
    error = failure([
        ConnectionParameters('127.0.0.1', closed_port, connection_attempts=9, retry_delay=99),
        ConnectionParameters('127.0.0.1', closed_port, connection_attempts=3, retry_delay=0.5)
    ])
    assert waits == [0.5, 0.5]
    assert len(error.errors) == 5


def test_errors_can_be_pickled(closed_port):
    error = failure(ConnectionParameters('127.0.0.1', closed_port))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_is_negotiated_leaves_the_parameters_alone(serve):
    parameters = serve(lambda peer: (peer.handshake(), peer.close()),
                       credentials=PlainCredentials('a', 'b', erase_on_connect=True))
    BlockingConnection(parameters).close()
    assert parameters.credentials.username == 'a'
    assert parameters.channel_max == 65535


@pytest.mark.parametrize('limit', [1e10, float('inf')])
def test_limits_beyond_what_the_system_counts(serve, limit):
    parameters = serve(lambda peer: (peer.handshake(), peer.close()),
                       socket_timeout=limit,
                       stack_timeout=limit)
    with BlockingConnection(parameters) as connection:
        assert connection.is_open


def reset(peer):
    peer.socket.recv(10_000)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


@pytest.mark.parametrize(('play', 'text'),
                         [(reset, 'reset by peer'),
                          (lambda peer: peer.socket.recv(10_000), 'during the TLS handshake'),
                          (lambda peer: peer.socket.recv(10_000) and peer.hear_end(), '0.3 s')])
def test_text_is_that_of_the_layer_that_failed(serve, play, text):
    options = SSLOptions(ssl.create_default_context())
    error = failure(serve(play, ssl_options=options, stack_timeout=0.3))
    assert error.phase == 'TLS'
    assert text in str(error)
    assert str(error).count('phase') == 1
    assert 'Connection.Start' not in str(error) and 'said anything' not in str(error)
