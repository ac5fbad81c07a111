"""How connections open, and what is reported when they do not: the error, once."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from pika import exceptions, spec
from pika.credentials import AMQPlainCredentials, ExternalCredentials, PlainCredentials
from pika.parameters import ConnectionParameters, SSLOptions, URLParameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika_testing.contract.interface import Client, Driver


@contextlib.contextmanager
def _listening(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port of 127.0.0.1 where each connection gets `answer(socket)` and is then left alone."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        peers: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peers.append(server.accept()[0])
                    with contextlib.suppress(OSError):
                        answer(peers[-1])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for peer in peers:
                peer.close()


def _refusing_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as server:
        return int(server.getsockname()[1])


def _failure(driver: Driver, *parameters: ConnectionParameters | URLParameters) -> Exception:
    """The error of a connection that does not open; the driver checks that it is told once."""
    with pytest.raises(exceptions.AMQPError) as caught:
        driver.connect(*parameters)
    assert str(caught.value)
    return caught.value


def _needs_to_connect(driver: Driver) -> None:
    if not driver.connects:
        pytest.skip('the framework connects, not this adapter')


def test_open_and_close(driver: Driver, parameters: URLParameters) -> None:
    """Opened once, closed once, with the client's own words as the reason."""
    client = driver.connect(parameters)
    assert client.native.is_open and not client.native.is_closed
    client.close()
    assert client.native.is_closed and not client.native.is_open


def test_two_connections_at_once(driver: Driver, parameters: URLParameters) -> None:
    """The end of one is not the end of the other."""
    first, second = driver.connect(parameters), driver.connect(parameters)
    first.close()
    assert second.native.is_open
    assert second.channel().native.is_open


def test_amqplain(driver: Driver, parameters: URLParameters) -> None:
    """Rule 8: a table without its length."""
    parameters.credentials = AMQPlainCredentials('guest', 'guest')
    assert driver.connect(parameters).native.is_open


def test_external_with_a_certificate_of_the_client(driver: Driver, tls_url: str,
                                                   client_context: ssl.SSLContext,
                                                   unique_name: str) -> None:
    """Rule 8: the user is the one that the certificate names, as the broker attests."""
    parameters = URLParameters(tls_url)
    parameters.credentials = ExternalCredentials()
    parameters.ssl_options = SSLOptions(client_context)
    channel = driver.connect(parameters).channel()
    channel.call('queue_declare', unique_name)
    channel.native.basic_publish('', unique_name, b'', spec.BasicProperties(user_id='client'))
    channel.client.run(lambda: channel.get(unique_name))
    assert not channel.ends


def test_wrong_password(driver: Driver, parameters: URLParameters) -> None:
    """Rule 7: the broker says why, since it is told that it may."""
    parameters.credentials = PlainCredentials('guest', 'wrong password')
    error = _failure(driver, parameters)
    assert isinstance(error, exceptions.ProbableAuthenticationError)
    assert (error.host, error.port, error.phase) == (parameters.host, parameters.port, 'handshake')
    assert 'ACCESS_REFUSED' in str(error) and 'wrong password' not in str(error)


def test_virtual_host_that_is_not_there(driver: Driver, parameters: URLParameters) -> None:
    """Rule 7: the refusal comes in place of Open-Ok."""
    parameters.virtual_host = 'no such host'
    error = _failure(driver, parameters)
    assert isinstance(error, exceptions.ProbableAccessDeniedError)
    assert 'no such host' in str(error)


def test_mechanism_that_is_not_offered(driver: Driver, plain_parameters: URLParameters) -> None:
    """EXTERNAL without TLS, or what else the broker has not."""

    class Unknown(PlainCredentials):
        TYPE = 'GSSAPI'

        def response_for(self, start: spec.Connection.Start) -> tuple[None, None]:
            return None, None

    plain_parameters.credentials = Unknown('', '')
    assert isinstance(_failure(driver, plain_parameters), exceptions.AuthenticationError)


