"""Source rows and rules -> raw records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels import fields
from transforms.kernels.json_rows import json_problem
from transforms.kernels.records import Origin, RawRecords, Reading, Rejection, Rejections
from transforms.kernels.source_rows import SourceRows
from transforms.rules.amounts import whole_miles
from transforms.rules.exclusions import excluded
from transforms.rules.model import ISO, WHERE, Rules, TimeRules
from transforms.rules.nulls import without_nulls
from transforms.rules.rule_messages import hints_of, reasons_of
from transforms.rules.source_fields import asked, source_fields
from transforms.rules.times_sql import passes_through, time_sql
from transforms.rules.values import MAPPED, value_rule
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS

Masks = NDArray[np.bool_]


class _Read(NamedTuple):
    """A column as the parser takes it, and the rows that rules can't read."""

    column: pa.Array
    failed: Masks | None = None


class RuleReader:
    """Reads source rows by rules, with a database in memory of its own."""

    def __init__(self, rules: Rules):
        self._rules = rules
        self._database = duckdb.connect(config={"threads": 1})

    def __call__(self, rows: SourceRows) -> RawRecords:
        """The raw records that some rows are.

        A value that rules can't read stays as the source has it, and its row is one of the
        reading's failures. Records that are no JSON objects are unreadable.

        Raises:
            DataError: if rules name fields that the source lacks.
        """
        found = source_fields(rows, self._rules, self._database)
        origin, unreadable, texts = rows.origin, rows.unreadable, found.texts
        number = len(found.unreadable)
        if found.unreadable.any():
            kept = np.flatnonzero(~found.unreadable)
            number = len(kept)
            unreadable = Rejections.total([unreadable, _no_objects(origin, found.unreadable)])
            origin = _Chosen(origin, kept)
            texts = {
                name: [column.take(pa.array(kept)) for column in columns]
                for name, columns in texts.items()
            }
        if nulls := self._rules.nulls:
            texts = {
                name: [without_nulls(column, nulls) for column in columns]
                for name, columns in texts.items()
            }
        own = {name: _first_not_blank(columns, number) for name, columns in texts.items()}
        time = TimeRules((ISO,), self._rules.time.zone)
        if "event_time" not in found.moments:
            time = self._rules.time
        read = {
            "event_time": self._times(own["event_time"], time),
            "user_id": _Read(self._by_value("user_id", own["user_id"], None).column),
            "miles_amount": self._amounts(own["miles_amount"]),
            **{
                name: self._by_value(name, own[name], value_rule(name, self._rules))
                for name in MAPPED
            },
        }
        return RawRecords(
            [read[name].column for name in SOURCE_COLUMNS],
            origin,
            rows.source,
            unreadable,
            self._reading(own, read, time),
            _plain(own[EVENT_ID]) if self._rules.identifies else None,
            excluded(
                self._rules.exclude,
                own["user_id"],
                {name: own[f"{WHERE}{name}"] for name in self._rules.exclude.where},
            ),
        )

    def _times(self, column: pa.Array, rules: TimeRules) -> _Read:
        default = self._rules.column("event_time").default
        if passes_through(rules) and default is None:
            return _Read(column)
        text = fields.trimmed(_plain(column))
        statement = f"SELECT {time_sql('text', rules)} FROM rows"
        (found,) = asked(self._database, pa.table({"text": text}), statement)
        blank = fields.blank(text)
        if default is not None:
            found = pc.if_else(pa.array(blank), default, found)
        failed = found.is_null().to_numpy(zero_copy_only=False)
        return _Read(pc.coalesce(found, text) if failed.any() else found, failed & ~blank)

    def _amounts(self, column: pa.Array) -> _Read:
        rules = self._rules.amount
        rule = None if rules is None else (lambda texts: [whole_miles(t, rules) for t in texts])
        return self._by_value("miles_amount", column, rule)

    def _by_value(
        self,
        name: str,
        column: pa.Array,
        rule: Callable[[Sequence[str]], Sequence[str | None]] | None,
    ) -> _Read:
        """What a rule makes of the values; blanks become the column's default.

        A value of which it makes None stays as it is, and fails.
        """
        default = self._rules.column(name).default
        if rule is None and default is None:
            return _Read(column)
        encoded = _encoded(column)
        texts = encoded.dictionary.fill_null("").to_pylist()
        ours = [text if default is None else default for text in texts]
        failed = np.zeros(len(texts), np.bool_)
        filled = [at for at, text in enumerate(texts) if not fields.is_blank(text)]
        given = [texts[at] for at in filled]
        for at, value in zip(filled, given if rule is None else rule(given), strict=True):
            ours[at] = texts[at] if value is None else value
            failed[at] = value is None
        found = pa.DictionaryArray.from_arrays(encoded.indices, pa.array(ours, pa.string()))
        return _Read(found, failed[encoded.indices.to_numpy()])

    def _reading(
        self, own: dict[str, pa.Array], read: dict[str, _Read], time: TimeRules
    ) -> Reading:
        failed = {"bad_event_time": read["event_time"].failed}
        if self._rules.amount is not None:
            failed["bad_miles_amount"] = read["miles_amount"].failed
        converted = {"event_time": not passes_through(time)}
        converted["miles_amount"] = self._rules.amount is not None
        return Reading(
            {name: mask for name, mask in failed.items() if mask is not None and mask.any()},
            reasons_of(self._rules),
            hints_of(self._rules),
            {name: own[name] for name, is_so in converted.items() if is_so},
            time.formats,
        )


def _first_not_blank(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Of several texts of each row the first that is not blank, without NULLs: strings, or a
    dictionary of them."""
    if not columns:
        indices = pa.array(np.zeros(rows, np.int32))
        return pa.DictionaryArray.from_arrays(indices, pa.array([""]))
    first, *others = map(_filled, columns)
    for other in others:
        first = _plain(first)
        blank = fields.blank(fields.trimmed(first))
        if not blank.any():
            break
        first = pc.if_else(pa.array(blank), _plain(other), first)
    return first


def _filled(column: pa.Array) -> pa.Array:
    """Texts without NULLs."""
    if not column.null_count:
        return column
    if not pa.types.is_dictionary(column.type):
        return column.fill_null("")
    values = column.dictionary
    return pa.DictionaryArray.from_arrays(
        column.indices.fill_null(len(values)), pa.concat_arrays([values, pa.array([""])])
    )


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def _no_objects(origin: Origin, unreadable: Masks) -> Rejections:
    """Rows that are no JSON objects."""
    rows = np.flatnonzero(unreadable).tolist()
    return Rejections.of(
        Rejection.unreadable(
            "malformed_row",
            json_problem(payload.decode()),
            payload,
            origin.position(row),
            origin.attributes(row),
        )
        for row, payload in zip(rows, origin.payloads(rows), strict=True)
    )


@dataclass(frozen=True)
class _Chosen:
    """Some rows of others: their `Origin`.

    Attributes:
        origin: of the others.
        rows: int64 [rows], which of them.
    """

    origin: Origin
    rows: NDArray[np.int64]

    def sizes(self) -> NDArray[np.int64]:
        sizes: NDArray[np.int64] = self.origin.sizes()[self.rows]
        return sizes

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return self.origin.payloads([int(self.rows[row]) for row in rows])

    def position(self, row: int) -> str:
        return self.origin.position(int(self.rows[row]))

    def attributes(self, row: int) -> str | None:
        return self.origin.attributes(int(self.rows[row]))
