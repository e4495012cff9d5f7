"""State and timers of one key of a step, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Cell:
    """A value, or none."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def read(self) -> Any:
        return self._values[-1] if self._values else None

    def write(self, value: Any) -> None:
        self._values = [value]

    def clear(self) -> None:
        self._values = []


class Bag(Cell):
    """Values in the order in which they were added."""

    def read(self) -> list[Any]:
        return list(self._values)

    def add(self, value: Any) -> None:
        self._values.append(value)


class Timer:
    """A timer that a test fires by hand."""

    def set(self, moment: Any) -> None:
        """It is set."""


class Bundles:
    """Bundles of which a runner is yet to say that they are durable; a BundleFinalizerParam."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def register(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def __len__(self) -> int:
        return len(self._waiting)

    def checkpoint(self) -> None:
        """All are durable, or nearly."""
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    def lose(self) -> None:
        """The runner goes back to its last checkpoint."""
        self._waiting = []
