"""A commit into DuckDB that is killed at any point leaves all tables as before, or all as after."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.duckdb.database_file import connected
from tests.support.staging import Row, at, change, filled, in_order
from transforms.marts import dead_letter_events, dim_users, fct_events

# Files are opened to be read as they are where no test runs.
pytestmark = pytest.mark.usefixtures("opened")

EVENTS, USERS, LETTERS = fct_events.TABLE, dim_users.TABLE, dead_letter_events.TABLE
TABLES = (EVENTS, USERS, LETTERS)
REPLACE, MERGE, APPEND = WriteDisposition

BEFORE: dict[str, list[Row]] = {
    EVENTS.name: [filled(EVENTS, event_id=name, processed_at=at(0)) for name in "abd"],
    USERS.name: [filled(USERS, user_id="ann", updated_at=at(0))],
    LETTERS.name: [filled(LETTERS, dead_letter_id=name) for name in ("old", "corrected")],
}
RENUMBERED = [filled(EVENTS, event_id="b", processed_at=at(1), event_sequence_in_session=7)]
GONE = [filled(EVENTS, event_id="d", processed_at=at(1))]
NEW = [filled(EVENTS, event_id="c", processed_at=at(1))]
SEEN = [filled(USERS, user_id="ann", updated_at=at(1), share_events=7)]
CORRECTED: Mapping[tuple[str, ...], list[Row]] = {
    ("dead_letter_id",): [{"dead_letter_id": "corrected"}]
}
AFTER: dict[str, list[Row]] = {
    EVENTS.name: [BEFORE[EVENTS.name][0], *RENUMBERED, *NEW],
    USERS.name: SEEN,
    LETTERS.name: BEFORE[LETTERS.name][:1],
}


def update(folder: str) -> list[Change]:
    """As an update does: it appends, merges, deletes, and takes out."""
    return [
        change(EVENTS, MERGE, folder, RENUMBERED, GONE, NEW),
        change(USERS, MERGE, folder, SEEN),
        change(LETTERS, APPEND, folder, [], matching=CORRECTED),
    ]


class Striking:
    """A connection to DuckDB at which something happens before its n-th call, but for comments.

    Attributes:
        calls: how many there were, over all connections.
    """

    calls = 0

    def __init__(self, connection: duckdb.DuckDBPyConnection, number: int, strike: Any):
        self._connection, self._number, self._strike = connection, number, strike

    def __enter__(self) -> Striking:
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)

        def call(*arguments: Any) -> Any:
            if not str(arguments).startswith("('COMMENT"):
                if Striking.calls == self._number:
                    self._strike()
                Striking.calls += 1
            return found(*arguments)

        return call


def striking(monkeypatch: pytest.MonkeyPatch, number: int, strike: Any) -> None:
    """Have something happen before the n-th call to DuckDB, counted from now."""
    monkeypatch.setattr(Striking, "calls", 0)
    monkeypatch.setattr(
        "pipeline.warehouse.duckdb.connected",
        lambda *at, **how: Striking(connected(*at, **how), number, strike),
    )


def failed() -> NoReturn:
    raise duckdb.IOException("the disk is full")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def contents(warehouse: Warehouse) -> dict[str, list[Row]]:
    rows = {table: f"SELECT {', '.join(table.column_names)} FROM {table.name}" for table in TABLES}
    answers = warehouse.ask(list(rows.values()))
    return {
        table.name: in_order(list(map(dict, answer)))
        for table, answer in zip(rows, answers, strict=True)
    }


def ordered(found: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {name: in_order(rows) for name, rows in found.items()}


def built(folder: Path) -> Warehouse:
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    changes = [change(table, REPLACE, str(folder), BEFORE[table.name]) for table in TABLES]
    warehouse.commit(changes, "first")
    return warehouse


def test_a_failure_at_any_call_takes_back_all_of_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = built(tmp_path)
    calls = 0
    while True:
        wanted: Sequence[Change] = update(str(tmp_path))
        with monkeypatch.context() as patched:
            striking(patched, calls, failed)
            try:
                warehouse.commit(wanted, f"run_{calls}")
                break
            except RunError as error:
                assert "the disk is full" in str(error)
        assert contents(warehouse) == ordered(BEFORE)
        calls += 1
    assert calls > 3 * len(TABLES)
    assert contents(warehouse) == ordered(AFTER)


def test_a_process_killed_at_any_call_leaves_the_tables_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = built(tmp_path)
    calls = 0
    while contents(warehouse) == ordered(BEFORE):
        _killed_at(calls, warehouse, update(str(tmp_path)), monkeypatch)
        calls += 2
    assert calls > 3 * len(TABLES)
    assert contents(warehouse) == ordered(AFTER)
    # The next run, whatever it is, holds the lock and commits.
    with warehouse.lock(TABLES, None, "next") as folder:
        warehouse.commit([change(USERS, MERGE, folder, SEEN)], "next")
    assert contents(warehouse) == ordered(AFTER)


def _killed_at(
    calls: int, warehouse: Warehouse, changes: Sequence[Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commit in a process of its own that is killed before its n-th call, if there are so many."""
    child = os.fork()
    if not child:
        code = 1
        try:
            striking(monkeypatch, calls, killed)
            warehouse.commit(changes, f"run_{calls}")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
