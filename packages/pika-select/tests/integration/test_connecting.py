"""`SelectConnection` where nothing listens, or something else, and with TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time

import pika
import pytest
from pika import exceptions
from pika.transport import endpoints, tls


def closed_by_client(end):
    return isinstance(end, exceptions.ConnectionClosedByClient)


@contextlib.contextmanager
def listening(answer=None, context=None):
    """A port of 127.0.0.1 where `answer(socket)` is called for each connection; the port."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        peers = []

        def accept():
            while True:
                try:
                    peer = server.accept()[0]
                except OSError:
                    return
                peers.append(peer)
                try:
                    if context is not None:
                        peer = context.wrap_socket(peer, server_side=True)
                        peers.append(peer)
                    if answer is not None:
                        answer(peer)
                except OSError:
                    pass

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()
            for peer in peers:
                peer.close()


def refused_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


# What does not open.


def test_open_error_without_callback_comes_out_of_start():
    connection = pika.SelectConnection(pika.ConnectionParameters('127.0.0.1', refused_port()))
    with pytest.raises(endpoints.ConnectError):
        connection.ioloop.start()
    assert connection.is_closed


def test_wrong_password(run, parameters):
    parameters.credentials = pika.PlainCredentials('guest', 'wrong')
    end = run(parameters)
    assert isinstance(end, exceptions.ProbableAuthenticationError)
    assert 'ACCESS_REFUSED' in str(end)
    assert 'wrong' not in str(end)
    assert (end.host, end.port, end.phase) == (parameters.host, parameters.port, 'handshake')


def test_missing_virtual_host(run, parameters, unique_name):
    parameters.virtual_host = f'missing-{unique_name}'
    end = run(parameters)
    assert isinstance(end, exceptions.ProbableAccessDeniedError)
    assert 'missing-' in str(end)


def test_mechanism_that_is_not_offered(run, parameters):
    parameters.credentials = Kerberos()
    assert isinstance(run(parameters), exceptions.AuthenticationError)


class Kerberos(pika.PlainCredentials):
    TYPE = 'GSSAPI'

    def __init__(self):
        super().__init__('', '')

    def response_for(self, start):
        return None, None


def test_refused_port_is_tried_as_often_as_asked(run):
    port = refused_port()
    start = time.monotonic()
    end = run(pika.ConnectionParameters('127.0.0.1', port, connection_attempts=3, retry_delay=0.05))
    assert isinstance(end, endpoints.ConnectError)
    assert isinstance(end.__cause__, ConnectionRefusedError)
    assert (end.host, end.port, end.phase) == ('127.0.0.1', port, 'connect')
    assert len(end.errors) == 2
    assert time.monotonic() - start >= 0.1


def test_close_while_it_waits_for_the_next_attempt():
    loop = pika.adapters.IOLoop()
    ends = []
    connection = pika.SelectConnection(pika.ConnectionParameters('127.0.0.1',
                                                                 refused_port(),
                                                                 connection_attempts=9,
                                                                 retry_delay=60),
                                       on_open_error_callback=lambda c, error:
                                       (ends.append(error), loop.stop()),
                                       custom_ioloop=loop)
    loop.call_later(0.1, connection.close)
    loop.start()
    assert isinstance(ends[0], exceptions.ConnectionOpenAborted)


def test_addresses_of_a_name_are_tried_in_turn(run, parameters, monkeypatch):
    """And a thread looks them up."""
    threads = []

    def resolve(wanted):
        threads.append(threading.current_thread())
        return [(socket.AF_INET, ('127.0.0.1', refused_port())),
                (socket.AF_INET, ('127.0.0.1', parameters.port))]

    monkeypatch.setattr(endpoints, 'resolve', resolve)
    parameters.host = 'some.name.example'
    assert closed_by_client(run(parameters))
    assert threads[0] is not threading.main_thread()


def test_name_that_does_not_resolve(run):
    end = run(pika.ConnectionParameters('no.such.host.invalid'))
    assert isinstance(end, endpoints.NameResolutionError)
    assert isinstance(end, socket.gaierror)
    assert end.phase == 'resolve'


