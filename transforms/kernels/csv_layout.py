"""Where the source columns stand in the records of a CSV file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transforms.vocabulary import SOURCE_COLUMNS

# Of a dead letter's attributes.
HEADER_ATTRIBUTE: Final = "csv_header"
_FIELDS: Final = "fields"


@dataclass(frozen=True)
class Layout:
    """What of a header is needed to read a record: never more than eight places.

    Attributes:
        fields: how many fields a record has.
        places: the index of each source column, in the vocabulary's order.
    """

    fields: int
    places: tuple[int, ...]

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
        if not isinstance(found, dict) or set(found) != {_FIELDS, *SOURCE_COLUMNS}:
            raise ValueError(f"{HEADER_ATTRIBUTE} names other columns")
        fields, places = found[_FIELDS], [found[name] for name in SOURCE_COLUMNS]
        if not all(type(number) is int and 0 <= number < fields for number in places):
            raise ValueError(f"{HEADER_ATTRIBUTE} holds other places than those of a header")
        return cls(fields, tuple(places))

    @property
    def attributes(self) -> str | None:
        """What a dead letter needs beside the record to read it again, as JSON.

        The places alone: each dead letter carries them, and a header may be as long as a MiB.
        """
        if self == STANDARD:
            return None
        named = dict(zip(SOURCE_COLUMNS, self.places, strict=True))
        return json.dumps({HEADER_ATTRIBUTE: {_FIELDS: self.fields, **named}})


STANDARD: Final = Layout.of(SOURCE_COLUMNS)
