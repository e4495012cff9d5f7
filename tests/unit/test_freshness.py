"""How old the newest event of a warehouse is, by the clock that is handed in."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.alerts.freshness import freshness
from pipeline.errors import RunError
from pipeline.launch.check_launch import check_tables
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.support.staging import change
from tests.support.tables import compute, csv_text, parse, row
from transforms.marts.registry import TABLES

NEWEST = datetime(2024, 3, 2, 23, 30)


def built(folder: Path, *moments: str) -> Warehouse:
    """A warehouse of some events."""
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    parsed = parse(csv_text([row(moment) for moment in moments]))
    letters = TABLES["dead_letter_events"].arrow_schema.empty_table()
    tables = {**compute([part.events for part in parsed]), "dead_letter_events": letters}
    changes = [
        change(TABLES[name], WriteDisposition.REPLACE, str(folder), rows.to_pylist())
        for name, rows in tables.items()
    ]
    warehouse.commit(changes, "run")
    return warehouse


def of_two_dates(folder: Path) -> Warehouse:
    return built(folder, "2024-03-02T23:30:00Z", "2024-03-01T23:59:00Z", "2024-03-02T01:00:00Z")


@pytest.mark.parametrize(
    ("hours", "allowed", "refused"),
    [(1, 1, False), (1, 0.5, True), (26, 26, False), (26.1, 26, True), (-0.5, 0, False)],
)
def test_the_newest_event_may_be_so_old(
    tmp_path: Path, hours: float, allowed: float, refused: bool
) -> None:
    found = freshness(of_two_dates(tmp_path), NEWEST + timedelta(hours=hours))
    assert found.newest == NEWEST
    assert (found.refusal(allowed) is not None) == refused


def test_no_event_is_too_old(tmp_path: Path) -> None:
    found = freshness(built(tmp_path), NEWEST)
    assert found.line == "Newest event: none"
    assert (
        found.refusal(1e9) == "there is no event at all, where --max_age_hours 1e+09 asks for one"
    )


def test_check_says_how_old_it_is_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, now = of_two_dates(tmp_path), NEWEST + timedelta(hours=30)
    check_tables(warehouse, now)
    line = "Newest event: 2024-03-02 23:30:00 UTC, 30.0 hours ago"
    assert line in capsys.readouterr().out
    with pytest.raises(RunError, match=r"30\.0 hours ago, and --max_age_hours allows 26 hours: "):
        check_tables(warehouse, now, max_age_hours=26)
    assert line in capsys.readouterr().out
