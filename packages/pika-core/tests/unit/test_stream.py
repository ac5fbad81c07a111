"""Real sockets over loopback, a small loop of `selectors`, servers in threads."""

import contextlib
import errno
import gc
import os
import selectors
import socket
import ssl
import struct
import threading
import time

import pytest
import trustme
from pika.exceptions import AMQPConnectionError, StreamLostError
from pika.parameters import ConnectionParameters, SSLOptions
from pika.transport import stream as stream_module
from pika.transport.endpoints import Connect, ConnectError
from pika.transport.stream import Stream
from pika.transport.tls import TLSError

RESET = struct.pack('ii', 1, 0)  # SO_LINGER: closing sends RST.


class Loop:
    """The least a stream can live on; counts what it is asked for."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.watching = {}

    def watch(self, fd, on_readable, on_writable, /):
        if fd in self.watching:
            self.selector.unregister(fd)
            del self.watching[fd]
        events = (selectors.EVENT_READ if on_readable else 0) | (selectors.EVENT_WRITE
                                                                 if on_writable else 0)
        if events:
            self.selector.register(fd, events)
            self.watching[fd] = (on_readable, on_writable)

    def turn(self, timeout=5.0):
        ready = self.selector.select(timeout)
        assert ready or timeout < 5, 'nothing happened for five seconds'
        for key, events in ready:
            on_readable, on_writable = self.watching.get(key.fd, (None, None))
            if events & selectors.EVENT_READ and on_readable:
                on_readable()
            if events & selectors.EVENT_WRITE and on_writable:
                on_writable()

    def run_until(self, condition):
        while not condition():
            self.turn()


class Owner:
    """Notes what happens, and does what a test wants done then."""

    def __init__(self):
        self.calls = []
        self.data = b''
        self.error = None
        self.room = None  # a bytearray where a body is under way
        self.do = {}

    def note(self, name):
        self.calls.append(name)
        self.do.get(name, lambda: None)()

    def on_connected(self):
        self.note('connected')

    def on_data(self, data, /):
        assert isinstance(data, bytes)
        assert data
        self.data += data
        self.note('data')

    def get_body_buffer(self):
        if self.room is None:
            return None
        return memoryview(self.room)

    def on_body(self, size, /):
        assert size
        self.data += self.room[:size]
        self.note('body')

    def on_eof(self):
        self.note('eof')

    def on_lost(self, error, /):
        self.error = error
        self.note('lost')

    @property
    def lost(self):
        return 'lost' in self.calls


@pytest.fixture
def loop():
    result = Loop()
    yield result
    assert not result.watching, 'a closed stream is still watched'
    result.selector.close()


@pytest.fixture(scope='module')
def authority():
    return trustme.CA()


@contextlib.contextmanager
def serving(handler, host='127.0.0.1', receive_buffer=None):
    """Run `handler(sock)` in a thread for one connection; give the address."""
    failures = []
    with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) as listener:
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind((host, 0))
        listener.listen()
        listener.settimeout(5)

        def run():
            try:
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(5)
                    handler(sock)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            thread.join(10)
    assert not thread.is_alive()
    assert not failures, failures


def make(loop, address, ssl_options=None, host=None, **options):
    parameters = ConnectionParameters(host or address[0],
                                      address[1],
                                      ssl_options=ssl_options,
                                      **options)
    family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    owner = Owner()
    stream = Stream(loop, owner, Connect(parameters, family, address))
    return stream, owner


def connected(loop, address, **options):
    stream, owner = make(loop, address, **options)
    stream.connect()
    loop.run_until(lambda: owner.calls)
    assert owner.calls[0] == 'connected', owner.error
    return stream, owner


def echo(sock):
    while True:
        data = sock.recv(65536)
        if not data:
            return
        sock.sendall(data)


def read_to_end(sock):
    pieces = []
    while not pieces or pieces[-1]:
        pieces.append(sock.recv(65536))
    return b''.join(pieces)


def test_constructor_does_nothing(loop):
    _, owner = make(loop, ('127.0.0.1', 1))
    assert not owner.calls
    assert not loop.watching


def test_echo_then_close(loop):
    with serving(echo) as address:
        stream, owner = connected(loop, address)
        stream.writelines([b'one ', memoryview(b'two '), b'', b'three'])
        loop.run_until(lambda: owner.data == b'one two three')
        assert stream.pending == 0
        stream.close()
        assert owner.calls[-1] == 'lost'
        assert owner.error is None
        stream.close()
        stream.abort()
        stream.writelines([b'nobody reads this'])
        stream.pause_reading()
        stream.resume_reading()
        stream.drain()
        assert owner.calls.count('lost') == 1
        assert stream.pending == 0


def ipv6_loopback():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(('::1', 0))
        return True
    return False


@pytest.mark.skipif(not ipv6_loopback(), reason='this machine has no IPv6 loopback (::1)')
def test_ipv6(loop):
    with serving(echo, '::1') as address:
        stream, owner = connected(loop, address)
        stream.writelines([b'six'])
        loop.run_until(lambda: owner.data == b'six')
        stream.close()


def test_writes_before_the_connection_are_kept(loop):
    with serving(echo) as address:
        stream, owner = make(loop, address)
        stream.writelines([b'before'])
        stream.connect()
        stream.writelines([b' and while'])
        assert stream.pending == 16
        loop.run_until(lambda: owner.data == b'before and while')
        stream.abort()


def test_tcp_options_are_set_and_nagle_is_off(loop):
    found = []

    class Looking(Loop):

        def watch(self, fd, on_readable, on_writable, /):
            with socket.socket(fileno=os.dup(fd)) as sock:
                found.append((sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                              sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)))

    stream, _ = make(Looking(), ('127.0.0.1', 1), tcp_options={'TCP_KEEPCNT': 2})
    stream.connect()
    stream.abort()
    assert found[0] == (1, 1)


def refused_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def test_refused(loop):
    port = refused_port()
    stream, owner = make(loop, ('127.0.0.1', port), host='localhost')
    stream.connect()
    loop.run_until(lambda: owner.lost)
    assert owner.calls == ['lost']
    assert isinstance(owner.error, ConnectError)
    assert isinstance(owner.error.__cause__, ConnectionRefusedError)
    assert owner.error.phase == 'connect'
    assert f'localhost:{port}' in str(owner.error)
    assert '127.0.0.1' in str(owner.error)


def test_address_that_the_kernel_refuses_at_once(loop):
    """A broadcast address is no place for TCP."""
    stream, owner = make(loop, ('255.255.255.255', 5672))
    stream.connect()
    assert owner.calls == ['lost']
    assert isinstance(owner.error, ConnectError)
    assert isinstance(owner.error.__cause__, OSError)


def test_option_of_the_wrong_type_comes_out_as_itself(loop):
    stream, owner = make(loop, ('127.0.0.1', 1), tcp_options={'TCP_KEEPCNT': 'three'})
    stream.connect()
    assert owner.calls == ['lost']
    assert isinstance(owner.error, TypeError)


def test_abort_while_connecting_names_the_phase(loop):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        stream, owner = make(loop, listener.getsockname())
        stream.connect()
        stream.abort(TimeoutError('no answer in 10 s'))
        assert isinstance(owner.error, ConnectError)
        assert 'no answer in 10 s' in str(owner.error)


def test_close_while_connecting(loop):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        stream, owner = make(loop, listener.getsockname())
        stream.connect()
        stream.close()
        assert owner.calls == ['lost']
        assert owner.error is None


def test_peer_ends_the_stream(loop):
    with serving(lambda sock: sock.sendall(b'bye')) as address:
        stream, owner = connected(loop, address)
        loop.run_until(lambda: 'eof' in owner.calls)
        assert owner.data == b'bye'
        assert not owner.lost
        assert not loop.watching
        stream.close()
        assert owner.calls == ['connected', 'data', 'eof', 'lost']
        assert owner.error is None


def test_large_write_to_a_slow_reader_then_close(loop):
    body = os.urandom(1 << 20) * 5
    received = []

    def slow(sock):
        time.sleep(0.1)
        received.append(read_to_end(sock))

    with serving(slow, receive_buffer=4096) as address:
        stream, owner = connected(loop, address)
        view = memoryview(body)
        stream.writelines([view[at:at + 131072] for at in range(0, len(body), 131072)])
        assert 0 < stream.pending < len(body)
        stream.close()
        stream.writelines([b'too late'])
        assert not owner.lost
        loop.run_until(lambda: owner.lost)
        assert owner.error is None
        assert stream.pending == 0
    assert received == [body]


def test_more_buffers_than_one_call_takes(loop):
    received = []
    with serving(lambda sock: received.append(read_to_end(sock))) as address:
        stream, owner = connected(loop, address)
        stream.writelines([b'%d,' % number for number in range(5000)])
        stream.close()
        loop.run_until(lambda: owner.lost)
    assert received == [b''.join(b'%d,' % number for number in range(5000))]


def test_writability_is_watched_only_while_something_waits(loop):
    go = threading.Event()

    def reads_late(sock):
        go.wait(5)
        read_to_end(sock)

    with serving(reads_late, receive_buffer=4096) as address:
        stream, _ = connected(loop, address)
        [(_, on_writable)] = loop.watching.values()
        assert on_writable is None
        stream.writelines([bytes(1 << 23)])
        [(_, on_writable)] = loop.watching.values()
        assert on_writable is not None
        go.set()
        loop.run_until(lambda: not stream.pending)
        [(_, on_writable)] = loop.watching.values()
        assert on_writable is None
        stream.close()


def test_peer_that_writes_and_does_not_read_cannot_hold_up_close(loop):
    """While output waits for the peer, its own output is read, else both would wait for ever."""

    def writes_first(sock):
        with contextlib.suppress(ConnectionResetError):  # some of this may be left unread
            sock.sendall(bytes(1 << 23))
            read_to_end(sock)

    with serving(writes_first, receive_buffer=4096) as address:
        stream, owner = connected(loop, address)
        stream.pause_reading()
        stream.writelines([bytes(1 << 23)])
        stream.close()
        loop.run_until(lambda: owner.lost)
        assert owner.data == b''
        assert owner.error is None


def test_reset_still_delivers_what_came_before_it(loop):
    """Rule 19: the last words are often Connection.Close with the reason."""

    go = threading.Event()

    def says_why_and_resets(sock):
        go.wait(5)
        sock.sendall(b'CONNECTION_FORCED')
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(says_why_and_resets) as address:
        _, owner = connected(loop, address)
        go.set()
        time.sleep(0.2)
        loop.run_until(lambda: owner.lost)
        assert owner.data == b'CONNECTION_FORCED'
        assert isinstance(owner.error, StreamLostError)
        assert isinstance(owner.error.__cause__, ConnectionResetError)
        assert owner.error.port == address[1]


def test_write_that_meets_a_reset_reads_the_last_words_first(loop):
    """Rule 19, when writing finds the end before reading does; it tells so only in a later turn."""
    go = threading.Event()

    def says_why_and_resets(sock):
        go.wait(5)
        sock.sendall(b'CONNECTION_FORCED' * 2000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(says_why_and_resets) as address:
        stream, owner = connected(loop, address)
        go.set()
        time.sleep(0.2)
        stream.writelines([b'heartbeat'])
        stream.writelines([b'heartbeat'])
        assert owner.calls == ['connected']
        assert stream.pending == 0
        loop.run_until(lambda: owner.lost)
        assert owner.data == b'CONNECTION_FORCED' * 2000
        assert isinstance(owner.error, StreamLostError)
        assert owner.error.__cause__.errno in (errno.EPIPE, errno.ECONNRESET)
        assert owner.calls.count('lost') == 1


def test_close_after_a_broken_write(loop):
    go = threading.Event()

    def resets(sock):
        go.wait(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(resets) as address:
        stream, owner = connected(loop, address)
        go.set()
        time.sleep(0.2)
        stream.writelines([b'x'])
        stream.close()
        assert owner.lost
        assert isinstance(owner.error, StreamLostError)


def test_pause_and_resume(loop):
    with serving(echo) as address:
        stream, owner = connected(loop, address)
        stream.pause_reading()
        stream.writelines([b'ping'])
        loop.turn(0.2)
        assert owner.data == b''
        stream.resume_reading()
        loop.run_until(lambda: owner.data == b'ping')
        stream.abort()


def test_pause_inside_on_data_stops_at_once(loop):
    with serving(lambda sock: (sock.sendall(bytes(1 << 20)), read_to_end(sock))) as address:
        stream, owner = connected(loop, address)
        owner.do['data'] = stream.pause_reading
        time.sleep(0.2)
        loop.turn()
        assert 0 < len(owner.data) <= 65536
        owner.do.clear()
        stream.resume_reading()
        loop.run_until(lambda: len(owner.data) == 1 << 20)
        stream.close()


def test_body_is_read_to_where_the_owner_wants_it(loop):
    with serving(lambda sock: (sock.sendall(bytes(range(200)) * 5000), sock.close())) as address:
        stream, owner = connected(loop, address)
        owner.room = bytearray(100_000)
        loop.run_until(lambda: 'eof' in owner.calls)
        assert owner.data == bytes(range(200)) * 5000
        assert 'data' not in owner.calls and owner.calls.count('eof') == 1
        stream.close()


def test_reset_amid_a_body(loop):
    go = threading.Event()

    def reset(sock):
        go.wait(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()

    with serving(reset) as address:
        stream, owner = connected(loop, address)
        go.set()
        owner.room = bytearray(1000)
        loop.run_until(lambda: owner.lost)
        assert isinstance(owner.error, StreamLostError)


def test_one_turn_does_not_starve_the_others(loop):
    with serving(lambda sock: (sock.sendall(bytes(1 << 22)), read_to_end(sock))) as address:
        stream, owner = connected(loop, address)
        time.sleep(0.2)
        loop.turn()
        assert 0 < len(owner.data) <= 4 * 65536
        loop.run_until(lambda: len(owner.data) == 1 << 22)
        stream.close()


@pytest.mark.parametrize('paused', [False, True])
def test_drain_delivers_what_the_kernel_holds(loop, paused):
    with serving(lambda sock: (sock.sendall(b'heartbeat'), read_to_end(sock))) as address:
        stream, owner = connected(loop, address)
        if paused:
            stream.pause_reading()
        time.sleep(0.2)
        stream.drain()
        assert owner.data == b'heartbeat'
        stream.drain()
        assert owner.calls == ['connected', 'data']
        stream.abort()


@pytest.mark.parametrize('action', ['close', 'abort'])
@pytest.mark.parametrize('when', ['connected', 'data', 'eof'])
def test_ending_from_inside_a_callback(loop, when, action):

    def writes(sock):
        with contextlib.suppress(OSError):  # The client may be gone.
            sock.sendall(bytes(300000))

    with serving(writes) as address:
        stream, owner = make(loop, address)
        owner.do[when] = getattr(stream, action)
        stream.connect()
        loop.run_until(lambda: owner.lost)
        assert owner.calls[-2:] == [when, 'lost']
        assert owner.error is None


def test_exception_of_the_owner_comes_out_and_spoils_nothing(loop):

    def fail():
        raise ZeroDivisionError

    with serving(echo) as address:
        stream, owner = connected(loop, address)
        owner.do['data'] = fail
        stream.writelines([b'one'])
        with pytest.raises(ZeroDivisionError):
            loop.turn()
        owner.do.clear()
        stream.writelines([b'two'])
        loop.run_until(lambda: owner.data == b'onetwo')
        stream.close()


def test_descriptors_are_always_closed(loop):
    """Of streams that failed in every phase none is left."""
    gc.collect()  # streams of tests before this one
    before = os.listdir('/proc/self/fd') if os.path.isdir('/proc/self/fd') else []
    for _ in range(3):
        stream, owner = make(loop, ('127.0.0.1', refused_port()))
        stream.connect()
        loop.run_until(lambda owner=owner: owner.lost)
        with serving(echo) as address:
            stream, _ = connected(loop, address)
            stream.abort()
    after = os.listdir('/proc/self/fd') if os.path.isdir('/proc/self/fd') else []
    assert len(after) <= len(before)


def test_systems_without_sendmsg():
    """Windows: the buffers are joined."""

    class Bare:

        def __init__(self, sock):
            self.send = sock.send

    left, right = socket.socketpair()
    with left, right:
        assert stream_module._send_some(Bare(left), [b'ab', memoryview(b'cd')]) == 4
        assert right.recv(10) == b'abcd'


# TLS


def secure(authority, handler, name='127.0.0.1', version=None, client_cert=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if version:
        context.maximum_version = version
    if client_cert:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    def run(sock):
        with context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False) as tls:
            handler(tls)

    return run


def trusting(authority, name=None):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return SSLOptions(context, name)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def version(request):
    return request.param


def test_tls_echo_then_close_says_close_notify(loop, authority, version):
    """The server reads to a clean end, and raises at a ragged one."""
    with serving(secure(authority, echo, version=version)) as address:
        stream, owner = make(loop, address, ssl_options=trusting(authority))
        stream.writelines([b'early '])
        stream.connect()
        loop.run_until(lambda: owner.data == b'early ')
        assert owner.calls == ['connected', 'data']
        stream.writelines([b'bird'])
        loop.run_until(lambda: owner.data == b'early bird')
        assert stream.pending == 0
        stream.close()
        assert owner.error is None


def test_tls_large_write_to_a_slow_reader(loop, authority, version):
    body = os.urandom(1 << 20) * 5
    received = []

    def slow(sock):
        time.sleep(0.1)
        received.append(read_to_end(sock))

    with serving(secure(authority, slow, version=version), receive_buffer=4096) as address:
        stream, owner = connected(loop, address, ssl_options=trusting(authority))
        stream.writelines([b'head', memoryview(body), b'end'])
        assert stream.pending
        stream.close()
        loop.run_until(lambda: owner.lost)
    assert received == [b'head' + body + b'end']


def test_tls_large_read(loop, authority, version):
    body = os.urandom(1 << 20) * 5

    def writes(sock):
        sock.sendall(body)
        read_to_end(sock)

    with serving(secure(authority, writes, version=version)) as address:
        stream, owner = connected(loop, address, ssl_options=trusting(authority))
        loop.run_until(lambda: len(owner.data) == len(body))
        assert owner.data == body
        stream.close()


def test_tls_close_notify_is_a_clean_eof(loop, authority, version):

    def says_goodbye(sock):
        sock.sendall(b'bye')
        with contextlib.suppress(ssl.SSLError, OSError):
            sock.unwrap()

    with serving(secure(authority, says_goodbye, version=version)) as address:
        stream, owner = connected(loop, address, ssl_options=trusting(authority))
        loop.run_until(lambda: 'eof' in owner.calls)
        assert owner.data == b'bye'
        assert not stream.truncated
        stream.close()
        assert owner.calls.count('eof') == 1


def test_tls_bare_eof_is_told_apart(loop, authority, version):
    with serving(secure(authority, lambda sock: sock.sendall(b'bye'), version=version)) as address:
        stream, owner = connected(loop, address, ssl_options=trusting(authority))
        loop.run_until(lambda: 'eof' in owner.calls)
        assert owner.data == b'bye'
        assert stream.truncated
        stream.close()


def refusing(run):
    """Let a server whose handshake fails end quietly."""

    def quietly(sock):
        with contextlib.suppress(OSError):
            run(sock)

    return quietly


def failed(loop, address, ssl_options, **options):
    stream, owner = make(loop, address, ssl_options=ssl_options, **options)
    stream.connect()
    loop.run_until(lambda: owner.lost)
    assert owner.calls == ['lost']
    assert isinstance(owner.error, TLSError)
    assert isinstance(owner.error, AMQPConnectionError)
    assert owner.error.phase == 'TLS'
    assert f'{address[0]}:{address[1]}' in str(owner.error)
    return owner.error


def test_tls_wrong_host_name(loop, authority):
    with serving(refusing(secure(authority, echo))) as address:
        error = failed(loop, address, trusting(authority, 'other.example'))
    assert 'Hostname mismatch' in str(error)


def test_tls_unknown_authority_and_the_server_hears_why(loop, authority):
    heard = []

    def run(sock):
        try:
            secure(authority, echo)(sock)
        except ssl.SSLError as error:
            heard.append(error.reason)

    with serving(run) as address:
        error = failed(loop, address, trusting(trustme.CA()))
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert heard == ['TLSV1_ALERT_UNKNOWN_CA']


def test_tls_to_a_peer_that_speaks_plain(loop, authority):

    def plain(sock):
        sock.recv(8)
        sock.sendall(b'AMQP\0\0\x09\x01')

    with serving(plain) as address:
        error = failed(loop, address, trusting(authority))
    assert 'does not speak TLS' in str(error)


def test_tls_to_a_peer_that_hangs_up(loop, authority):
    with serving(lambda sock: sock.recv(65536)) as address:
        error = failed(loop, address, trusting(authority))
    assert 'during the TLS handshake' in str(error)


def test_tls_reset_in_the_handshake(loop, authority):

    def resets(sock):
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(resets) as address:
        error = failed(loop, address, trusting(authority))
    assert isinstance(error.__cause__, OSError)
    assert error.recoverable


def test_tls_abort_in_the_handshake_names_the_phase(loop, authority):
    go = threading.Event()
    with serving(lambda sock: go.wait(5)) as address:
        stream, owner = make(loop, address, ssl_options=trusting(authority))
        stream.connect()
        loop.turn()
        stream.pause_reading()
        stream.abort(TimeoutError('no answer in 10 s'))
        go.set()
        assert isinstance(owner.error, TLSError)
        assert 'no answer in 10 s' in str(owner.error)


def test_tls_name_that_is_none_fails_before_connecting(loop, authority):
    stream, owner = make(loop, ('127.0.0.1', 1), ssl_options=trusting(authority, '.example'))
    stream.connect()
    assert isinstance(owner.error, TLSError)


def test_tls_missing_client_certificate(loop, authority, version):
    with serving(refusing(secure(authority, echo, version=version, client_cert=True))) as address:
        stream, owner = make(loop, address, ssl_options=trusting(authority))
        stream.connect()
        loop.run_until(lambda: owner.lost)
    assert 'ALERT' in str(owner.error)
    assert owner.error.phase == 'TLS'


def test_tls_handshake_goes_on_while_paused(loop, authority):
    with serving(secure(authority, echo)) as address:
        stream, owner = make(loop, address, ssl_options=trusting(authority))
        stream.pause_reading()
        stream.writelines([b'x'])
        stream.connect()
        loop.run_until(lambda: owner.calls)
        loop.turn(0.2)
        assert owner.calls == ['connected']
        stream.resume_reading()
        loop.run_until(lambda: owner.data == b'x')
        stream.close()


@pytest.mark.parametrize('what', ['send', 'recv'])
def test_interrupt_amid_a_system_call_ends_the_stream(loop, monkeypatch, what):
    """What went over the wire is not known then: anything that followed would be garbage."""

    class Interrupted:
        """A socket whose call succeeds, and then a signal handler raises."""

        def __init__(self, sock):
            self.sock = sock

        def __getattr__(self, name):
            return getattr(self.sock, name)

        def interrupt(self, *arguments):
            getattr(self.sock, self.call)(*arguments)
            raise KeyboardInterrupt

    def echo_if_possible(sock):
        with contextlib.suppress(ConnectionResetError):
            echo(sock)

    with serving(echo_if_possible) as address:
        stream, owner = connected(loop, address)
        sock = Interrupted(stream._socket)
        sock.call = {'send': 'sendmsg', 'recv': 'recv'}[what]
        setattr(sock, sock.call, sock.interrupt)
        monkeypatch.setattr(stream, '_socket', sock)
        with pytest.raises(KeyboardInterrupt):
            stream.writelines([b'hello'])
            loop.run_until(lambda: owner.lost)
    assert owner.calls == ['connected', 'lost']
    assert isinstance(owner.error, StreamLostError)
    assert 'signal handler' in str(owner.error)
