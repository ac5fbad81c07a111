"""The options of a real TCP socket, read back from the kernel."""

import logging
import socket

import pytest
from pika import exceptions
from pika.tcp_socket_opts import set_sock_opts, socket_requires_keepalive


@pytest.fixture
def sock():
    with socket.socket() as result:
        yield result


def test_nagle_is_off_even_without_options(sock):
    set_sock_opts(None, sock)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.skipif(not hasattr(socket, 'TCP_KEEPIDLE'), reason='no TCP_KEEPIDLE on this system')
def test_keepalive_options_switch_keepalive_on(sock):
    set_sock_opts({'TCP_KEEPIDLE': 61, 'TCP_KEEPINTVL': 7, 'TCP_KEEPCNT': 3}, sock)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 61
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 7
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3


@pytest.mark.skipif(not hasattr(socket, 'TCP_USER_TIMEOUT'), reason='no TCP_USER_TIMEOUT here')
def test_user_timeout_needs_no_keepalive(sock):
    set_sock_opts({'TCP_USER_TIMEOUT': 1234}, sock)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1234
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_unknown_option_is_logged_and_left_out(sock, caplog):
    with caplog.at_level(logging.INFO, 'pika.tcp_socket_opts'):
        set_sock_opts({'TCP_NO_SUCH': 1}, sock)
    assert 'TCP_NO_SUCH' in caplog.text


@pytest.mark.parametrize('options, answer', [({}, False), ({
    'TCP_USER_TIMEOUT': 1
}, False), ({
    'TCP_KEEPCNT': 1
}, True)])
def test_socket_requires_keepalive(options, answer):
    assert socket_requires_keepalive(options) is answer


def test_value_that_is_no_int_is_refused_by_name():
    with socket.socket() as sock:
        with pytest.raises(exceptions.ParameterTypeError, match=r'tcp_options\.TCP_KEEPIDLE'):
            set_sock_opts({'TCP_KEEPIDLE': 'x'}, sock)
