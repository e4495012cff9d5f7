"""Commits into DuckDB: replace, merge and append against a plain loop over rows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.duckdb import staged_rows
from pipeline.warehouse.duckdb.declarations import declare
from tests.support.staging import Row, at, change, filled, in_order, merged, without
from tests.support.thorough import examples
from transforms.contract import Table
from transforms.marts import dead_letter_events, dim_users, fct_events, retention_cohorts
from transforms.marts import users_with_negative_miles as negative

USERS, EVENTS, COHORTS = dim_users.TABLE, fct_events.TABLE, retention_cohorts.TABLE
NEGATIVE, LETTERS = negative.TABLE, dead_letter_events.TABLE


def warehouse_in(folder: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{folder}/growth.duckdb")


def rows_of(warehouse: Warehouse, table: Table) -> list[Row]:
    return in_order(warehouse.read(table).to_pylist())


users = st.sampled_from(["ann", "bob", "cy"])
minutes = st.integers(0, 5)
debtors = st.builds(
    lambda user, minute, miles: filled(
        NEGATIVE, user_id=user, flagged_at=at(minute), negative_amount=miles
    ),
    users,
    minutes,
    st.integers(1, 99),
)
flushes = st.lists(
    st.lists(
        st.tuples(debtors, st.booleans()), max_size=5, unique_by=lambda item: _moment(item[0])
    ),
    min_size=1,
    max_size=4,
)


def _moment(row: Row) -> tuple[str, datetime]:
    return row["user_id"], row["flagged_at"]


# A few rows are merged by their keys, many by MERGE.
WAYS = {"few": 1 << 20, "many": 0}
LIMITS = ("_FEW_BYTES", "_MERGED_BYTES")
both_ways = pytest.mark.parametrize("few_bytes", WAYS.values(), ids=list(WAYS))


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in LIMITS:
        monkeypatch.setattr(staged_rows, limit, request.param)


@contextmanager
def few(few_bytes: int) -> Iterator[str]:
    """A folder, while staged rows of so many bytes are few."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(vars(staged_rows), dict.fromkeys(LIMITS, few_bytes)),
    ):
        yield folder


@both_ways
@settings(max_examples=examples(4, 60), deadline=None)
@given(flushes=flushes)
def test_merges_end_in_what_was_written_last(
    few_bytes: int, flushes: list[list[tuple[Row, bool]]]
) -> None:
    with few(few_bytes) as folder:
        warehouse = warehouse_in(Path(folder))
        expected: list[Row] = []
        for number, flush in enumerate(flushes):
            rows = [row for row, leaves in flush if not leaves]
            leaving = [row for row, leaves in flush if leaves]
            expected = merged(NEGATIVE, expected, rows, leaving)
            for run in ("a", "b"):  # Merging again changes nothing.
                merging = [change(NEGATIVE, WriteDisposition.MERGE, folder, rows, leaving)]
                warehouse.commit(merging, f"{run}_{number}")
                assert rows_of(warehouse, NEGATIVE) == in_order(expected)


