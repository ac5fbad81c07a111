"""`SelectConnection`: the callback API over the core's own stream, on `IOLoop`.

Rule: the loop's thread never blocks. A name is looked up in a thread of its own that lives as long
as the look-up takes; every step of connecting is bounded by a timer.
"""

from __future__ import annotations

import socket
import threading
import time

from pika.connection import Connection
from pika.transport import endpoints
from pika.transport.stream import Stream

from pika_select.ioloop import IOLoop, Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import ClassVar

    from pika.parameters import Parameters


class SelectConnection(Connection):
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
        self._plan: Generator[endpoints.Step, endpoints.Outcome, Exception] | None = None
        self._attempt: _Attempt | None = None
        self._looking_up: endpoints.Resolve | None = None
        self._step_timer: Timer | None = None
        super().__init__(parameters, on_open_callback, on_open_error_callback, on_close_callback,
                         internal_connection_workflow)

    @property
    def ioloop(self) -> IOLoop:
        """The loop; nothing happens before `ioloop.start()`."""
        return self._ioloop

    # What the loop does for `Connection`.

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._ioloop.add_callback(callback)

    def _call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._ioloop.call_at(when, callback)

    def _now(self) -> float:
        return time.monotonic()

    # Connecting: one step after the other, each answered by `_advance`.

    def _start_connecting(self) -> None:
        self._plan = endpoints.endpoint_plan([self.params])
        self._call_soon(lambda: self._advance(None))

    def _attempt_failed(self, error: Exception) -> None:
        if self._plan is None:  # others have connected it
            super()._attempt_failed(error)
        else:
            self._advance(error)

    def _stop_connecting(self) -> None:
        self._leave_step()
        self._plan = None

    def _advance(self, outcome: endpoints.Outcome) -> None:
        self._leave_step()
        if self._plan is None:  # close() was called
            return
        try:
            step = self._plan.send(outcome)
        except StopIteration as end:
            self.connect_failed(end.value)
        else:
            self._STEPS[type(step)](self, step)

    def _leave_step(self) -> None:
        """Whatever the present step still has to tell comes too late."""
        self._looking_up = None
        if self._step_timer is not None:
            self._step_timer.cancel()
            self._step_timer = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.give_up()

    def _resolve(self, step: endpoints.Resolve) -> None:
        parameters = step.parameters
        if _is_address(parameters.host):
            self._advance(_look_up(parameters))
            return
        self._looking_up = step

        def look_up() -> None:
            outcome = _look_up(parameters)
            self._ioloop.add_callback_threadsafe(lambda: self._resolved(step, outcome))

        # A daemon: a resolver that hangs does not keep the program from ending.
        threading.Thread(target=look_up, name=f'resolve {parameters.host}', daemon=True).start()
        if parameters.stack_timeout is not None:
            self._step_timer = self._ioloop.call_later(
                parameters.stack_timeout,
                lambda: self._resolved(step, _resolve_timeout(parameters)))

    def _resolved(self, step: endpoints.Resolve, outcome: endpoints.Outcome) -> None:
        if self._looking_up is step:
            self._advance(outcome)

    def _connect(self, step: endpoints.Connect) -> None:
        self._attempt = _Attempt(self, step)
        self._attempt.start()

    def _wait(self, step: endpoints.Wait) -> None:
        self._step_timer = self._ioloop.call_later(step.seconds, lambda: self._advance(None))

    _STEPS: ClassVar[dict[type[endpoints.Step], Callable[..., None]]] = {
        endpoints.Resolve: _resolve,
        endpoints.Connect: _connect,
        endpoints.Wait: _wait,
    }


class _Attempt:
    """A stream to one address, whose owner it is; the connection hears of it until it gives it up.

    TCP has `socket_timeout` seconds, TCP and TLS together `stack_timeout`; from then on the
    protocol bounds the rest.
    """

    def __init__(self, connection: SelectConnection, step: endpoints.Connect) -> None:
        self._connection: SelectConnection | None = connection
        self._parameters = step.parameters
        self._loop = connection.ioloop
        self._started = time.monotonic()
        self._timer: Timer | None = None
        self._made = False
        self._stream = Stream(self._loop, self, step)

    def start(self) -> None:
        self._bound()
        self._stream.connect()

    def give_up(self) -> None:
        """Tell the connection no more; a stream that it has got is its own to close."""
        self._connection = None
        self._cancel_timer()
        if not self._made:
            self._stream.abort()

    def _bound(self) -> None:
        """Give up when the time is over, else look again when it will be."""
        limits = [self._parameters.stack_timeout]
        if not self._stream.tcp_connected:
            limits.append(self._parameters.socket_timeout)
        seconds = min((limit for limit in limits if limit is not None), default=None)
        if seconds is None:
            return
        if time.monotonic() < self._started + seconds:
            self._timer = self._loop.call_at(self._started + seconds, self._bound)
        else:
            self._stream.abort(TimeoutError(f'timed out after {seconds} s'))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the stream tells.

    def on_connected(self) -> None:
        self._cancel_timer()
        self._made = True
        if self._connection is not None:
            self._connection.connection_made(self._stream, self._started)

    def on_data(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.data_received(data)

    def on_eof(self) -> None:
        if self._connection is not None:
            self._connection.eof_received()

    def on_lost(self, error: Exception | None) -> None:
        self._cancel_timer()
        connection = self._connection
        if connection is None:
            return
        if self._made:
            connection.connection_lost(error)
        elif error is not None:
            connection._advance(error)


def _is_address(host: str) -> bool:
    """Whether the host is no name, so that nothing has to be asked."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return False
    return True


def _look_up(parameters: Parameters) -> endpoints.Outcome:
    try:
        return endpoints.resolve(parameters)
    except endpoints.NameResolutionError as error:
        return error


def _resolve_timeout(parameters: Parameters) -> endpoints.NameResolutionError:
    seconds = parameters.stack_timeout
    return endpoints.NameResolutionError(
        socket.EAI_AGAIN,
        f'cannot resolve {parameters.host!r}: timed out after {seconds} s',
        host=parameters.host,
        port=parameters.port,
        phase='resolve')
