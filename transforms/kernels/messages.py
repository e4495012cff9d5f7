"""Messages of a subscription as single records: JSON objects, or single CSV records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transforms.kernels.csv_layout import STANDARD, Layout

CONTENT_TYPE: Final = "content_type"
CSV: Final = "text/csv"


@dataclass(frozen=True)
class Message:
    """A message as it came; a `SingleRecord`.

    It is a JSON object; or, where its attribute `content_type` is `text/csv`, one CSV record of the
    source columns in order.

    Attributes:
        data: its payload.
        attributes: its attributes.
        message_id: what the service calls it.
    """

    data: bytes
    attributes: Mapping[str, str]
    message_id: str

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        names = sum(len(name) + len(text) for name, text in self.attributes.items())
        return len(self.data) + names

    @property
    def layout(self) -> Layout | None:
        """By its attributes."""
        return layout_of(self.attributes)

    @property
    def position(self) -> str:
        """Its id."""
        return self.message_id

    @property
    def attributes_json(self) -> str | None:
        """Its attributes; None where it has none."""
        if not self.attributes:
            return None
        return json.dumps(dict(self.attributes), ensure_ascii=False, sort_keys=True)


def layout_of(attributes: Mapping[str, str]) -> Layout | None:
    """The layout of the CSV record that a message with these attributes is; None for JSON."""
    kind = attributes.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
    return STANDARD if kind == CSV else None
