"""The driver of the contract, on whatever loop of asyncio a test module names by `new_loop`."""

from __future__ import annotations

import pytest
from pika_asyncio import AsyncioConnection
from pika_testing.contract.callbacks import CallbackDriver


@pytest.fixture
def make_driver(new_loop):
    streams = []

    class Connection(AsyncioConnection):

        def _open_stream(self, *arguments):
            streams.append(super()._open_stream(*arguments))
            return streams[-1]

    class Driver(CallbackDriver):
        connection_class = Connection

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
            # TLS of asyncio closes when the peer has said so, or the connection has waited enough.
            self.run(lambda: all(stream._ended or stream._transport is None for stream in streams),
                     15)
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()

    return Driver
