"""The fixtures of `pytest_rabbitmq` on a broker in memory: `-p pytest_rabbitmq -p pytest_memory`.

The version of RabbitMQ as which it behaves is that of ``MEMORY_VERSION``, 4.3 unless set.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import ssl
import tempfile
from typing import TYPE_CHECKING

import pytest
import rabbitmq
from pika_testing import ServedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemoryNode(rabbitmq.Broker):
    """What `rabbitmq.Broker` does, done to a broker in memory."""

    def __init__(self, folder: str) -> None:
        certificates = pathlib.Path(folder)
        rabbitmq.make_certificates(certificates)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH,
                                             cafile=str(certificates / 'ca.pem'))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(str(certificates / 'server.pem'), str(certificates / 'server.key'))
        version = os.environ.get('MEMORY_VERSION', '4.3')
        self._served = ServedBroker(version, context)
        self._served.__enter__()
        with self._served.locked() as broker:
            broker.add_user(rabbitmq.CLIENT, rabbitmq.CLIENT)
        super().__init__(self._served.url,
                         str(self._served.tls_url).replace('127.0.0.1', 'localhost'),
                         str(certificates), 'in memory')
        self._version = tuple(map(int, version.split('.')))

    def add_virtual_host(self, name: str) -> None:
        with self._served.locked() as broker:
            broker.add_virtual_host(name)

    def delete_virtual_host(self, name: str) -> None:
        with self._served.locked() as broker:
            broker.delete_virtual_host(name)
            broker.published.clear()

    def close_connections(self, virtual_host: str, reason: str = 'closed by a test') -> None:
        with self._served.locked() as broker:
            broker.close_connections(320, reason, virtual_host)

    def delete_queue(self, virtual_host: str, name: str) -> None:
        with self._served.locked() as broker:
            broker.delete_queue(name, virtual_host)

    def queue_counts(self, virtual_host: str, name: str) -> tuple[int, int, int]:
        state = self._served.queue(name, virtual_host)
        return len(state.messages), len(state.unacked), state.consumers

    def kill(self) -> None:
        self._served.stop()

    @contextlib.contextmanager
    def memory_alarm(self) -> Iterator[None]:
        with self._served.locked() as broker:
            broker.set_alarm()
        try:
            yield
        finally:
            with self._served.locked() as broker:
                broker.clear_alarm()


@pytest.fixture(scope='session')
def broker() -> Iterator[MemoryNode]:
    """The broker of this run."""
    with tempfile.TemporaryDirectory() as folder:
        node = MemoryNode(folder)
        yield node
        node.kill()


@pytest.fixture
def faults(broker: MemoryNode) -> MemoryNode:
    """`broker`, whose faults can all be had."""
    return broker


@pytest.fixture
def mortal() -> Iterator[MemoryNode]:
    """Another broker, for this test alone, which may `kill()` it."""
    with tempfile.TemporaryDirectory() as folder:
        yield MemoryNode(folder)
