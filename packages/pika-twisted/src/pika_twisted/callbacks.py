"""How callbacks of users are called, which are not Deferreds.

Rule: what one raises is logged as itself, and neither the reactor nor the stream hears of it.
"""

from __future__ import annotations

from twisted.logger import Logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

log = Logger()


def call(callback: Callable[..., object], *arguments: object) -> None:
    """Call what a user has given."""
    try:
        callback(*arguments)
    except Exception:
        log.failure('raised by the callback {callback!r}', callback=callback)
