"""Connections to RabbitMQ, plain and over TLS."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
from typing import TYPE_CHECKING

import pytest
from pika.parameters import SSLOptions, URLParameters
from pika_blocking import BlockingConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika_blocking import BlockingChannel


@pytest.fixture
def parameters(amqp_url) -> URLParameters:
    """Where the broker is."""
    return URLParameters(amqp_url)


@pytest.fixture
def tls_parameters(tls_url, tls_context) -> URLParameters:
    """The same over TLS."""
    parameters = URLParameters(tls_url)
    parameters.ssl_options = SSLOptions(tls_context)
    return parameters


@pytest.fixture(params=['plain', 'tls'])
def connection(request) -> Iterator[BlockingConnection]:
    """An open connection, which the test may close."""
    name = 'parameters' if request.param == 'plain' else 'tls_parameters'
    with contextlib.ExitStack() as stack:
        connection = BlockingConnection(request.getfixturevalue(name))
        stack.callback(lambda: connection.is_open and connection.close())
        yield connection


@pytest.fixture
def channel(connection) -> BlockingChannel:
    """An open channel."""
    return connection.channel()


@pytest.fixture
def queue(channel) -> str:
    """The name of an empty queue, which goes with the connection."""
    return channel.queue_declare('', exclusive=True).method.queue


@pytest.fixture
def unused_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


@pytest.fixture
def open_files() -> Callable[[], int]:
    """A function that counts the open files of this process."""
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('no /proc/self/fd')

    def count() -> int:
        gc.collect()
        return len(os.listdir('/proc/self/fd'))

    return count
