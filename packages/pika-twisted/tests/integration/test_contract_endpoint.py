"""The contract of all adapters, kept by `TwistedProtocolConnection` on the default reactor."""

from __future__ import annotations

import functools

import pytest
from pika_testing.contract import *  # noqa: F403

# Twisted gives pyOpenSSL what that would rather not have any more.
pytestmark = pytest.mark.filterwarnings('ignore:Passing pyOpenSSL')


@pytest.fixture
def make_driver(by_an_endpoint, default_reactor):
    return functools.partial(by_an_endpoint, default_reactor)
