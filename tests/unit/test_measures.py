"""What the contract says of numbers: each has a role, a unit, and what may be added up."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract import FLOAT, INTEGER, Column, Table
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import ALL_TABLES, TABLES, all_checks
from transforms.measures import (
    PERCENT,
    USERS_OF_PERIOD,
    USERS_ONCE,
    Measure,
    label_of,
    percentage_of,
    quotient,
)
from transforms.quality.condition import names

COLUMNS = [(table, column) for table in ALL_TABLES for column in table.columns]
MEASURES = [(table, column, column.measure) for table, column in COLUMNS if column.measure]
# Numbers that are a place of the row, beside those of keys.
PLACES = {("fct_events", "event_sequence_in_session")}


def test_every_number_is_a_measure_or_tells_rows_apart() -> None:
    for table, column in COLUMNS:
        is_number = column.type in (INTEGER, FLOAT)
        is_place = column.name in table.primary_key or (table.name, column.name) in PLACES
        assert (column.role == "measure") == (is_number and not is_place), (table.name, column.name)
        assert column.label and column.heading


def test_every_measure_has_a_unit_and_whole_numbers_no_ratio() -> None:
    for _, column, measure in MEASURES:
        assert measure.unit.name
        assert measure.format
        if measure.unit.is_ratio:
            assert column.type is FLOAT
            assert measure.aggregation != "sum"


def of_row(table: Table, sql: str) -> list[Column]:
    """The columns that a numerator or denominator names, wherever they stand."""
    found = []
    for name in names(sql):
        where = TABLES[name.table] if name.table else table
        column = where.column(name.column.removeprefix("previous_"))
        assert column, f"{where.name} has no column {name.column}"
        found.append(column)
    return found


def test_every_ratio_says_what_it_is_of_and_is_checked() -> None:
    conditions = {
        check.check_id: getattr(check.rule, "condition", "")
        for check in all_checks(FigureSettings())
    }
    for table, column, measure in MEASURES:
        if not measure.unit.is_ratio and not measure.numerator:
            assert not measure.denominator
            continue
        assert bool(measure.numerator) == bool(measure.denominator) != bool(measure.otherwise)
        if measure.otherwise:
            assert measure.aggregation == "mean"
            continue
        assert of_row(table, measure.numerator) and of_row(table, measure.denominator)
        check = conditions[f"{table.name}.{column.name}.formula"]
        assert measure.denominator in check
        # Own columns alone can be pooled.
        used = names(f"{measure.numerator} + {measure.denominator}")
        is_own = not any(name.table or name.previous for name in used)
        assert (measure.aggregation == "ratio") == is_own


@pytest.mark.parametrize(
    ("measure", "sql", "format"),
    [
        (USERS_ONCE, "SUM(x)", ",d"),
        (USERS_OF_PERIOD, "AVG(x)", ",.1f"),
        (quotient("a + b", "c"), "SUM(a + b) / NULLIF(SUM(c), 0)", ",.2f"),
        (percentage_of("a", "b"), "SUM(100 * a) / NULLIF(SUM(b), 0)", ",.1f"),
        (percentage_of("a + b", "c"), "SUM(100 * (a + b)) / NULLIF(SUM(c), 0)", ",.1f"),
        (percentage_of("a", "other.b"), "AVG(x)", ",.1f"),
        (percentage_of("a", "previous_b").of_row_before, "AVG(x)", ",.1f"),
    ],
)
def test_a_measure_over_rows_is_sql(measure: Measure, sql: str, format: str) -> None:
    assert (measure.over_rows("x"), measure.format) == (sql, format)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_a_pooled_ratio_is_that_of_the_sums_and_its_check_that_of_each_row(
    rows: list[tuple[int, int]],
) -> None:
    measure = percentage_of("part", "whole")
    check = measure.check("share")
    assert check
    values = ", ".join(f"({part}, {whole})" for part, whole in rows)
    shares = (
        f"SELECT *, 100 * part / NULLIF(whole, 0) AS share FROM (VALUES {values}) t(part, whole)"
    )
    asked = f"SELECT {measure.over_rows('share')}, bool_and({check.condition}) FROM ({shares})"
    broken = asked.replace("part / NULLIF", "part + 1 / NULLIF", 1)
    part, whole = sum(part for part, _ in rows), sum(whole for _, whole in rows)
    # Of the module's own database: to make one takes 12 ms.
    with duckdb.cursor() as connection:
        assert connection.sql(asked).fetchall() == [(100 * part / whole if whole else None, True)]
        if any(whole > 1 for _, whole in rows):
            assert connection.sql(broken).fetchall()[0][1] is False


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("dau_mau_stickiness", "DAU MAU stickiness"),
        ("ios_users", "iOS users"),
        ("new_users_pct", "New users share"),
        ("first_utm_source", "First UTM source"),
    ],
)
def test_a_name_in_words_is_the_label_where_none_is_declared(name: str, label: str) -> None:
    assert label_of(name) == label
    assert Column(name, INTEGER, "", True).label == label
    share = Column(name, FLOAT, "", True, measure=Measure(PERCENT, "mean"), label="Share")
    assert (share.label, share.heading) == ("Share", "Share (%)")


def test_every_measure_over_rows_runs_on_its_table() -> None:
    with duckdb.connect() as connection:
        for table in ALL_TABLES:
            connection.register("rows_of_table", table.arrow_schema.empty_table())
            of_table = [
                f"{measure.over_rows(column.name)} AS {column.name}"
                for other, column, measure in MEASURES
                if other is table
            ]
            if of_table:
                found = connection.sql(f"SELECT {', '.join(of_table)} FROM rows_of_table")
                assert set(found.fetchall()[0]) == {None}
