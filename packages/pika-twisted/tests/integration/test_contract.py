"""The contract of all adapters, kept by `TwistedConnection` on the default reactor."""

from __future__ import annotations

import functools

import pytest
from pika_testing.contract import *  # noqa: F403


@pytest.fixture
def make_driver(by_itself, default_reactor):
    return functools.partial(by_itself, default_reactor)
