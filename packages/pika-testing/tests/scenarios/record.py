"""Note what RabbitMQ gives for each scenario: `notes-VERSION.json`.

    PYTHONPATH=tools python packages/pika-testing/tests/scenarios/record.py [NAME ...]

Rule: only what comes out the same twice is kept.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import rabbitmq

from scenarios.client import Session, SocketStream
from scenarios.collect import FOLDER, SCENARIOS

# Seconds of quiet after which a broker is taken to have said all.
QUIET = (0.05, 0.2, 0.5)
THREADS = 16


def observe(broker: rabbitmq.Broker, name: str, quiet: float) -> list[str]:
    """The notes of a scenario on RabbitMQ, in a virtual host of its own."""
    virtual_host = f'pika-{uuid.uuid4().hex[:12]}'
    broker.add_virtual_host(virtual_host)
    session = Session(lambda: SocketStream(broker.url_of(virtual_host), quiet),
                      virtual_host=virtual_host)
    session.add_user = lambda *arguments: add_user(broker, virtual_host, *arguments)
    try:
        SCENARIOS[name](session)
        session.settle()
    finally:
        session.close()
        broker.delete_virtual_host(virtual_host)
    return session.notes


def add_user(broker: rabbitmq.Broker, virtual_host: str, name: str, *patterns: str) -> None:
    """Add a user whose password is its name; patterns: to configure, to write and to read."""
    backend = 'rabbit_auth_backend_internal'
    broker.call(f'{backend}:exists(<<"{name}">>) orelse '
                f'{backend}:add_user(<<"{name}">>, <<"{name}">>, <<"test">>)')
    if patterns:
        allowed = ', '.join(f'<<"{pattern}">>' for pattern in patterns)
        broker.call(f'{backend}:set_permissions(<<"{name}">>, <<"{virtual_host}">>, {allowed}, '
                    '<<"test">>)')


def settled(broker: rabbitmq.Broker, name: str, known: list[str] | None) -> list[str]:
    """The notes of a scenario that have come out twice, the last time maybe when `known` did."""
    for quiet in (QUIET[0], *[QUIET[1]] * 3):
        seen = observe(broker, name, quiet)
        if seen == known:
            return seen
        known = seen
    raise AssertionError(f'{name}: never the same twice; the last time {seen}')


def main(names: list[str]) -> None:
    names = names or list(SCENARIOS)
    with rabbitmq.running() as broker, concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        version = '.'.join(map(str, broker.version[:2]))
        path = FOLDER / f'notes-{version}.json'
        notes = json.loads(path.read_text()) if path.exists() else {}
        found = {name: pool.submit(settled, broker, name, notes.get(name)) for name in names}
        for name, future in found.items():
            try:
                notes[name] = future.result()
            except Exception as error:
                print(f'{name}: {error!r}')
        notes = {name: notes[name] for name in SCENARIOS if name in notes}
        path.write_text(json.dumps(notes, indent=1, ensure_ascii=False) + '\n')
        print(f'{path.name}: {len(notes)} scenarios')


if __name__ == '__main__':
    main(sys.argv[1:])
