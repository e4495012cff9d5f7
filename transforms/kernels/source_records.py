"""Payloads of dead letters of sources -> source rows, as the file's reader had them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.csv_dialect import Dialect
from transforms.kernels.csv_sources import FORMAT_ATTRIBUTE
from transforms.kernels.records import Rejection, Rejections, encoding_problem
from transforms.kernels.single_records import UnreadableError, record_of
from transforms.kernels.source_rows import JSON, SourceRows

# A row of a Parquet file is noted as a JSON object, too.
_JSON_KINDS: Final = ("json", "parquet")


class PayloadFormat(NamedTuple):
    """How the payload of a dead letter is read.

    Attributes:
        columns: of CSV the wanted columns; empty for JSON.
        places: of CSV the index of each.
        fields: of CSV how many fields a record has; 0 for JSON.
        dialect: of CSV.
        is_parquet: whether it is JSON of what had types in its file.
    """

    columns: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    fields: int = 0
    dialect: Dialect = Dialect()
    is_parquet: bool = False

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> PayloadFormat | None:
        """What a dead letter's attributes say; None where it is not one of a source.

        Raises:
            ValueError: if it is not what the readers of sources note.
        """
        found = attributes.get(FORMAT_ATTRIBUTE)
        if found is None:
            return None
        try:
            if found["kind"] in _JSON_KINDS:
                return cls(is_parquet=found["kind"] == "parquet")
            fields, columns = found["fields"], found["columns"]
            names, places = tuple(columns), tuple(columns.values())
            known = found["kind"] == "csv" and _is_mark(found["delimiter"])
            known &= not found["quote"] or _is_mark(found["quote"])
            if not known or not all(type(place) is int for place in (fields, *places)):
                raise ValueError(f"{FORMAT_ATTRIBUTE} is {found!r:.200}")
            if any(not 0 <= place < fields for place in places):
                raise ValueError(f"{FORMAT_ATTRIBUTE} has places beyond its {fields} fields")
            return cls(names, places, fields, Dialect(found["delimiter"], found["quote"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{FORMAT_ATTRIBUTE} is {found!r:.200}") from error


def _is_mark(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 1 and text.isascii()


def read_payloads(payloads: Sequence[bytes], form: PayloadFormat, source: str) -> SourceRows:
    """Payloads of one format as source rows.

    Args:
        payloads: the records; the position of each is its index.
        form: how they are read.
        source: where they come from.
    """
    read: Callable[[bytes, PayloadFormat], list[str]] = _csv if form.fields else _json
    rows: list[list[str]] = []
    kept: list[int] = []
    unreadable: list[Rejection] = []
    for index, payload in enumerate(payloads):
        try:
            if (problem := encoding_problem(payload)) is not None:
                raise UnreadableError("invalid_utf8", problem)
            rows.append(read(payload, form))
            kept.append(index)
        except UnreadableError as error:
            error_type, problem = error.args
            unreadable.append(Rejection.unreadable(error_type, problem, payload, str(index)))
    names = form.columns if form.fields else (JSON,)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    table = pa.table(
        dict(zip(names, (pa.array(column, pa.string()) for column in columns), strict=True))
    )
    origin = _Payloads(payloads, kept)
    return SourceRows(table, not form.fields, origin, source, Rejections.of(unreadable))


def _csv(payload: bytes, form: PayloadFormat) -> list[str]:
    fields = record_of(payload, form.fields, form.dialect)
    return [fields[place].decode() for place in form.places]


def _json(payload: bytes, form: PayloadFormat) -> list[str]:
    return [payload.decode()]


@dataclass(frozen=True)
class _Payloads:
    """Payloads that became rows: their `Origin`."""

    records: Sequence[bytes]
    kept: Sequence[int]

    def sizes(self) -> NDArray[np.int64]:
        return np.array([len(self.records[index]) for index in self.kept], np.int64)

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [self.records[self.kept[row]] for row in rows]

    def position(self, row: int) -> str:
        return str(self.kept[row])

    def attributes(self, row: int) -> str | None:
        return None
