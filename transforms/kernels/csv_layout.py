"""Where the source columns stand in the records of a CSV file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS

# Of a dead letter's attributes.
HEADER_ATTRIBUTE: Final = "csv_header"
_FIELDS: Final = "fields"


@dataclass(frozen=True)
class Layout:
    """What of a header is needed to read a record: never more than nine places.

    Attributes:
        fields: how many fields a record has.
        places: the index of each source column, in the vocabulary's order.
        event_id: that of the source's id of the event; None where it has none.
    """

    fields: int
    places: tuple[int, ...]
    event_id: int | None = None

    @classmethod
    def of(cls, names: Sequence[str]) -> Layout:
        """The layout of a header that has each source column.

        Raises:
            ValueError: if it lacks one.
        """
        return cls(len(names), tuple(names.index(name) for name in SOURCE_COLUMNS))

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Layout:
        """The layout in a dead letter's attributes; STANDARD where they have none.

        Raises:
            ValueError: if what they have is none.
        """
        found = attributes.get(HEADER_ATTRIBUTE)
        if found is None:
            return STANDARD
        if isinstance(found, list):  # All names, as versions before 0.2 wrote them.
            return cls.of(found)
        if not isinstance(found, dict) or {*found} - {EVENT_ID} != {_FIELDS, *SOURCE_COLUMNS}:
            raise ValueError(f"{HEADER_ATTRIBUTE} names other columns")
        fields, places = found[_FIELDS], [found[name] for name in SOURCE_COLUMNS]
        event_id = found.get(EVENT_ID)
        all_places = places if event_id is None else [*places, event_id]
        if not all(type(number) is int and 0 <= number < fields for number in all_places):
            raise ValueError(f"{HEADER_ATTRIBUTE} holds other places than those of a header")
        return cls(fields, tuple(places), event_id)

    @property
    def attributes(self) -> str | None:
        """What a dead letter needs beside the record to read it again, as JSON.

        The places alone: each dead letter carries them, and a header may be as long as a MiB.
        """
        if self == STANDARD:
            return None
        named = dict(zip(SOURCE_COLUMNS, self.places, strict=True))
        if self.event_id is not None:
            named[EVENT_ID] = self.event_id
        return json.dumps({HEADER_ATTRIBUTE: {_FIELDS: self.fields, **named}})


STANDARD: Final = Layout.of(SOURCE_COLUMNS)
# Of events that are dead letters once they were read: with the source's ids.
IDENTIFIED: Final = Layout(len(SOURCE_COLUMNS) + 1, STANDARD.places, len(SOURCE_COLUMNS))
