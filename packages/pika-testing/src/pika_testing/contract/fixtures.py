"""The fixtures of the contract: for each behaviour a driver, a connection, a channel, a queue."""

from __future__ import annotations

import pytest
from pika.parameters import SSLOptions, URLParameters

from pika_testing.proxy import FaultProxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pika_testing.contract.interface import Channel, Client, Driver

__all__ = ['channel', 'client', 'driver', 'parameters', 'plain_parameters', 'proxy', 'queue']


@pytest.fixture
def plain_parameters(amqp_url: str) -> URLParameters:
    """Where the broker is, without TLS."""
    return URLParameters(amqp_url)


@pytest.fixture(params=['plain', 'tls'])
def parameters(request: pytest.FixtureRequest) -> URLParameters:
    """Where the broker is, without and with TLS."""
    if request.param == 'plain':
        return URLParameters(request.getfixturevalue('amqp_url'))
    parameters = URLParameters(request.getfixturevalue('tls_url'))
    parameters.ssl_options = SSLOptions(request.getfixturevalue('tls_context'))
    return parameters


@pytest.fixture
def driver(make_driver: Callable[[], Driver], virtual_host: str) -> Iterator[Driver]:
    """The adapter on a loop of its own, closed before the broker deletes `virtual_host`.

    No callback has raised, unless the test took the error.
    """
    driver = make_driver()
    yield driver
    driver.close()
    assert driver.take_errors() == []


@pytest.fixture
def client(driver: Driver, parameters: URLParameters) -> Client:
    """An open connection."""
    return driver.connect(parameters)


@pytest.fixture
def channel(client: Client) -> Channel:
    """An open channel."""
    return client.channel()


@pytest.fixture
def queue(channel: Channel, unique_name: str) -> str:
    """The name of an empty queue."""
    declared: Any = channel.call('queue_declare', unique_name)  # a frame of Queue.DeclareOk
    assert declared.method.queue == unique_name
    return unique_name


@pytest.fixture
def proxy(parameters: URLParameters) -> Iterator[FaultProxy]:
    """A proxy in front of the broker of `parameters`, which lead to it."""
    with FaultProxy(('127.0.0.1', parameters.port)) as proxy:
        parameters.port = proxy.port
        yield proxy
