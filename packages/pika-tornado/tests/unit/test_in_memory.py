"""`TornadoConnection` on a broker in its own thread, without a socket."""

from __future__ import annotations

from pika_testing.contract.round import check_round
from pika_tornado import TornadoConnection
from tornado.ioloop import IOLoop


def test_round():
    loop = IOLoop(make_current=False)
    check_round(TornadoConnection, lambda connection: loop.start(), custom_ioloop=loop)
    loop.close()
