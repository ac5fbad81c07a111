"""Deadlines by name.

Rule: this file never reads a clock; every time in it is a number that its owner brought (seconds,
monotonic).
"""

from __future__ import annotations


class Deadlines:
    """At most one moment for each name, and which of them comes first."""

    def __init__(self) -> None:
        self._moments: dict[str, float] = {}

    def set(self, name: str, when: float) -> None:
        """Let `name` be due at `when`, instead of at any moment set before."""
        self._moments[name] = when

    def clear(self, name: str) -> None:
        """Forget `name`; nothing happens if it is not set."""
        self._moments.pop(name, None)

    def clear_all(self) -> None:
        """Forget all."""
        self._moments.clear()

    def is_set(self, name: str) -> bool:
        """Whether `name` has a moment."""
        return name in self._moments

    def next(self) -> float | None:
        """The earliest moment; None when there is none."""
        return min(self._moments.values()) if self._moments else None

    def take_due(self, now: float) -> list[str]:
        """Remove the names that are due at `now` and return them, earliest first."""
        due = sorted((name for name, when in self._moments.items() if when <= now),
                     key=self._moments.__getitem__)
        for name in due:
            del self._moments[name]
        return due
