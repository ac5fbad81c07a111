"""What `create_connection` tells when it has no connection to give.

Rule: these are errors of connecting, so they are of the tree of `AMQPConnectionError`; in pika 1.x
they stood outside of it.
"""

from __future__ import annotations

from pika.exceptions import AMQPConnectionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class AMQPConnectorException(AMQPConnectionError):
    """The base of the errors of this module."""


class AMQPConnectionWorkflowAborted(AMQPConnectorException):
    """The program has called `abort()`."""

    recoverable = False
    _default = 'connecting was aborted by the program'


class AMQPConnectionWorkflowWrongState(AMQPConnectorException):
    """`abort()` where there is nothing to abort any more."""

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
