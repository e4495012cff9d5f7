"""A streaming job that takes over the state of an earlier version: its first flush."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import How
from pipeline.warehouse.flush_commit import _SUM, CommitFlushes, _Commit
from tests.support.staging import change
from tests.support.tables import codes, compute, csv_text, parse, row
from tests.unit.test_earlier_tables import earlier
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import DAILY, Counters, Grid
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.marts.registry import FINISH, TABLES
from transforms.streaming.sums import finish
from transforms.vocabulary import EVENT_TYPES

Rows = list[dict[str, str]]

BEFORE: Rows = [
    row(f"2025-{month:02}-05T10:00:00Z", user, source=source)
    for month in (10, 11)
    for user, source in (("ann", "paid"), ("bob", "newsletter"))
]
NEW: Rows = [row("2025-11-06T10:00:00Z", "cy", source="")]


@dataclass
class Cell:
    """One value of a user's or key's state."""

    value: Any = None

    def read(self) -> Any:
        return self.value

    def write(self, value: Any) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


@dataclass
class Bag:
    values: list[Any]

    def read(self) -> list[Any]:
        return self.values

    def clear(self) -> None:
        self.values = []


@dataclass
class Timer:
    at: list[Any] = field(default_factory=list)

    def set(self, moment: Any) -> None:
        self.at.append(moment)


def counters(rows: Rows) -> Counters:
    events = sort_events([part.events for part in parse(csv_text(rows))])
    return contributions(timelines(events), codes(EVENT_TYPES))


def encoded(found: Counters, *, earlier_layout: bool) -> bytes:
    if earlier_layout:
        daily = Grid(DAILY[:-1], found.daily.keys, found.daily.values[:, :-1])
        return Counters(daily, found.monthly, found.cohorts).to_bytes()
    return found.to_bytes()


@pytest.mark.parametrize("delta_too", [True, False], ids=["deltas under way", "state alone"])
def test_every_row_takes_the_columns_that_were_added(tmp_path: Path, delta_too: bool) -> None:
    warehouse = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    history = compute([part.events for part in parse(csv_text(BEFORE))])
    marts = [earlier(TABLES[name]) for name in FINISH]
    warehouse.commit(
        [
            change(
                mart,
                How.REPLACE,
                str(tmp_path),
                history[mart.name].select(mart.column_names).to_pylist(),
            )
            for mart in marts
        ],
        "earlier",
    )
    tables = tuple(TABLES.values())
    commit = _Commit(
        CommitFlushes(warehouse, tables, finish, str(tmp_path), "run", 1.0, lambda: 1.8e9)
    )
    commit.setup()
    total = Cell(encoded(counters(BEFORE), earlier_layout=True))
    delta = counters(BEFORE + NEW) - counters(BEFORE)
    parts = Bag([(_SUM, encoded(delta, earlier_layout=delta_too))])
    sealed, counts, number = Cell(), Cell(), Cell()
    commit.seal_flush(parts, counts, total, number, Cell(), sealed, Timer(), Timer())
    list(commit.commit_flush(sealed))
    commit.teardown()
    expected = compute([part.events for part in parse(csv_text(BEFORE + NEW))])
    for name in FINISH:
        left_out = [TABLES[name].written_at] if TABLES[name].written_at else []
        by = [(column, "ascending") for column in TABLES[name].primary_key]
        found = warehouse.read(TABLES[name]).sort_by(by).drop_columns(left_out)
        assert found.equals(expected[name].sort_by(by).drop_columns(left_out)), name
