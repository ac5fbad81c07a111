"""`pika_select` under its path in pika 1.x."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_select import IOLoop as IOLoop
    from pika_select import PollEvents as PollEvents
    from pika_select import SelectConnection as SelectConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(), {
            'IOLoop': 'pika_select:IOLoop',
            'PollEvents': 'pika_select:PollEvents',
            'SelectConnection': 'pika_select:SelectConnection',
        })

# Set it to 'epoll', 'kqueue', 'poll' or 'select' to have each `IOLoop` that starts use that one.
SELECT_TYPE: str | None = None
