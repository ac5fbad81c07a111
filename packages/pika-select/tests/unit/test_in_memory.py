"""`SelectConnection` on a broker in its own thread, without a socket."""

from __future__ import annotations

from pika_select import SelectConnection
from pika_testing.contract.round import check_round


def test_round():
    check_round(SelectConnection, lambda connection: connection.ioloop.start())
