"""The driver of the contract, on whatever loop of asyncio a test module names by `new_loop`."""

from __future__ import annotations

import pytest
from pika_asyncio import AsyncioConnection
from pika_testing.contract.callbacks import CallbackDriver


@pytest.fixture
def make_driver(new_loop):

    class Driver(CallbackDriver):
        connection_class = AsyncioConnection

        def new_loop(self):
            loop = new_loop()
            # What it would only log.
            loop.set_exception_handler(lambda loop, context: self.errors.append(
                context.get('exception') or RuntimeError(context)))
            return loop

        def start(self):
            self.loop.run_forever()

        def add_callback_threadsafe(self, callback):
            return self.loop.call_soon_threadsafe(callback)

        def close_loop(self):
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()

    return Driver
