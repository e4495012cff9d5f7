"""Which rows differ, against a plain loop; and that a sum is finished once."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any
from unittest import mock

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tables import codes, csv_text, parse, row
from transforms import mart_changes
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.key_codes import key_codes
from transforms.kernels.row_differences import differences
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.mart_changes import Finishing, finish
from transforms.vocabulary import EVENT_TYPES

SCHEMA = pa.schema(
    {
        "word": pa.string(),
        "day": pa.date32(),
        "number": pa.int64(),
        "share": pa.float64(),
        "written": pa.int64(),
    }
)
KEY = ("word", "day", "number")
lines = st.fixed_dictionaries(
    {
        "word": st.sampled_from(["a", "b", "ab", ""]),
        "day": st.sampled_from([date(1, 1, 1), date(2024, 2, 29), date(2024, 3, 1)]),
        "number": st.sampled_from([-(2**63), -1, 0, 2**63 - 1]),
        "share": st.none() | st.sampled_from([0.0, 0.5]),
        "written": st.integers(0, 3),
    }
)


def key_of(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in KEY)


some_lines = st.lists(lines, max_size=8, unique_by=key_of)


def table_of(rows: list[dict[str, Any]], *, encoded: bool) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    if not encoded:
        return table
    words = table["word"].combine_chunks().dictionary_encode()
    return table.set_column(0, "word", words)


@given(some_lines, some_lines, st.booleans(), st.booleans())
def test_differences_are_those_of_a_plain_loop(
    now: list[dict[str, Any]], was: list[dict[str, Any]], here: bool, there: bool
) -> None:
    by_key = {key_of(line): line for line in was}
    changed = [
        line
        for line in now
        if (old := by_key.get(key_of(line))) is None or old["share"] != line["share"]
    ]
    keys = {key_of(line) for line in now}
    gone = [line for line in was if key_of(line) not in keys]
    tables = table_of(now, encoded=here), table_of(was, encoded=there)
    found = differences(*tables, KEY, ["written"])
    assert found.changed.to_pylist() == changed
    assert found.gone.to_pylist() == gone


@given(
    st.lists(st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 2))),
    st.integers(0, 9),
    st.booleans(),
)
def test_codes_are_equal_where_keys_are(
    keys: list[tuple[str | None, int | None]], cut: int, encoded: bool
) -> None:
    words = pa.array([word for word, _ in keys], pa.string())
    rows = pa.table(
        {
            "word": words.dictionary_encode() if encoded else words,
            "number": pa.array([number for _, number in keys], pa.int64()),
        }
    )
    parts = key_codes([rows.slice(0, cut), rows.slice(cut)], ("word", "number"))
    found = [code for part in parts for code in part.tolist()]
    assert [len(part) for part in parts] == [min(cut, len(keys)), max(len(keys) - cut, 0)]
    assert len(set(found)) == len(set(keys)) == len(set(zip(found, keys, strict=True)))


def sums(days: range) -> Counters:
    rows = [row(f"2024-03-{day:02d}T10:00:00", f"u{day % 3}") for day in days]
    events = sort_events([part.events for part in parse(csv_text(rows))])
    return contributions(timelines(events), codes(EVENT_TYPES))


def test_a_sum_is_finished_once_and_comes_to_the_same() -> None:
    steps = [sums(range(1, end)) for end in (4, 5, 9, 12)]
    finishing = Finishing()
    with mock.patch.object(mart_changes, "marts_of", wraps=mart_changes.marts_of) as made:
        found = [
            finishing(before, after, number)
            for number, (before, after) in enumerate(pairwise(steps))
        ]
    assert made.call_count == len(steps)
    for number, (before, after) in enumerate(pairwise(steps)):
        assert found[number] == finish(before, after, number)


def test_after_a_commit_that_failed_nothing_is_taken_from_memory() -> None:
    before, lost, after = sums(range(1, 4)), sums(range(1, 9)), sums(range(2, 6))
    finishing = Finishing()
    finishing(before, lost, 1)
    # As before; and a day that was taken out of what the memory holds.
    assert finishing(before, after, 2) == finish(before, after, 2)
    assert finishing(lost, after, 3) == finish(lost, after, 3)
