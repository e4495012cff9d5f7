"""Which event types make a user active: one value for options, figures, checks and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.vocabulary import EVENT_TYPES


@dataclass(frozen=True)
class ActiveEventTypes:
    """The event types that make a user active on a date or in a month.

    Attributes:
        names: their names, in the order of EVENT_TYPES.
    """

    names: tuple[str, ...] = EVENT_TYPES

    @property
    def codes(self) -> tuple[int, ...]:
        """Their indices in EVENT_TYPES."""
        return tuple(EVENT_TYPES.index(name) for name in self.names)

    def sum_of(self, columns: Mapping[str, str]) -> str:
        """SQL for a user's events of these types.

        Args:
            columns: by event type the column that counts its events.
        """
        return f"({' + '.join(columns[name] for name in self.names)})"

    def __str__(self) -> str:
        """As it is typed."""
        return ",".join(self.names)
