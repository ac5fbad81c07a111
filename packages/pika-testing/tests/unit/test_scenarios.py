"""The broker in memory sees what RabbitMQ of that version was seen to do."""

import pytest
from pika_testing.broker.versions import VERSIONS
from scenarios import memory
from scenarios.collect import SCENARIOS, notes_of

NOTES = {version: notes_of(version) for version in VERSIONS}


@pytest.mark.parametrize('name', SCENARIOS)
@pytest.mark.parametrize('version', VERSIONS)
def test_as_rabbitmq(version, name):
    assert memory.observe(SCENARIOS[name], version) == NOTES[version][name]
