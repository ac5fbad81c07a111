"""`TornadoConnection`: the callback API on Tornado's own loop, resolver and streams.

Rule: whatever calls back is called by the `IOLoop`, which logs what it raises and goes on.
"""

from __future__ import annotations

import asyncio
import time

from pika.transport import endpoints
from pika.transport.base_connection import BaseConnection
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver

from pika_tornado.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.connection import Transport
    from pika.parameters import Parameters


class TornadoConnection(BaseConnection):
    """A connection that lives on Tornado's `IOLoop`.

    It begins to connect in the next turn of the loop. What a callback raises is logged by the loop
    (`tornado.application`); the connection and its consumers stay.

    Args:
      parameters: where and how to connect; None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. Without a
        callback the loop logs it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_ioloop: the loop; None: `IOLoop.current()`.
      internal_connection_workflow: False: do not connect.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[TornadoConnection], object] | None = None,
                 on_open_error_callback: Callable[[TornadoConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[TornadoConnection, Exception], object] | None = None,
                 custom_ioloop: IOLoop | None = None,
                 internal_connection_workflow: bool = True) -> None:
        self._ioloop = IOLoop.current() if custom_ioloop is None else custom_ioloop
        super().__init__(parameters, on_open_callback, on_open_error_callback, on_close_callback,
                         internal_connection_workflow)

    @property
    def ioloop(self) -> IOLoop:
        """The loop."""
        return self._ioloop

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._ioloop.add_callback(callback)

    def _call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        return _Timer(self._ioloop, when - self._now(), callback)

    def _now(self) -> float:
        return time.monotonic()  # the loop's own time is the wall clock's, which may be set

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:
        look_up = asyncio.ensure_future(_look_up(parameters))
        self._ioloop.add_future(look_up, lambda future: done(future.result()))

    def _open_stream(self, step: endpoints.Connect, made: Callable[[Transport], None],
                     failed: Callable[[Exception], None]) -> Stream:
        return Stream(self, self._ioloop, step, made, failed)


class _Timer:
    """What the loop calls in `delay` seconds."""

    def __init__(self, ioloop: IOLoop, delay: float, callback: Callable[[], None]) -> None:
        self._ioloop = ioloop
        self._handle = ioloop.call_later(max(0.0, delay), callback)

    def cancel(self) -> None:
        self._ioloop.remove_timeout(self._handle)


async def _look_up(parameters: Parameters) -> endpoints.Outcome:
    try:
        found = await Resolver().resolve(parameters.host, parameters.port)
    except (OSError, ValueError) as error:
        return endpoints.resolve_error(parameters, error)
    return list(dict.fromkeys((int(family), address) for family, address in found))
