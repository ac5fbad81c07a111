"""`pika_select` under its path in pika 1.x."""

from __future__ import annotations

from pika import _adapters

_adapters.load('pika_select')  # or say how to get it

from pika_select import IOLoop as IOLoop
from pika_select import PollEvents as PollEvents
from pika_select import SelectConnection as SelectConnection

# Set it to 'epoll', 'kqueue', 'poll' or 'select' to have each `IOLoop` that starts use that one.
SELECT_TYPE: str | None = None
