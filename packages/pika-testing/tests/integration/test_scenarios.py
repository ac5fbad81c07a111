"""RabbitMQ still does what was noted of it, which the broker in memory does, too."""

from __future__ import annotations

import pytest
from scenarios import record
from scenarios.collect import SCENARIOS, notes_of


@pytest.fixture
def notes(broker):
    if broker.node is None:
        pytest.skip('AMQP_NODE is not set: no virtual hosts of its own on this broker')
    version = '.'.join(map(str, broker.version[:2]))
    try:
        return notes_of(version)
    except FileNotFoundError:
        pytest.skip(f'RabbitMQ {version} is not among those that are modelled')


@pytest.mark.parametrize('name', SCENARIOS)
def test_as_noted(broker, notes, name):
    """On a busy machine a short silence may not be the end: then once more, with patience."""
    for quiet in record.QUIET:
        seen = record.observe(broker, name, quiet)
        if seen == notes[name]:
            break
    assert seen == notes[name]
