"""All scenarios by name, and what RabbitMQ gave."""

from __future__ import annotations

import inspect
import json
import pathlib

from scenarios import broken, consumers, errors, exchanges, limits, messages, queues

MODULES = (exchanges, queues, messages, consumers, limits, errors)
FOLDER = pathlib.Path(__file__).parent

SCENARIOS = {
    f'{module.__name__.rpartition(".")[2]}.{name}': function for module in MODULES
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__
}
SCENARIOS.update((f'broken.{name}', function) for name, function in broken.SCENARIOS.items())


def notes_of(version: str) -> dict[str, list[str]]:
    """What RabbitMQ of that version gave for each scenario."""
    return json.loads((FOLDER / f'notes-{version}.json').read_text())
