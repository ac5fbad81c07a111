"""`TornadoConnection` on a broker in its own thread, without a socket."""

from __future__ import annotations

from pika_testing.contract.round import check_round
from pika_tornado import TornadoConnection


def test_round():
    check_round(TornadoConnection, lambda connection: connection.ioloop.start())
