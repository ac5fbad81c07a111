"""A connection on any loop that can watch a descriptor: connecting, TLS and streams are here.

Rule: the loop's thread never blocks. A name is looked up in a thread of its own that lives as long
as the look-up takes; what is a numeric address needs none.
"""

from __future__ import annotations

import threading
import time

from pika.transport import endpoints
from pika.transport.base_connection import BaseConnection
from pika.transport.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from typing_extensions import Self

    from pika.connection import Timer, Transport
    from pika.parameters import Parameters
    from pika.transport import stream

    class Loop(stream.Loop, Protocol):
        """What a `StreamConnection` needs of a loop; nothing is called back from inside a call."""

        def call_soon_threadsafe(self, callback: Callable[[], None], /) -> object:
            """Call `callback` in the next turn of the loop; may be asked from any thread."""
            ...

        def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
            """Call `callback` at `when`, in seconds of `time.monotonic()`."""
            ...


class StreamConnection(BaseConnection):
    """A connection over the toolkit's own `Stream`, on a loop of which little is asked.

    For programs see `Connection`. For adapters: a subclass passes on the arguments of programs, and
    as `loop` an object that has the methods of `Loop`.
    """

    def __init__(self,
                 loop: Loop,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[Self], object] | None = None,
                 on_open_error_callback: Callable[[Self, Exception], object] | None = None,
                 on_close_callback: Callable[[Self, Exception], object] | None = None,
                 internal_connection_workflow: bool = True) -> None:
        self._loop = loop
        super().__init__(parameters, on_open_callback, on_open_error_callback, on_close_callback,
                         internal_connection_workflow)

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(callback)

    def _call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_at(when, callback)

    def _now(self) -> float:
        return time.monotonic()

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:

        def look_up() -> None:
            outcome = endpoints.look_up(parameters)
            self._loop.call_soon_threadsafe(lambda: done(outcome))

        # A daemon: a resolver that hangs does not keep the program from ending.
        threading.Thread(target=look_up, name=f'resolve {parameters.host}', daemon=True).start()

    def _open_stream(self, step: endpoints.Connect, made: Callable[[Transport], None],
                     failed: Callable[[Exception], None]) -> _Attempt:
        attempt = _Attempt(self, step, made, failed)
        # Not at once: a connect that fails at once must not be heard before this returns.
        self._call_soon(attempt.start)
        return attempt


class _Attempt:
    """The owner of a stream to one address; the connection hears of it until it is cancelled."""

    def __init__(self, connection: StreamConnection, step: endpoints.Connect,
                 made: Callable[[Transport], None], failed: Callable[[Exception], None]) -> None:
        self._connection: StreamConnection | None = connection
        self._made = made
        self._failed = failed
        self._handed_over = False
        self._stream = Stream(connection._loop, self, step)

    @property
    def tcp_connected(self) -> bool:
        return self._stream.tcp_connected

    def start(self) -> None:
        if self._connection is not None:
            self._stream.connect()

    def cancel(self) -> None:
        self._connection = None
        if not self._handed_over:
            self._stream.abort()

    # What the stream tells.

    def on_connected(self) -> None:
        if self._connection is not None:
            self._handed_over = True
            self._made(self._stream)

    def on_data(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.data_received(data)

    def get_body_buffer(self) -> memoryview | None:
        return None if self._connection is None else self._connection.get_body_buffer()

    def on_body(self, size: int) -> None:
        if self._connection is not None:
            self._connection.body_received(size)

    def on_eof(self) -> None:
        if self._connection is not None:
            self._connection.eof_received()

    def on_lost(self, error: Exception | None) -> None:
        if self._connection is None:
            return
        if self._handed_over:
            self._connection.connection_lost(error)
        elif error is not None:
            self._failed(error)
