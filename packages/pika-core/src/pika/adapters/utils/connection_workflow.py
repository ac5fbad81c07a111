"""What `create_connection` returns, and tells when it has no connection to give.

Rule: these are errors of connecting, so they are of the tree of `AMQPConnectionError`; in pika 1.x
they stood outside of it.
"""

from __future__ import annotations

from pika.exceptions import AMQPConnectorException
from pika.exceptions import AMQPConnectorPhaseErrorBase as AMQPConnectorPhaseErrorBase
from pika.exceptions import AMQPConnectorSocketConnectError as AMQPConnectorSocketConnectError
from pika.exceptions import AMQPConnectorStackTimeout as AMQPConnectorStackTimeout
from pika.exceptions import AMQPConnectorTransportSetupError as AMQPConnectorTransportSetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pika.transport.base_connection import BaseConnection


class AMQPConnectionWorkflowAborted(AMQPConnectorException):
    """The program has called `abort()`."""

    recoverable = False
    _default = 'connecting was aborted by the program'


class AMQPConnectionWorkflowWrongState(AMQPConnectorException):
    """The workflow cannot do that now: `abort()` without anything to abort, or a second start."""

    recoverable = False
    _default = 'connecting has ended already'


class AMQPConnectionWorkflowFailed(AMQPConnectorException):
    """All attempts have failed.

    Attributes:
      exceptions: why, oldest first; of very many the last hundred.
    """

    def __init__(self, exceptions: Iterable[BaseException], *args: object) -> None:
        self.exceptions = tuple(exceptions)
        super().__init__(self.exceptions, *args)

    def _text(self) -> str:
        count = len(self.exceptions)
        last = f', the last one with: {self.exceptions[-1]}' if count else ''
        return f'{count} attempt{"s" if count != 1 else ""} to connect failed{last}'


class AMQPConnectionWorkflow:
    """What `create_connection` takes and returns: attempts to connect until one succeeds."""

    def __init__(self) -> None:
        self._connection: BaseConnection | None = None
        self._on_done: Callable[[Any], object] | None = None  # whatever kind of connection it is
        self._aborted = self._done = False

    def abort(self) -> None:
        """Give up; `on_done` gets an `AMQPConnectionWorkflowAborted` in a later turn of the loop.

        Raises:
          AMQPConnectionWorkflowWrongState: `on_done` has been called, or `abort` before, or
            `create_connection` has not been.
        """
        connection = self._connection
        if connection is None or self._done or self._aborted:
            raise AMQPConnectionWorkflowWrongState()
        self._aborted = True
        if connection.is_open:  # and `on_done` is due, but has not been called
            connection.add_on_close_callback(lambda connection, reason: self._fail(reason))
        if not connection.is_closed:
            connection.close()

    # For `create_connection`.

    def _claim(self, on_done: Callable[[Any], object]) -> None:
        if self._on_done is not None:
            raise AMQPConnectionWorkflowWrongState('a workflow serves one create_connection')
        self._on_done = on_done

    def _watch(self, connection: BaseConnection) -> None:
        self._connection = connection
        connection.add_on_open_callback(self._finish)
        connection.add_on_open_error_callback(lambda connection, error: self._fail(error))

    def _finish(self, outcome: object) -> None:
        if not self._done and not (self._aborted and outcome is self._connection):
            self._done = True
            assert self._on_done is not None
            self._on_done(outcome)

    def _fail(self, error: Exception) -> None:
        if self._aborted:
            self._finish(AMQPConnectionWorkflowAborted())
        else:
            self._finish(AMQPConnectionWorkflowFailed([*getattr(error, 'errors', ()), error]))
