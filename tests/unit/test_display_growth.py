"""The summary speaks of the last month that is over, and marks the one that runs."""

from __future__ import annotations

from pathlib import Path

from pipeline.display.growth_lines import headline, last_months, lines
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from tests.support.tables import compute, csv_text, parse, row
from transforms.marts.registry import FINISH, TABLES


def warehouse_of(folder: Path, *days: str) -> Warehouse:
    """A user's shares on some dates."""
    events = [row(f"{day}T10:00:00Z", user) for user, _, day in (d.partition(" ") for d in days)]
    tables = compute([part.events for part in parse(csv_text(events))])
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    changes = []
    for name in FINISH:
        files = StagedFiles(TABLES[name], str(folder), FileLayout())
        files.write(tables[name])
        changes.append(Change(TABLES[name], WriteDisposition.REPLACE, list(files.close())))
    warehouse.commit(changes, "run")
    return warehouse


def said(folder: Path, *days: str) -> tuple[list[str], str]:
    """The months as the table names them, and the sentences below it."""
    months = last_months(warehouse_of(folder, *days))
    return [cells[0] for cells in lines(months)], " ".join(line.plain for line in headline(months))


def test_the_running_month_is_marked_and_the_one_before_is_spoken_of(tmp_path: Path) -> None:
    days = ("ann 2025-10-05", "bob 2025-10-06", "ann 2025-11-05", "cy 2025-11-06", "ann 2025-12-01")
    months, output = said(tmp_path, *days)
    assert months == ["2025-10", "2025-11", "2025-12 (running)"]
    assert output == (
        "November 2025: 1 user won for 1 lost, a quick ratio of 1.00: Typical Consumer. "
        "Optimize current growth strategy."
    )


def test_an_alarm_is_reported(tmp_path: Path) -> None:
    days = ("ann 2025-10-05", "bob 2025-10-06", "ann 2025-11-05", "ann 2025-12-01")
    _, output = said(tmp_path, *days)
    assert output == (
        "November 2025: 0 users won for 1 lost, a quick ratio of 0.00: Declining. "
        "CRITICAL: Quick Ratio Below 1.0. Focus on reducing churn before growth."
    )


def test_a_running_month_alone_is_said_to_be_one(tmp_path: Path) -> None:
    months, output = said(tmp_path, "ann 2025-12-01", "bob 2025-12-03")
    assert months == ["2025-12 (running)"]
    assert output == (
        "December 2025 holds the newest event and counts as running, and no month before it is "
        "complete: there is nothing to judge yet."
    )


def test_a_month_without_churn_has_no_ratio(tmp_path: Path) -> None:
    _, output = said(tmp_path, "ann 2025-11-01", "bob 2025-12-03")
    assert output == "November 2025: nobody churned, so there is no quick ratio."


def test_tables_that_can_not_be_read_show_nothing(tmp_path: Path) -> None:
    assert last_months(open_warehouse(f"duckdb:///{tmp_path}/none.duckdb")) == []
