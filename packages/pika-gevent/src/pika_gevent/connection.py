"""`GeventConnection`: the callback API over the core's own stream, on gevent's hub."""

from __future__ import annotations

import socket

import gevent.socket  # type: ignore[import-untyped]  # its types are another package
from pika.transport import endpoints
from pika.transport.stream_connection import StreamConnection

from pika_gevent.ioloop import IOLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pika.parameters import Parameters


class GeventConnection(StreamConnection):
    """A connection that lives on gevent's hub, beside the greenlets of the program.

    Nothing has to be monkey-patched. Names are looked up by gevent's resolver. Callbacks run in a
    greenlet and may wait, as in `gevent.sleep()`; the next ones come when they have returned.

    Args:
      parameters: where and how to connect; None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. Without a
        callback `ioloop.start()` raises it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_ioloop: an `IOLoop` to share, or the hub of this thread; None: a loop of its own there,
        which holds a watcher of the hub until `ioloop.close()`. Who reconnects shares one.
      internal_connection_workflow: False: do not connect.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[GeventConnection], object] | None = None,
                 on_open_error_callback: Callable[[GeventConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[GeventConnection, Exception], object] | None = None,
                 custom_ioloop: Any = None,
                 internal_connection_workflow: bool = True) -> None:
        self._ioloop = custom_ioloop if isinstance(custom_ioloop, IOLoop) else IOLoop(custom_ioloop)
        super().__init__(self._ioloop, parameters, on_open_callback, on_open_error_callback,
                         on_close_callback, internal_connection_workflow)

    @property
    def ioloop(self) -> IOLoop:
        """The loop; `ioloop.start()` waits in this greenlet until `ioloop.stop()`."""
        return self._ioloop

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:

        def look_up() -> None:
            outcome: endpoints.Outcome
            try:
                outcome = endpoints.addresses(
                    gevent.socket.getaddrinfo(parameters.host,
                                              parameters.port,
                                              type=socket.SOCK_STREAM,
                                              proto=socket.IPPROTO_TCP))
            except (OSError, ValueError) as error:
                outcome = endpoints.resolve_error(parameters, error)
            self._ioloop.add_callback(lambda: done(outcome))

        gevent.spawn(look_up)
