"""Checks of arguments that several classes share: each returns, or raises naming the argument."""

from __future__ import annotations

from pika.exceptions import ParameterTypeError, ParameterValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def require_string(value: object, value_name: str) -> None:
    """Let `str` pass, the empty one included.

    Raises:
      ParameterTypeError: for anything else; `value_name` is its `parameter`.
    """
    if not isinstance(value, str):
        raise ParameterTypeError(value_name, value, 'a str')


def require_callback(callback: object, callback_name: str = 'callback') -> None:
    """Let what can be called pass.

    Raises:
      ParameterTypeError: for anything else; `callback_name` is its `parameter`.
    """
    if not callable(callback):
        raise ParameterTypeError(callback_name, callback, 'callable')


def rpc_completion_callback(callback: Callable[..., object] | None) -> bool:
    """Whether a method with this callback is sent with nowait: True without a callback.

    Raises:
      ParameterTypeError: `callback` is neither None nor callable.
    """
    if callback is None:
        return True
    if not callable(callback):
        raise ParameterTypeError('callback', callback, 'callable or None')
    return False


def zero_or_greater(name: str, value: int) -> None:
    """Let numbers pass that are not negative; a `str` of digits passes too, as in pika 1.x.

    Raises:
      ParameterTypeError: `value` is no number.
      ParameterValueError: `value` is negative or a `str` that is no number.
    """
    try:
        number = int(value)
    except TypeError:
        raise ParameterTypeError(name, value, 'an int, 0 or more') from None
    except (ValueError, OverflowError):
        number = -1
    if number < 0:
        raise ParameterValueError(name, value, 'an int, 0 or more')
