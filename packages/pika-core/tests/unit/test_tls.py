"""The client's filter against a real server side of the same OpenSSL, in memory."""

import copy
import pickle
import ssl
import sys

import pytest
import trustme
from pika.exceptions import AMQPConnectionError, StreamLostError
from pika.parameters import ConnectionParameters, SSLOptions
from pika.transport.tls import TLSError, TLSFilter

HOST = 'broker.example'


@pytest.fixture(scope='module')
def authority():
    return trustme.CA()


class Server:
    """The other side, reading and writing records by hand."""

    def __init__(self, authority, name=HOST, version=None, client_cert=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        if version:
            context.maximum_version = version
        if client_cert:
            authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def handshake(self, ciphertext):
        """Go on with the handshake; return what is to be sent, and the error."""
        self.incoming.write(ciphertext)
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            return self.outgoing.read(), error
        return self.outgoing.read(), None

    def read(self, ciphertext):
        self.incoming.write(ciphertext)
        pieces = []
        try:
            while not pieces or pieces[-1]:
                pieces.append(self.ssl.read(65536))
        except ssl.SSLWantReadError:
            pass
        return pieces

    def write(self, *pieces):
        for piece in pieces:
            self.ssl.write(piece)
        return self.outgoing.read()


def parameters(trusted=None, host=HOST, server_hostname=None, context=None):
    if context is None:
        context = ssl.create_default_context()
        if trusted:
            trusted.configure_trust(context)
    return ConnectionParameters(host, 5671, ssl_options=SSLOptions(context, server_hostname))


def sent_by(client):
    return b''.join(client.data_to_send())


def shake_hands(client, server):
    client.start()
    error = None
    while not client.error and not error:
        from_client = sent_by(client)
        from_server, error = server.handshake(from_client)
        if not from_client and not from_server:
            break
        assert client.receive(from_server) == b''
    return error


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def pair(authority, request):
    server = Server(authority, version=request.param)
    client = TLSFilter(parameters(authority))
    shake_hands(client, server)
    assert client.connected
    assert not client.error
    return client, server


def test_both_ways(pair):
    client, server = pair
    client.send([b'AMQP', memoryview(b'\0\0\x09\x01')])
    assert server.read(sent_by(client)) == [b'AMQP\0\0\x09\x01']
    assert client.receive(server.write(b'start', b'more')) == b'startmore'


def test_one_byte_at_a_time(authority):
    server = Server(authority)
    client = TLSFilter(parameters(authority))
    client.start()
    while not client.connected:
        answer, _ = server.handshake(sent_by(client))
        for byte in answer:
            assert client.receive(bytes([byte])) == b''
    tickets, _ = server.handshake(sent_by(client))
    ciphertext = tickets + server.write(b'hello')
    received = b''.join(client.receive(bytes([byte])) for byte in ciphertext)
    assert (received, client.error) == (b'hello', None)


def test_small_chunks_share_a_record_and_large_ones_are_whole(pair):
    client, server = pair
    small, large = [b'x' * 20] * 1000, bytes(range(256)) * 400
    client.send([*small, memoryview(large)])
    records = server.read(sent_by(client))
    assert b''.join(records) == b''.join(small) + large
    assert len(records) <= 2 + 7
    assert client.pending == 0


def test_megabytes_come_out_in_pieces_and_in_order(pair):
    client, server = pair
    body = bytes(range(256)) * 4096
    client.send([b'head', *(memoryview(body)[at:at + 131072] for at in range(0, 1 << 20, 131072))])
    pieces = client.data_to_send()
    assert len(pieces) > 4
    assert b''.join(server.read(b''.join(pieces))) == b'head' + body
    assert client.data_to_send() == []


def test_writes_before_the_end_of_the_handshake_are_kept(authority):
    server = Server(authority)
    client = TLSFilter(parameters(authority))
    client.send([b'early', b''])
    client.send([b' bird'])
    assert client.pending == 10
    client.start()
    answer, _ = server.handshake(sent_by(client))
    client.receive(answer)
    assert client.pending == 0
    server.handshake(sent_by(client))
    assert server.read(b'') == [b'early bird']


def test_close_notify_and_bare_eof_are_told_apart(pair):
    client, server = pair
    client.receive_eof()
    assert not client.close_notify
    with pytest.raises(ssl.SSLWantReadError):
        server.ssl.unwrap()
    assert client.receive(server.outgoing.read()) == b''
    assert client.close_notify
    assert not client.error


def test_data_before_close_notify_is_delivered(pair):
    client, server = pair
    server.ssl.write(b'last words')
    with pytest.raises(ssl.SSLWantReadError):
        server.ssl.unwrap()
    assert client.receive(server.outgoing.read()) == b'last words'
    assert client.close_notify


def test_close_says_close_notify(pair):
    client, server = pair
    client.send([b'bye'])
    client.close()
    assert server.read(sent_by(client)) == [b'bye', b'']


def test_garbage_after_the_handshake_is_a_lost_stream_and_keeps_earlier_data(pair):
    client, server = pair
    assert client.receive(server.write(b'good') + b'\x17\x03\x03\0\x20' + bytes(32)) == b'good'
    assert isinstance(client.error, StreamLostError)
    assert isinstance(client.error.__cause__, ssl.SSLError)
    assert client.receive(b'more') == b''
    client.send([b'nothing comes of this'])


def check(error, *words):
    assert isinstance(error, TLSError)
    assert isinstance(error, AMQPConnectionError)
    assert (error.port, error.phase) == (5671, 'TLS')
    for word in words:
        assert word in str(error)


def test_wrong_host_name(authority):
    server = Server(authority, 'other.example')
    client = TLSFilter(parameters(authority))
    shake_hands(client, server)
    check(client.error, 'Hostname mismatch', f'{HOST}:5671')
    assert isinstance(client.error.__cause__, ssl.SSLCertVerificationError)
    assert not client.error.recoverable


def test_server_hostname_of_the_options_comes_first(authority):
    server = Server(authority, 'other.example')
    client = TLSFilter(parameters(authority, server_hostname='other.example'))
    shake_hands(client, server)
    assert client.connected


def test_unknown_authority_and_the_alert_for_the_peer(authority):
    server = Server(authority)
    client = TLSFilter(parameters(trustme.CA()))
    error = shake_hands(client, server)
    check(client.error, 'certificate verify failed')
    if error is None:
        _, error = server.handshake(sent_by(client))
    assert 'ALERT' in (error.reason or '')


@pytest.mark.parametrize('words', [b'AMQP\0\0\x09\x01', b'HTTP/1.1 400 Bad Request\r\n\r\n'])
def test_peer_that_speaks_plain(authority, words):
    client = TLSFilter(parameters(authority))
    client.start()
    client.receive(words)
    check(client.error, 'does not speak TLS')
    assert isinstance(client.error.__cause__, ssl.SSLError)


def test_eof_in_the_handshake(authority):
    client = TLSFilter(parameters(authority))
    client.start()
    client.receive_eof()
    check(client.error, 'during the TLS handshake')
    assert client.error.recoverable


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_missing_client_certificate(authority, version):
    """With TLS 1.3 the refusal arrives after the client's side of the handshake."""
    server = Server(authority, version=version, client_cert=True)
    client = TLSFilter(parameters(authority))
    shake_hands(client, server)
    if not client.error:
        client.receive(server.handshake(sent_by(client))[0])
    assert isinstance(client.error, StreamLostError if client.connected else TLSError)
    assert 'ALERT' in str(client.error)
    assert client.error.phase == 'TLS'


def test_name_that_is_none(authority):
    with pytest.raises(TLSError) as caught:
        TLSFilter(parameters(authority, server_hostname='.example'))
    check(caught.value, 'cannot start TLS')


@pytest.mark.skipif(sys.version_info < (3, 10), reason='Python 3.9 takes such a context')
def test_context_for_servers():
    with pytest.raises(TLSError):
        TLSFilter(parameters(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)))


def test_tickets_for_resumption_are_no_data(pair):
    """TLS 1.3 sends them with the first data."""
    client, server = pair
    for _ in range(3):
        assert client.receive(server.write(b'tick')) == b'tick'
        client.send([b'tock'])
        assert server.read(sent_by(client)) == [b'tock']


def test_error_can_be_copied_and_pickled(authority):
    client = TLSFilter(parameters(authority))
    client.start()
    client.receive(b'AMQP\0\0\x09\x01')
    for twin in (copy.copy(client.error), pickle.loads(pickle.dumps(client.error))):
        assert str(twin) == str(client.error)
        assert twin.recoverable is False