@pytest.mark.usefixtures("either_way")
def test_a_merge_without_times_of_writing_takes_the_staged_rows(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    months = [date(2024, 1, 1), date(2024, 2, 1)]
    before = [filled(COHORTS, cohort_month=m, period_number=n) for m in months for n in (0, 1)]
    after = [
        filled(COHORTS, cohort_month=months[1], period_number=n, users_active=7) for n in (1, 2)
    ]
    warehouse.commit([change(COHORTS, WriteDisposition.REPLACE, str(tmp_path), before)], "a")
    warehouse.commit([change(COHORTS, WriteDisposition.MERGE, str(tmp_path), after)], "b")
    assert rows_of(warehouse, COHORTS) == in_order(merged(COHORTS, before, after))


@pytest.mark.usefixtures("either_way")
def test_a_row_that_is_staged_as_it_was_keeps_its_moment_of_writing(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    ann, bob = (filled(USERS, user_id=name, updated_at=at(0)) for name in ("ann", "bob"))
    cy = filled(USERS, user_id="cy", updated_at=at(1))
    bob_later = {**bob, "share_events": 7, "updated_at": at(1)}
    for run, rows in (("a", [ann, bob]), ("b", [{**ann, "updated_at": at(1)}, bob_later, cy])):
        warehouse.commit([change(USERS, WriteDisposition.MERGE, str(tmp_path), rows)], run)
    assert rows_of(warehouse, USERS) == in_order([ann, bob_later, cy])


class _Said:
    """A connection, and what it was told."""

    def __init__(self, connection: duckdb.DuckDBPyConnection):
        self._connection = connection
        self.statements: list[str] = []

    def execute(self, statement: str) -> duckdb.DuckDBPyConnection:
        self.statements.append(statement)
        return self._connection.execute(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.usefixtures("described")
def test_only_what_is_not_declared_yet_is_declared(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        said: Any = _Said(connection)
        declare(said, [USERS, COHORTS])
        said.statements.clear()
        declare(said, [USERS, COHORTS])
        assert all(statement.startswith("SELECT") for statement in said.statements)
        # What an earlier version made and said is brought up to date; the other table stays.
        connection.execute("ALTER TABLE dim_users DROP COLUMN active_days_28d")
        connection.execute("COMMENT ON COLUMN dim_users.user_id IS 'Somebody'")
        declare(said, [USERS, COHORTS])
        assert not any("retention_cohorts" in statement for statement in said.statements)
        found = dict(
            connection.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'dim_users'"
            ).fetchall()
        )
        assert found == {column.name: column.description for column in USERS.columns}


def test_a_row_that_moves_to_another_partition_is_there_once(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    before = filled(USERS, user_id="ann", first_seen_date=date(2024, 3, 1), updated_at=at(0))
    after = {**before, "first_seen_date": date(2023, 12, 31), "updated_at": at(1)}
    for run, row in (("a", before), ("b", after)):
        warehouse.commit([change(USERS, WriteDisposition.MERGE, str(tmp_path), [row])], run)
    assert rows_of(warehouse, USERS) == [after]


def test_appended_rows_join_those_that_are_there(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    dead_letters = [filled(LETTERS, dead_letter_id=name) for name in "abc"]
    for dead_letter in dead_letters:
        appending = [change(LETTERS, WriteDisposition.APPEND, str(tmp_path), [dead_letter])]
        for _ in range(2):  # Tried again under the same id, it is not done twice.
            warehouse.commit(appending, str(dead_letter["dead_letter_id"]))
    assert rows_of(warehouse, LETTERS) == in_order(dead_letters)


def test_changes_without_rows_leave_what_is_there_or_empty_it(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    event = filled(EVENTS, event_id="a")
    warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, str(tmp_path), [event])], "a")
    for how, expected in (
        (WriteDisposition.MERGE, [event]),
        (WriteDisposition.APPEND, [event]),
        (WriteDisposition.REPLACE, []),
    ):
        warehouse.commit([Change(EVENTS, how)], "b")
        assert rows_of(warehouse, EVENTS) == expected


events = st.builds(
    lambda name, user, day: filled(
        EVENTS, event_id=name, user_id=user, event_date=date(2024, 1, day), processed_at=at(0)
    ),
    st.sampled_from("abcdefgh"),
    users,
    st.integers(1, 3),
)
BY_USER, BY_DATE = ("user_id",), ("user_id", "event_date")


def _name(row: Row) -> str:
    return str(row["event_id"])


@both_ways
@settings(max_examples=examples(4, 60), deadline=None)
@given(
    before=st.lists(events, unique_by=_name),
    came=st.lists(events, max_size=4, unique_by=_name),
    renumbered=st.lists(events, max_size=4, unique_by=_name),
    leaving=st.lists(events, max_size=4, unique_by=_name),
    forgotten=st.lists(users, max_size=2, unique=True),
    dates=st.lists(events, max_size=3),
)
def test_one_change_may_take_out_merge_delete_and_append(
    few_bytes: int,
    before: list[Row],
    came: list[Row],
    renumbered: list[Row],
    leaving: list[Row],
    forgotten: list[str],
    dates: list[Row],
) -> None:
    known = {_name(row) for row in before}
    new = [row for row in came if _name(row) not in known]
    matching = {BY_USER: [{"user_id": user} for user in forgotten], BY_DATE: dates}
    # A row that is new in a commit may be renumbered by it as well.
    there = [*without(before, matching), *new]
    expected = merged(EVENTS, there, [{**row, "platform": "Web"} for row in renumbered], leaving)
    with few(few_bytes) as folder:
        warehouse = warehouse_in(Path(folder))
        warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, folder, before)], "a")
        rows = [{**row, "platform": "Web"} for row in renumbered]
        whole = change(EVENTS, WriteDisposition.MERGE, folder, rows, leaving, new, matching)
        warehouse.commit([whole], "b")
        assert rows_of(warehouse, EVENTS) == in_order(expected)


