"""The contract of all adapters, kept by `TornadoConnection`."""

from __future__ import annotations

import logging

import pytest
from pika_testing.contract import *  # noqa: F403
from pika_testing.contract.callbacks import CallbackDriver
from pika_tornado import TornadoConnection
from tornado.ioloop import IOLoop


class Errors(logging.Handler):
    """Takes the exceptions that a loop logs."""

    def __init__(self, errors):
        super().__init__(logging.ERROR)
        self.errors = errors

    def emit(self, record):
        if record.exc_info:
            self.errors.append(record.exc_info[1])


class Driver(CallbackDriver):
    connection_class = TornadoConnection

    def __init__(self):
        super().__init__()
        self.handler = Errors(self)
        for name in ('tornado.application', 'asyncio'):
            logging.getLogger(name).addHandler(self.handler)

    def append(self, error):
        self.errors.append(error)

    def new_loop(self):
        return IOLoop(make_current=False)

    def close_loop(self):
        for name in ('tornado.application', 'asyncio'):
            logging.getLogger(name).removeHandler(self.handler)
        super().close_loop()


@pytest.fixture
def make_driver():
    return Driver
