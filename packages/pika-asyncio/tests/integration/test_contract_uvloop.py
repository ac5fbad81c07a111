"""The contract of all adapters, kept by `AsyncioConnection` on the loop of uvloop."""

from __future__ import annotations

import pytest
import uvloop
from pika_testing.contract import *  # noqa: F403


@pytest.fixture
def new_loop():
    return uvloop.new_event_loop
