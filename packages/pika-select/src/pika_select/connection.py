"""`SelectConnection`: the callback API over the core's own stream, on `IOLoop`."""

from __future__ import annotations

from pika.transport.stream_connection import StreamConnection

from pika_select.ioloop import IOLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.parameters import Parameters


class SelectConnection(StreamConnection):
    """A connection that lives on an `IOLoop`.

    It begins to connect in the first turn of `ioloop.start()`, which goes on after the connection
    has ended, until `ioloop.stop()`.

    Args:
      parameters: where and how to connect; None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. Without a
        callback `ioloop.start()` raises it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_ioloop: a loop to share; None: one of its own.
      internal_connection_workflow: False: do not connect.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[SelectConnection], object] | None = None,
                 on_open_error_callback: Callable[[SelectConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[SelectConnection, Exception], object] | None = None,
                 custom_ioloop: IOLoop | None = None,
                 internal_connection_workflow: bool = True) -> None:
        self._ioloop = IOLoop() if custom_ioloop is None else custom_ioloop
        super().__init__(self._ioloop, parameters, on_open_callback, on_open_error_callback,
                         on_close_callback, internal_connection_workflow)

    @property
    def ioloop(self) -> IOLoop:
        """The loop; nothing happens before `ioloop.start()`."""
        return self._ioloop
