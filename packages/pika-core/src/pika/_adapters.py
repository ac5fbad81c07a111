"""Names that live in other distributions, or that importing pika must not pay for.

Rule: nothing is imported before somebody looks at the name. What is not installed raises an error
whose text is the cure.

A module that has such names says so twice: with imports under TYPE_CHECKING, and with `lazy` under
its else, where no checker sees the `__getattr__`, which would make it accept any misspelt name.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def lazy(namespace: dict[str, Any],
         places: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the module with these `globals()`.

    places: name in the module to 'module:name' or, for a module itself, 'module'.

    The `__getattr__` raises ModuleNotFoundError with the text 'pip install ...' where the
    distribution of an adapter is not installed.
    """

    def getattr_(name: str) -> Any:  # whatever lies there
        if name not in places:
            raise AttributeError(f'module {namespace["__name__"]!r} has no attribute {name!r}')
        module, _, attribute = places[name].partition(':')
        value = load(module)
        if attribute:
            value = getattr(value, attribute)
        namespace[name] = value
        return value

    def dir_() -> list[str]:
        return sorted({*namespace, *places})

    return getattr_, dir_


def load(module: str) -> Any:
    """Import a module; when it is an adapter's that is not here, say how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # What an adapter itself lacks is another matter.
        if error.name != module or not module.startswith('pika_'):
            raise
        cure = 'pip install ' + module.replace('_', '-')
    raise ModuleNotFoundError(cure, name=module)


def require(framework: str | None = None) -> None:
    """See, for an adapter that is imported, that what it stands on is there.

    framework: what it imports beside pika, by the name by which pip knows it, too.

    Raises:
      ImportError: the distribution `pika`, which has the same folder, has been installed over
        pika-core.
      ModuleNotFoundError: the framework is not installed.
    """
    if not hasattr(sys.modules['pika'], '_DISTRIBUTION'):
        raise ImportError(
            "the distribution 'pika' has overwritten pika-core; have one of them: "
            'pip uninstall -y pika, then pip install --force-reinstall --no-deps pika-core')
    if framework is not None:
        try:
            import_module(framework)
        except ModuleNotFoundError as error:
            if error.name != framework:
                raise
            raise ModuleNotFoundError(f'pip install {framework}', name=framework) from None
