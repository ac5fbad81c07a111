"""`AsyncioConnection` on a broker in its own thread, without a socket."""

from __future__ import annotations

from pika_asyncio import AsyncioConnection
from pika_testing.contract.round import check_round


def test_round():

    def run(connection):
        connection.ioloop.run_forever()
        connection.ioloop.close()

    check_round(AsyncioConnection, run)