def test_rows_without_a_key_are_rewritten_by_what_they_match(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    before = [filled(LETTERS, dead_letter_id=name, failed_at=at(0)) for name in "abc"]
    before.append(filled(LETTERS, dead_letter_id="a", failed_at=at(1), user_id="ann"))
    warehouse.commit([change(LETTERS, WriteDisposition.REPLACE, str(tmp_path), before)], "a")
    again = {**before[1], "attributes": '{"replay_tries": "1"}'}
    matching = {
        ("dead_letter_id", "failed_at"): [before[0], before[1]],
        ("user_id",): [{"user_id": "bob"}],
    }
    rewriting = change(LETTERS, WriteDisposition.APPEND, str(tmp_path), [again], matching=matching)
    warehouse.commit([rewriting], "b")
    assert rows_of(warehouse, LETTERS) == in_order([again, before[2], before[3]])


def test_values_that_were_staged_otherwise_take_nothing_out(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    before = [filled(EVENTS, user_id="ann")]
    warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, str(tmp_path), before)], "a")
    leaving = change(
        EVENTS, WriteDisposition.MERGE, str(tmp_path), [], matching={BY_USER: [{"user_id": "bob"}]}
    )
    (matching,) = leaving.matching
    Path(matching.files[0].path).write_bytes(
        Path(matching.files[0].path).read_bytes().replace(b"bob", b"ann")
    )
    with pytest.raises(RunError, match="nothing was changed"):
        warehouse.commit([leaving], "b")
    assert rows_of(warehouse, EVENTS) == before


def test_a_failed_change_takes_back_all_of_them(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    before = filled(USERS, user_id="ann")
    warehouse.commit([change(USERS, WriteDisposition.REPLACE, str(tmp_path), [before])], "a")
    gone = StagedFile(EVENTS.name, str(tmp_path / "gone.parquet"), 1, 1, [])
    failing = [
        change(USERS, WriteDisposition.REPLACE, str(tmp_path), []),
        Change(EVENTS, WriteDisposition.MERGE, [gone]),
    ]
    with pytest.raises(RunError, match=r"gone\.parquet"):
        warehouse.commit(failing, "b")
    assert rows_of(warehouse, USERS) == [before]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_times_are_stored_in_utc_wherever_the_machine_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    warehouse = warehouse_in(tmp_path)
    event = filled(EVENTS, event_time=datetime(2024, 3, 31, 2, 30, 0, 123_456))
    warehouse.commit([change(EVENTS, WriteDisposition.MERGE, str(tmp_path), [event])], "a")
    assert rows_of(warehouse, EVENTS) == [event]


def test_a_table_without_a_key_can_not_be_merged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dead_letter_events has no primary key"):
        warehouse_in(tmp_path).commit(
            [change(LETTERS, WriteDisposition.MERGE, str(tmp_path), [filled(LETTERS)])], "a"
        )


def test_a_commit_waits_for_somebody_who_looks_into_the_tables(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([change(USERS, WriteDisposition.REPLACE, str(tmp_path), [filled(USERS)])], "a")
    changes = [change(USERS, WriteDisposition.REPLACE, str(tmp_path), [filled(USERS)])]
    look = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look, str(tmp_path / "growth.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        reader.stdout.readline()
        commit = threading.Thread(target=warehouse.commit, args=(changes, "b"))
        commit.start()
        commit.join(0.5)
        assert commit.is_alive()
        reader.stdin.close()
        reader.wait()
        commit.join(30)
        assert not commit.is_alive()
    assert len(rows_of(warehouse, USERS)) == 1


def test_a_damaged_staged_file_ends_in_a_line_and_changes_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    before = [filled(USERS, user_id="ann")]
    warehouse.commit([change(USERS, WriteDisposition.REPLACE, str(tmp_path), before)], "first")
    changed = change(USERS, WriteDisposition.REPLACE, str(tmp_path), [filled(USERS, user_id="bob")])
    (staged,) = changed.files
    sound = Path(staged.path).read_bytes()
    Path(staged.path).write_bytes(sound.replace(b"user_id", b"user_\xe5d"))
    with pytest.raises(RunError) as raised:
        warehouse.commit([changed], "second")
    assert "\n" not in str(raised.value)
    assert [row["user_id"] for row in rows_of(warehouse, USERS)] == ["ann"]
