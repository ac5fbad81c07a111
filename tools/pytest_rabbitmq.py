"""Fixtures for tests against RabbitMQ: `-p pytest_rabbitmq`, with this folder on the path.

Rule: one broker serves the whole run, and each test has a virtual host of its own, so that no test
sees what another has left. On a broker that we cannot call into (an `AMQP_URL` from elsewhere,
without `AMQP_NODE`) every test uses the virtual host of the URL: name queues and exchanges by
`unique_name`, which does in both cases. What such a broker cannot give skips the test.
"""

from __future__ import annotations

import ssl
import uuid
from typing import TYPE_CHECKING

import pytest
import rabbitmq

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Keep the plugin of pika-testing out, whose `amqp_url` is that of a broker in memory."""
    pluginmanager.set_blocked('pika_testing')


@pytest.fixture(scope='session')
def broker() -> Iterator[rabbitmq.Broker]:
    """The broker of this run: that of `AMQP_URL`, else one that lives as long as the run."""
    with rabbitmq.running() as found:
        yield found


@pytest.fixture
def faults(broker: rabbitmq.Broker) -> rabbitmq.Broker:
    """`broker`, where its faults can be had.

    They are `close_connections`, `delete_queue`, `memory_alarm` and, to see what they did, `call`
    and `queue_counts`.
    """
    if broker.node is None:
        pytest.skip('AMQP_NODE is not set: no faults on this broker')
    return broker


@pytest.fixture
def mortal(faults: rabbitmq.Broker) -> Iterator[rabbitmq.Broker]:
    """Another broker of the same version, for this test alone, which may `kill()` it."""
    with rabbitmq.private() as found:
        yield found


@pytest.fixture
def unique_name() -> str:
    """A name for a queue or an exchange that nobody else uses."""
    return f'pika-{uuid.uuid4().hex[:12]}'


@pytest.fixture
def virtual_host(broker: rabbitmq.Broker, unique_name: str) -> Iterator[str]:
    """The name of an empty virtual host; deleted after the test, with its connections."""
    if broker.node is None:
        yield broker.virtual_host
        return
    broker.add_virtual_host(unique_name)
    yield unique_name
    broker.delete_virtual_host(unique_name)


@pytest.fixture
def amqp_url(broker: rabbitmq.Broker, virtual_host: str) -> str:
    """`amqp://user:password@host:port/` and the test's virtual host."""
    return broker.url_of(virtual_host)


@pytest.fixture
def tls_url(broker: rabbitmq.Broker, virtual_host: str) -> str:
    """`amqps://user:password@host:port/` and the test's virtual host."""
    if broker.tls_url is None:
        pytest.skip('AMQPS_URL is not set: no TLS on this broker')
    return broker.url_of(virtual_host, tls=True)


@pytest.fixture
def certificates(broker: rabbitmq.Broker) -> pathlib.Path:
    """The folder of certificates and keys, see `rabbitmq.Broker`."""
    if broker.certificates is None:
        pytest.skip('AMQP_CERTIFICATES is not set: no certificates for this broker')
    return broker.certificates


@pytest.fixture
def tls_context(certificates: pathlib.Path) -> ssl.SSLContext:
    """A client's context that trusts the broker's certificate and has none of its own."""
    return ssl.create_default_context(cafile=str(certificates / 'ca.pem'))


@pytest.fixture
def client_context(certificates: pathlib.Path) -> ssl.SSLContext:
    """The same with a certificate: EXTERNAL logs in as `rabbitmq.CLIENT`."""
    context = ssl.create_default_context(cafile=str(certificates / 'ca.pem'))
    context.load_cert_chain(str(certificates / 'client.pem'), str(certificates / 'client.key'))
    return context


@pytest.fixture
def wrong_host_context(certificates: pathlib.Path) -> ssl.SSLContext:
    """A server's context, for a small server inside a test: its certificate is of another host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(certificates / 'wrong-host.pem'),
                            str(certificates / 'wrong-host.key'))
    return context
