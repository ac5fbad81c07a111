"""The pytest plugin: `amqp_broker` and `amqp_url`, a fresh broker in memory for each test."""

from __future__ import annotations

import pytest

from pika_testing.broker.versions import VERSIONS
from pika_testing.served import ServedBroker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER = 'amqp_broker'


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        'markers', f"{_MARKER}(version='4.3'): the version of RabbitMQ as which the broker in "
        f'memory behaves: {", ".join(VERSIONS)}')


@pytest.fixture
def amqp_broker(request: pytest.FixtureRequest) -> Iterator[ServedBroker]:
    """A broker in memory, empty, for this test alone: a `pika_testing.ServedBroker`.

    The marker ``amqp_broker(version='3.10')`` makes it behave as another version.
    """
    marker = request.node.get_closest_marker(_MARKER)
    options = {} if marker is None else marker.kwargs
    arguments = () if marker is None else marker.args
    with ServedBroker(*arguments, **options) as broker:
        yield broker


@pytest.fixture
def amqp_url(amqp_broker: ServedBroker) -> str:
    """Where to connect to `amqp_broker`: ``amqp://guest:guest@127.0.0.1:PORT/%2F``."""
    return amqp_broker.url
