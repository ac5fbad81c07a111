"""The contract of all adapters, kept by `LibevConnection` on each of its loops."""

from __future__ import annotations

import time

import gevent
import pytest
from pika_libev import LibevConnection, Loop
from pika_libev.bridge import Bridge
from pika_testing.contract import *  # noqa: F403
from pika_testing.contract.callbacks import CallbackDriver


class Driver(CallbackDriver):
    """Has a bridge of its own: pyev's API has watchers, and no callbacks."""

    connection_class = LibevConnection

    def __init__(self):
        super().__init__()
        self.bridge = Bridge(self.loop)
        self.timers = []

    def new_loop(self):
        return Loop()

    def call_later(self, delay, callback):
        self.timers = [timer for timer in self.timers if timer.watcher.active]
        self.timers.append(self.bridge.call_at(time.monotonic() + delay, callback))

    def add_callback_threadsafe(self, callback):
        self.bridge.call_soon_threadsafe(callback)

    def close_loop(self):
        for timer in self.timers:  # the hub lives on, and would call them in the next test
            timer.cancel()
        self.bridge.close()
        self.loop.close()


class HubDriver(Driver):

    def new_loop(self):
        return Loop(gevent.get_hub())


@pytest.fixture(params=[Driver, HubDriver])
def make_driver(request):
    return request.param
