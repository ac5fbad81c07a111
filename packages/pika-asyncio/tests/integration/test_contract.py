"""The contract of all adapters, kept by `AsyncioConnection` on asyncio's own loop."""

from __future__ import annotations

import asyncio

import pytest
from pika_testing.contract import *  # noqa: F403


@pytest.fixture
def new_loop():
    return asyncio.new_event_loop
