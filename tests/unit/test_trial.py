"""A check that can't be evaluated is named in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from transforms.contract import Table
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.compile import Check, ColumnRule, RowRule, Rule, compile_checks
from transforms.quality.declaration import AddsUp, Holds, Matches, Total, Unique
from transforms.quality.trial import refuse_wrong

CHECKS = all_checks(FigureSettings())
EMPTY = {name: table.arrow_schema.empty_table() for name, table in TABLES.items()}


def with_rule(rule: Rule) -> tuple[Sequence[Check], str]:
    """All checks, one of growth_metrics with another rule; and its name."""
    kinds = {RowRule: "relation", ColumnRule: "range", AddsUp: "totals", Unique: "unique"}
    wanted = kinds[type(rule)]
    place = next(
        index
        for index, check in enumerate(CHECKS)
        if check.table == "growth_metrics" and check.check_type == wanted
    )
    found = replace(CHECKS[place], rule=rule)
    return (*CHECKS[:place], found, *CHECKS[place + 1 :]), found.check_id


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RowRule("dayly_users < 0"), 'Referenced column "dayly_users" not found'),
        (RowRule("daily_active_users <"), "it asks 'daily_active_users <'"),
        (RowRule("previous_dayly_users = 1"), 'Referenced column "previous_dayly_users" not found'),
        (ColumnRule("x", Matches("(", "odd")), "can't be evaluated"),
        (AddsUp("x", (Total("growth_metrics", "nope"),), (), ""), '"nope" not found'),
        (Unique("x", ("nope",)), "nope"),
    ],
)
def test_it_is_named(rule: Rule, expected: str) -> None:
    checks, name = with_rule(rule)
    with pytest.raises(DataError) as raised:
        ArrowChecks(checks, TABLES).evaluate(EMPTY)
    message = str(raised.value)
    assert message.startswith(f"the check {name} can't be evaluated: ")
    assert expected in message
    assert "\n" not in message
    assert len(message) < 400


def test_a_table_that_is_none_is_reported() -> None:
    table = TABLES["growth_metrics"]
    wrong = replace(table, checks=(*table.checks, Holds("x", "no_table.users = 1", "wrong")))
    tables = [wrong if name == table.name else each for name, each in TABLES.items()]
    with pytest.raises(DataError, match=r"growth_metrics\.x can't .* no table no_table"):
        compile_checks(tables, {})


def test_sound_checks_are_not_refused() -> None:
    refuse_wrong(CHECKS, TABLES)


def test_what_goes_wrong_with_the_rows_alone_is_one_line_too() -> None:
    checks, _ = with_rule(RowRule("CAST(daily_growth_quality AS INT64) = 1"))
    table: Table = TABLES["growth_metrics"]
    rows = pa.Table.from_pylist(
        [dict.fromkeys(table.column_names) | {"daily_growth_quality": "x"}],
        pa.schema([field.with_nullable(True) for field in table.arrow_schema]),
    )
    with pytest.raises(DataError, match="checks can't be evaluated: Conversion Error") as raised:
        ArrowChecks(checks, TABLES).evaluate({**EMPTY, "growth_metrics": rows})
    assert "\n" not in str(raised.value)
