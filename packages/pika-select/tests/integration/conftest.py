"""Runs a `SelectConnection` to its end."""

from __future__ import annotations

import pika
import pytest


def run_connection(parameters, on_open=None, seconds=30, **callbacks):
    """Connect, run the loop until the connection ends, return why.

    on_open: gets the connection, which it has to close some time. One that takes a channel gets
    that, through `in_channel`.
    """
    ends = []

    def ended(connection, reason):
        ends.append(reason)
        connection.ioloop.stop()

    connection = pika.SelectConnection(parameters,
                                       on_open_callback=on_open or (lambda c: c.close()),
                                       on_open_error_callback=ended,
                                       on_close_callback=ended,
                                       **callbacks)
    guard = connection.ioloop.call_later(seconds, lambda: pytest.fail('the connection hangs'))
    connection.ioloop.start()
    connection.ioloop.remove_timeout(guard)
    assert connection.is_closed
    end, = ends
    assert str(end)
    return end


@pytest.fixture
def run():
    """Connects, and returns why the connection ended."""
    return run_connection


@pytest.fixture
def parameters(amqp_url):
    return pika.URLParameters(amqp_url)


@pytest.fixture
def queue(unique_name):
    return unique_name
