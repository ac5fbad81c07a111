"""Scenarios on the broker in memory, without a socket and without waiting."""

from __future__ import annotations

from pika_testing.broker import Clock, MemoryBroker

from scenarios.client import Session


class MemoryStream:
    """Bytes to and from a broker in this process."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._connection = broker.accept()

    def send(self, data: bytes) -> None:
        self._connection.receive_data(data)

    def receive(self, wait: bool) -> bytes | None:
        data = b''.join(self._connection.data_to_send())
        return data or (b'' if self._connection.is_over else None)

    def close(self) -> None:
        self._connection.receive_eof()


def observe(scenario, version: str) -> list[str]:
    """The notes of a scenario on the broker in memory."""
    broker = MemoryBroker(version, clock=Clock(running=False))
    broker.add_virtual_host('VHOST')
    session = Session(lambda: MemoryStream(broker), sleep=broker.advance, virtual_host='VHOST')

    def add_user(name: str, *patterns: str) -> None:
        user = broker.add_user(name, name)
        user.permissions = {'VHOST': patterns} if patterns else {}

    session.add_user = add_user
    scenario(session)
    session.settle()
    return session.notes
