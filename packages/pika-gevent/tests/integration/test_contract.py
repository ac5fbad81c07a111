"""The contract of all adapters, kept by `GeventConnection`."""

from __future__ import annotations

import pytest
from pika_gevent import GeventConnection, IOLoop
from pika_testing.contract import *  # noqa: F403
from pika_testing.contract.callbacks import CallbackDriver


class Driver(CallbackDriver):
    connection_class = GeventConnection

    def new_loop(self):
        return IOLoop()


@pytest.fixture
def make_driver():
    return Driver
