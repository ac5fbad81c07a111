"""What an idle connection does: nothing but heartbeats."""

from __future__ import annotations

import pytest
from pika_blocking import BlockingConnection

SECONDS = 10


@pytest.mark.parametrize('heartbeat, most', [(0, 2), (4, 12)])
def test_idle_connection_wakes_for_heartbeats_only(parameters, monkeypatch, heartbeat, most):
    """With a timeout of 4 seconds each side sends every two: five of ours, five of the broker's."""
    parameters.heartbeat = heartbeat
    waits = []
    with BlockingConnection(parameters) as connection:
        wire = connection._driver.wire
        wait = wire.wait
        monkeypatch.setattr(wire, 'wait', lambda *args: (waits.append(args), wait(*args))[1])
        connection.sleep(SECONDS)
        assert connection.is_open
    # The last two are of the close.
    assert heartbeat / 2 * 2 <= len(waits) <= most + 2
