"""Checks over any events hold, both ways alike; and what they count adds up over parts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import sqlglot
from apache_beam.internal import pickler
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from tests.support.quality import CHECKS, failures, in_memory, of_run
from tests.support.strategies import row_lists
from tests.support.tables import Row, compute, csv_text, parse
from tests.support.thorough import examples
from transforms.coders import CheckCountsCoder
from transforms.figure_settings import FigureSettings
from transforms.google_sql import MACROS
from transforms.kernels.keys import missing, repeated, with_previous
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import MAX_SAMPLES, CheckCount, CheckCounts
from transforms.quality.condition import Name, names, spell
from transforms.quality.planning import plan_of_flush, plan_of_increment
from transforms.quality.pushdown import evaluate
from transforms.quality.results import conclude
from transforms.vocabulary import EVENT_TYPES


def tables_of(rows: Sequence[Row], active: Sequence[str]) -> dict[str, pa.Table]:
    """All tables of some rows, that of dead letters empty."""
    batches = [block.events for block in parse(csv_text(rows))]
    dead_letters = TABLES["dead_letter_events"].arrow_schema.empty_table()
    return {**compute(batches, active), "dead_letter_events": dead_letters}


def pushed_down(tables: dict[str, pa.Table], active: Sequence[str]) -> Any:
    with duckdb.connect() as connection:
        for macro in MACROS:
            connection.execute(macro)
        for name, table in tables.items():
            connection.register(name, table)

        def ask(statements: Sequence[str]) -> list[list[dict[str, Any]]]:
            return [connection.sql(text).to_arrow_table().to_pylist() for text in statements]

        return evaluate(all_checks(FigureSettings(tuple(active))), TABLES, str, ask)


# Sessions, cohorts and sums at the edges that `row_lists` is made of.
@settings(max_examples=examples(2, 25), deadline=None)
@given(row_lists, st.sets(st.sampled_from(EVENT_TYPES), min_size=1))
def test_any_events_keep_every_check_whichever_types_are_active(
    rows: list[dict[str, str]], active: set[str]
) -> None:
    tables = tables_of(rows, sorted(active))
    checks = all_checks(FigureSettings(tuple(sorted(active))))
    events = tables["fct_events"].num_rows
    check_counts = CheckCounts.total([in_memory(tables, checks), of_run(events + 3, 3)])
    ours, theirs = conclude(checks, check_counts), pushed_down(tables, sorted(active))
    assert failures(ours) == {}
    assert [r for r in ours if r.check.check_id != "fct_events.input_adds_up"] == theirs


@settings(max_examples=examples(5, 15), deadline=None)
@given(row_lists, st.integers(0, 99))
def test_any_part_of_the_rows_answers_what_looks_at_one_row(
    rows: list[dict[str, str]], seed: int
) -> None:
    chance = random.Random(seed)
    checks = [check for table in TABLES for check in plan_of_flush(CHECKS, table)]
    assert {"not_null", "relation", "unique"} <= {check.check_type for check in checks}
    over = ArrowChecks(checks, TABLES)
    for name, table in tables_of(rows, EVENT_TYPES).items():
        kept = [at for at in range(table.num_rows) if chance.random() < 0.5]
        found = conclude(checks, over.evaluate({name: table.take(pa.array(kept, pa.int64()))}))
        assert failures(found) == {}
        assert {result.check for result in found} == {c for c in checks if c.table == name}


check_counts = st.builds(
    CheckCounts,
    st.dictionaries(
        st.sampled_from(["a", "b"]),
        st.builds(
            CheckCount,
            st.integers(0, 9),
            st.integers(9, 20),
            st.lists(st.sampled_from("uvwxyz"), max_size=MAX_SAMPLES, unique=True)
            .map(sorted)
            .map(tuple),
        ),
    ),
    st.dictionaries(st.sampled_from(["s", "t"]), st.none() | st.integers(-5, 2**70)),
)


@given(st.lists(check_counts, max_size=6), st.integers(0, 6))
def test_check_counts_add_up_in_any_grouping_and_come_back(
    parts: list[CheckCounts], cut: int
) -> None:
    whole = CheckCounts.total(parts)
    halves = [CheckCounts.total(parts[:cut]), CheckCounts.total(parts[cut:])]
    assert CheckCounts.total(halves) == CheckCounts.total(reversed(parts)) == whole
    coder = CheckCountsCoder()
    assert coder.decode(coder.encode(whole)) == whole


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from("xyz"))),
    st.booleans(),
    st.booleans(),
)
def test_the_row_before_is_the_neighbour_in_order(
    rows: list[tuple[str, int, str]], encoded: bool, ordered: bool
) -> None:
    rows = sorted(set(rows)) if ordered else list(dict.fromkeys(rows))
    table = pa.table(
        {
            "user": pa.array([user for user, _, _ in rows], pa.string()),
            "time": pa.array([time for _, time, _ in rows], pa.int64()),
            "id": pa.array([name for _, _, name in rows], pa.string()),
        }
    )
    if encoded:
        table = table.set_column(0, "user", table["user"].dictionary_encode())
    found = with_previous(table, ["user"], ["time", "id"], ["time", "id"]).to_pylist()
    expected = []
    for before, (user, time, name) in zip([None, *sorted(rows)], sorted(rows), strict=False):
        same = before is not None and before[0] == user
        expected.append((user, time, name, *(before[1:] if same and before else (None, None))))
    columns = ("user", "time", "id", "previous_time", "previous_id")
    # Groups stand in any order.
    assert sorted([tuple(one[name] for name in columns) for one in found], key=str) == sorted(
        expected, key=str
    )


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy")),
        st.lists(st.integers(0, 5), max_size=4, unique=True).map(sorted),
    ),
    st.booleans(),
)
def test_groups_that_stand_together_need_not_be_sorted(
    groups: dict[tuple[str, str], list[int]], encoded: bool
) -> None:
    rows = [(*names, number) for names, numbers in groups.items() for number in numbers]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table(dict(zip(("kind", "value", "number"), map(list, columns), strict=True)))
    table = table.cast(pa.schema({"kind": pa.string(), "value": pa.string(), "number": pa.int64()}))
    if encoded:
        table = table.set_column(0, "kind", table["kind"].dictionary_encode())
    with mock.patch("pyarrow.compute.sort_indices") as sort:
        found = with_previous(table, ["kind", "value"], ["number"], ["number"])
    assert not sort.called
    expected = [before for numbers in groups.values() for before in [None, *numbers][:-1]]
    assert found["previous_number"].to_pylist() == expected


@given(st.lists(st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 2))))
def test_keys_of_two_columns_that_repeat_are_found(
    keys: list[tuple[str | None, int | None]],
) -> None:
    words, numbers = ([key[place] for key in keys] for place in (0, 1))
    rows = pa.table({"word": pa.array(words, pa.string()), "number": pa.array(numbers, pa.int64())})
    found = {(one["word"], one["number"]): one["n"] for one in repeated(rows).to_pylist()}
    counted = Counter(key for key in keys if None not in key)
    assert found == {key: n for key, n in counted.items() if n > 1}


@given(st.lists(st.none() | st.integers(0, 5)), st.booleans(), st.booleans())
def test_keys_that_repeat_or_are_missing_are_found(
    numbers: list[int | None], is_long: bool, encoded: bool
) -> None:
    form = "{:022x}" if is_long else "u{}"
    texts = [None if number is None else form.format(number) for number in numbers]
    keys = pa.table({"key": pa.array(texts, pa.string())})
    if encoded:
        keys = pa.table({"key": keys["key"].dictionary_encode()})
    counts = {text: texts.count(text) for text in texts if text is not None}
    found = repeated(keys).to_pylist()
    assert {row["key"]: row["n"] for row in found} == {k: n for k, n in counts.items() if n > 1}
    known = pa.chunked_array([pa.array([k for k in counts if k[-1] < "3"], pa.string())])
    lost = missing(keys, known).to_pylist()
    assert {row["key"]: row["n"] for row in lost} == {
        k: n for k, n in counts.items() if k[-1] >= "3"
    }


def test_a_large_column_of_ids_shows_its_one_repeated_key() -> None:
    digits = random.Random(4)
    ids = [f"{digits.getrandbits(88):022x}" for _ in range(5_000)]
    assert repeated(pa.table({"key": pa.array(ids)})).num_rows == 0
    order = np.random.default_rng(5).permutation(5_001)
    keys = pa.table({"key": pa.array([*ids, ids[17]])}).take(pa.array(order))
    assert repeated(keys).to_pylist() == [{"key": ids[17], "n": 2}]


@pytest.mark.parametrize(
    ("condition", "found", "spelled"),
    [
        (
            "a_1 < previous_b AND c.d = 'e f'",
            {Name("", "a_1"), Name("", "b", previous=True), Name("c", "d")},
            "a_1 < previous_b AND c__d = 'e f'",
        ),
        ("UNIX_DATE(day) = 1.5", {Name("", "day")}, "UNIX_DATE(day) = 1.5"),
        (
            "c.d = 'c.d' OR c.d_e = 1",
            {Name("c", "d"), Name("c", "d_e")},
            "c__d = 'c.d' OR c__d_e = 1",
        ),
    ],
)
def test_the_names_in_a_condition_are_found_and_spelled_as_the_join_has_them(
    condition: str, found: set[Name], spelled: str
) -> None:
    assert names(condition) == found
    assert spell(condition) == spelled


def conditions() -> list[str]:
    """The SQL of all checks."""
    rules = [getattr(check.rule, "condition", None) for check in CHECKS]
    totals = [total.expression for check in CHECKS for total in check.totals]
    return [*(condition for condition in rules if condition is not None), *totals]


def test_a_parser_of_sql_finds_the_same_names_in_every_condition() -> None:
    for condition in conditions():
        columns = sqlglot.parse_one(condition, dialect="bigquery").find_all(exp.Column)
        found = {(column.table, column.name) for column in columns}  # "" for the row's own table.
        assert found == {
            (name.table, name.column if name.table else name.spelled) for name in names(condition)
        }, condition


def test_no_condition_uses_what_the_two_dialects_read_differently() -> None:
    for check in CHECKS:
        condition = str(getattr(check.rule, "condition", ""))
        for word in ("LEAST", "GREATEST", "\\", '"', "`", "//", "::", "%"):
            assert word not in "".join(condition.split("'")[::2]), check.check_id
        assert "\\" not in condition


def test_checks_come_back_from_a_pickle_that_names_none_of_them_by_itself() -> None:
    for checks in (CHECKS, plan_of_flush(CHECKS, "fct_events"), plan_of_increment(CHECKS, ())):
        content = pickler.dumps(checks)
        assert pickler.loads(content) == checks
        function, (inner,) = checks.__reduce__()
        assert function(inner) == checks
        assert isinstance(inner, bytes)