def test_port_where_nobody_listens(driver: Driver) -> None:
    """As often as asked, and no more often reported."""
    _needs_to_connect(driver)
    port = _refusing_port()
    error = _failure(driver,
                     ConnectionParameters('127.0.0.1', port, connection_attempts=3, retry_delay=0))
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert (error.host, error.port, error.phase) == ('127.0.0.1', port, 'connect')


def test_port_where_http_answers(driver: Driver) -> None:
    """Rule 1: what is no AMQP is an incompatible protocol."""
    with _listening(lambda peer: peer.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')) as port:
        error = _failure(driver, ConnectionParameters('127.0.0.1', port))
    assert isinstance(error, exceptions.IncompatibleProtocolError)
    assert str(port) in str(error)


def test_peer_that_accepts_and_hangs_up(driver: Driver) -> None:
    """Rule 1: the end of the stream before Start says nothing of the protocol."""
    with _listening(lambda peer: peer.shutdown(socket.SHUT_RDWR)) as port:
        error = _failure(driver, ConnectionParameters('127.0.0.1', port))
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert not isinstance(error, exceptions.IncompatibleProtocolError)


@pytest.mark.parametrize('tls', [False, True], ids=['plain', 'tls'])
def test_peer_that_accepts_and_says_nothing(driver: Driver, tls: bool) -> None:
    """Bounded by stack_timeout, TLS and handshake together."""
    with _listening(lambda peer: None) as port:
        parameters = ConnectionParameters('127.0.0.1', port, stack_timeout=0.3)
        if tls:
            parameters.ssl_options = SSLOptions(ssl.create_default_context())
        error = _failure(driver, parameters)
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == ('TLS' if tls else 'handshake')
    assert 'time' in str(error)  # timed out, timeout


def test_host_without_an_address(driver: Driver) -> None:
    """An error of connecting, and a socket.gaierror too."""
    _needs_to_connect(driver)
    error = _failure(driver, ConnectionParameters('no.such.host.invalid'))
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert isinstance(error, socket.gaierror)
    assert 'no.such.host.invalid' in str(error)


def test_certificate_of_another_host(driver: Driver, tls_context: ssl.SSLContext,
                                     wrong_host_context: ssl.SSLContext) -> None:
    """The chain is right, the name is not."""

    def answer(peer: socket.socket) -> None:
        with wrong_host_context.wrap_socket(peer, server_side=True) as server:
            server.recv(1)

    with _listening(answer) as port:
        error = _failure(
            driver, ConnectionParameters('127.0.0.1', port, ssl_options=SSLOptions(tls_context)))
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'TLS'
    assert isinstance(error.__cause__, driver.certificate_errors)


def test_certificate_of_an_unknown_authority(driver: Driver, tls_url: str) -> None:
    """The chain is checked."""
    parameters = URLParameters(tls_url)
    parameters.ssl_options = SSLOptions(ssl.create_default_context())
    error = _failure(driver, parameters)
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'TLS'
    assert isinstance(error.__cause__, driver.certificate_errors)


def test_tls_on_the_plain_port(driver: Driver, plain_parameters: URLParameters,
                               tls_context: ssl.SSLContext) -> None:
    """The peer speaks, and not TLS."""
    plain_parameters.ssl_options = SSLOptions(tls_context)
    error = _failure(driver, plain_parameters)
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'TLS'


def test_second_endpoint_when_the_first_refuses(driver: Driver, parameters: URLParameters) -> None:
    """The parameters are tried in order."""
    _needs_to_connect(driver)
    client: Client = driver.connect(ConnectionParameters('127.0.0.1', _refusing_port()), parameters)
    assert client.native.is_open
    assert client.channel().native.is_open


def test_first_endpoint_when_it_answers(driver: Driver, parameters: URLParameters) -> None:
    """And the others are left alone."""
    _needs_to_connect(driver)
    with socket.create_server(('127.0.0.1', 0)) as server:
        other = ConnectionParameters('127.0.0.1', server.getsockname()[1])
        assert driver.connect(parameters, other).native.is_open
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
