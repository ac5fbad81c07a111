"""A proxy that passes on, stalls, resumes and cuts; afterwards nothing of it is left."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from pika_testing import FaultProxy


@pytest.fixture
def echo():
    """The address of a server that sends back what it gets."""

    def serve(peer):
        with peer, contextlib.suppress(OSError):
            while True:
                data = peer.recv(100)
                if not data:
                    return
                peer.sendall(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=serve, args=[server.accept()[0]])
                threads.append(thread)
                thread.start()

    with socket.create_server(('127.0.0.1', 0)) as server:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def connected(proxy):
    sock = socket.create_connection(('127.0.0.1', proxy.port), timeout=10)
    return contextlib.closing(sock)


def test_bytes_pass_both_ways(echo):
    with FaultProxy(echo) as proxy, connected(proxy) as one, connected(proxy) as two:
        for sock, data in ((one, b'one'), (two, b'two')):
            sock.sendall(data)
            assert sock.recv(100) == data
        assert proxy.connections == 2


def test_stalled_bytes_arrive_after_resume(echo):
    with FaultProxy(echo) as proxy, connected(proxy) as sock:
        sock.sendall(b'a')
        assert sock.recv(100) == b'a'
        proxy.stall()
        sock.sendall(b'b')
        sock.settimeout(0.1)
        with pytest.raises(socket.timeout):
            sock.recv(100)
        proxy.resume()
        sock.settimeout(10)
        assert sock.recv(100) == b'b'


def test_cut_ends_what_is_connected_and_takes_new_ones(echo):
    with FaultProxy(echo) as proxy, connected(proxy) as sock:
        sock.sendall(b'a')
        assert sock.recv(100) == b'a'
        proxy.cut()
        assert sock.recv(100) == b''
        with connected(proxy) as another:
            another.sendall(b'b')
            assert another.recv(100) == b'b'


def test_end_of_the_stream_passes_on(echo):
    with FaultProxy(echo) as proxy, connected(proxy) as sock:
        sock.sendall(b'last')
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b'last'
        assert sock.recv(100) == b''


def test_target_that_refuses():
    with socket.create_server(('127.0.0.1', 0)) as server:
        address = server.getsockname()
    with FaultProxy(address) as proxy, connected(proxy) as sock:
        assert sock.recv(100) == b''
        with connected(proxy) as another:
            assert another.recv(100) == b''


def test_no_thread_is_left_even_when_stalled(echo):
    with FaultProxy(echo) as proxy, connected(proxy) as sock:
        proxy.stall()
        sock.sendall(b'never read')
        assert any(thread.name.startswith('FaultProxy') for thread in threading.enumerate())
    assert not any(thread.name.startswith('FaultProxy') for thread in threading.enumerate())