def test_resolver_that_hangs_is_bounded(run, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(endpoints, 'resolve', lambda parameters: over.wait(20) and [])
    end = run(pika.ConnectionParameters('slow.example', stack_timeout=0.2), seconds=5)
    over.set()
    assert isinstance(end, endpoints.NameResolutionError)
    assert 'timed out' in str(end)


def test_port_where_http_answers(run):
    with listening(lambda peer:
                   (peer.recv(8), peer.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n'))) as port:
        end = run(pika.ConnectionParameters('127.0.0.1', port))
    assert isinstance(end, exceptions.IncompatibleProtocolError)
    assert 'HTTP' in str(end)


def test_port_that_hangs_up(run):
    """Rule 1: no "incompatible protocol"."""
    with listening(lambda peer: (peer.recv(8), peer.shutdown(socket.SHUT_RDWR))) as port:
        end = run(pika.ConnectionParameters('127.0.0.1', port))
    assert isinstance(end, exceptions.StreamLostError)
    assert end.phase == 'handshake'


def test_silent_port_is_bounded_by_stack_timeout(run):
    with listening() as port:
        start = time.monotonic()
        end = run(pika.ConnectionParameters('127.0.0.1', port, stack_timeout=0.3))
    assert 0.2 < time.monotonic() - start < 5
    assert isinstance(end, exceptions.AMQPConnectionError)
    assert 'Connection.Start' in str(end)
    assert (end.port, end.phase) == (port, 'handshake')


def test_port_that_takes_no_connection_is_bounded_by_socket_timeout(run):
    """A listener with a full backlog answers no SYN."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        server.listen(0)
        address = server.getsockname()
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(address)
            start = time.monotonic()
            end = run(pika.ConnectionParameters(*address, socket_timeout=0.3))
    assert 0.2 < time.monotonic() - start < 5
    assert isinstance(end, endpoints.ConnectError)
    assert 'timed out after 0.3 s' in str(end)


# TLS.


def tls_parameters(url, context, **more):
    parameters = pika.URLParameters(url)
    parameters.ssl_options = pika.SSLOptions(context, **more)
    return parameters


def test_tls(run, tls_url, tls_context, queue):
    body = bytes(300_000)
    seen = []

    def opened(channel):
        channel.queue_declare(queue, exclusive=True)
        channel.basic_publish('', queue, body)
        channel.basic_consume(queue, on_message)

    def on_message(channel, method, properties, body):
        seen.append(body)
        channel.connection.close()

    assert closed_by_client(
        run(tls_parameters(tls_url, tls_context),
            lambda connection: connection.channel(on_open_callback=opened)))
    assert seen == [body]


def test_external(run, tls_url, client_context):
    """The user is the common name in the client's certificate."""
    parameters = tls_parameters(tls_url, client_context)
    parameters.credentials = pika.credentials.ExternalCredentials()
    opened = []
    end = run(parameters, lambda c: (opened.append(1), c.close()))
    assert closed_by_client(end) and opened


def test_external_without_a_certificate(run, tls_url, tls_context):
    parameters = tls_parameters(tls_url, tls_context)
    parameters.credentials = pika.credentials.ExternalCredentials()
    assert isinstance(run(parameters), exceptions.ProbableAuthenticationError)


def test_certificate_of_another_host(run, tls_context, wrong_host_context):
    with listening(context=wrong_host_context) as port:
        end = run(tls_parameters(f'amqps://guest:guest@localhost:{port}', tls_context))
    assert isinstance(end, tls.TLSError)
    assert end.phase == 'TLS'
    assert 'CERTIFICATE_VERIFY_FAILED' in str(end)
    assert isinstance(end.__cause__, ssl.SSLCertVerificationError)


def test_tls_on_a_port_without_it(run, parameters, tls_context):
    parameters.ssl_options = pika.SSLOptions(tls_context, 'localhost')
    assert isinstance(run(parameters), tls.TLSError)


def test_silent_port_with_tls_is_bounded_by_stack_timeout(run, tls_context):
    """socket_timeout is for TCP, which is there."""
    with listening() as port:
        parameters = tls_parameters(f'amqps://guest:guest@127.0.0.1:{port}', tls_context)
        parameters.socket_timeout = 0.1
        parameters.stack_timeout = 0.5
        start = time.monotonic()
        end = run(parameters)
    assert 0.4 < time.monotonic() - start < 5
    assert isinstance(end, tls.TLSError)
    assert 'timed out after 0.5 s' in str(end)
