"""Commits into BigQuery: as into DuckDB, once only, and within what BigQuery allows a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.bigquery import loading
from pipeline.warehouse.changes import Change, WriteDisposition
from tests.emulators.servers import PROJECT
from tests.emulators.support import Home
from tests.support.staging import Row, at, change, filled, in_order, merged, stage
from transforms.contract import Table
from transforms.marts import dead_letter_events, dim_users, fct_events, retention_cohorts
from transforms.marts import users_with_negative_miles as negative
from transforms.state import user_timelines

USERS, EVENTS, COHORTS = dim_users.TABLE, fct_events.TABLE, retention_cohorts.TABLE
NEGATIVE, LETTERS = negative.TABLE, dead_letter_events.TABLE
TIMELINES = user_timelines.TABLE
ALL = (USERS, EVENTS, COHORTS, NEGATIVE, LETTERS, TIMELINES)

pytestmark = pytest.mark.usefixtures("here")


def rows_of(home: Home, table: Table) -> list[Row]:
    return in_order(home.rows(table.name).to_pylist())


def jobs_of(home: Home, run: str) -> list[Any]:
    return [job for job in home.client.list_jobs() if f"growth_{home.run(run)}_" in job.job_id]


def merge_of(home: Home, run: str) -> str:
    (merge,) = [job for job in jobs_of(home, run) if job.job_id.endswith("_change")]
    return str(merge.query)


def user(name: str, first: date, minute: int) -> Row:
    return filled(USERS, user_id=name, first_seen_date=first, updated_at=at(minute))


def debtor(name: str, minute: int, miles: int = 1) -> Row:
    return filled(NEGATIVE, user_id=name, flagged_at=at(minute), negative_amount=miles)


def event(name: str, day: date, minute: int = 0, **values: Any) -> Row:
    return filled(EVENTS, event_id=name, event_date=day, processed_at=at(minute), **values)


def timeline(name: str, minute: int, data: bytes) -> Row:
    return filled(TIMELINES, user_id=name, written_at=at(minute), timeline=data)


WINTER, SPRING = date(2023, 12, 31), date(2024, 4, 1)

# Each step: the table, its staged rows, and the keys that leave it.
STEPS: Sequence[tuple[Table, list[Row], list[Row]]] = (
    (NEGATIVE, [debtor("ann", 0), debtor("bob", 0), debtor("cy", 5)], []),
    (NEGATIVE, [debtor("ann", 1, 7), debtor("cy", 4, 9)], [debtor("bob", 1), debtor("dan", 1)]),
    (NEGATIVE, [debtor("bob", 3, 2), debtor("bob", 2, 8)], [debtor("cy", 4), debtor("ann", 1)]),
    (NEGATIVE, [], [debtor("bob", 9)]),
    (USERS, [user("ann", SPRING, 0), user("bob", SPRING, 0), user("cy", WINTER, 0)], []),
    (USERS, [user("ann", WINTER, 1), user("dan", date(2025, 1, 1), 1)], []),
    (EVENTS, [event("a", WINTER, platform="iOS"), event("b", SPRING)], []),
    (EVENTS, [event("a", WINTER, 1, event_sequence_in_session=2), event("c", SPRING, 1)], []),
    (COHORTS, [filled(COHORTS, period_number=n) for n in (0, 1)], []),
    (COHORTS, [filled(COHORTS, period_number=n, users_active=9) for n in (1, 2)], []),
    (USERS, [user("eve", SPRING, 5)], [user("dan", SPRING, 5), user("bob", SPRING, 0)]),
    (COHORTS, [], [filled(COHORTS, period_number=1)]),
    (TIMELINES, [timeline("ann", 0, b"\x02\0\xff"), timeline("bob", 0, b"")], []),
    (TIMELINES, [timeline("ann", 1, b"\x02\0\xfe")], [timeline("bob", 1, b"")]),
)


def test_merges_end_as_a_plain_loop_and_as_in_duckdb(home: Home, tmp_path: Path) -> None:
    ours, duckdb = home.warehouse(), open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    expected: dict[str, list[Row]] = {table.name: [] for table in ALL}
    with ours.lock(ALL, home.temp, home.run("stream")) as folder:
        for number, (table, rows, leaving) in enumerate(STEPS):
            merging = change(table, WriteDisposition.MERGE, folder, rows, leaving)
            ours.commit([merging], home.run(f"stream_{number}"))
            local = change(table, WriteDisposition.MERGE, str(tmp_path), rows, leaving)
            duckdb.commit([local], f"local_{number}")
            expected[table.name] = merged(table, expected[table.name], rows, leaving)
            assert rows_of(home, table) == in_order(expected[table.name])
            assert in_order(duckdb.read(table).to_pylist()) == in_order(expected[table.name])
    assert home.leftovers() == []


def test_the_same_merge_twice_changes_nothing(home: Home) -> None:
    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("stream")) as folder:
        for repetition in range(2):  # As new commits, that load and merge once more.
            for number, (table, rows, leaving) in enumerate(STEPS[4:8]):
                if repetition and number % 2 == 0:
                    continue
                before = rows_of(home, table)
                merging = change(table, WriteDisposition.MERGE, folder, rows, leaving)
                warehouse.commit([merging], home.run(f"stream_{repetition}_{number}"))
                assert (rows_of(home, table) == before) == bool(repetition)


def test_a_merge_names_the_partitions_that_it_may_touch(home: Home) -> None:
    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("stream")) as folder:
        for number, (table, rows, leaving) in enumerate(STEPS[4:8]):
            merging = change(table, WriteDisposition.MERGE, folder, rows, leaving)
            warehouse.commit([merging], home.run(f"stream_{number}"))
    users = merge_of(home, "stream_1")
    # April's, where ann was; December's rows and January's new one are inserted without a look.
    assert "(t.`first_seen_date` >= '2024-04-01' AND t.`first_seen_date` < '2024-05-01'))" in users
    assert (
        "((t.`event_date` >= '2023-12-31' AND t.`event_date` < '2024-01-01') "
        "OR (t.`event_date` >= '2024-04-01' AND t.`event_date` < '2024-04-02'))"
        in merge_of(home, "stream_3")
    )


def test_appended_rows_join_those_that_are_there_and_once_only(home: Home) -> None:
    warehouse = home.warehouse()
    dead_letters = [filled(LETTERS, dead_letter_id=name) for name in "ab"]
    with warehouse.lock(ALL, home.temp, home.run("stream")) as folder:
        for number, dead_letter in enumerate(dead_letters):
            appending = [change(LETTERS, WriteDisposition.APPEND, folder, [dead_letter])]
            warehouse.commit(appending, home.run(f"stream_{number}"))
        assert rows_of(home, LETTERS) == in_order(dead_letters)
        warehouse.commit(appending, home.run("stream_1"))
        assert rows_of(home, LETTERS) == in_order(dead_letters)


def test_staged_files_that_are_kept_are_committed_again_in_another_commit(home: Home) -> None:
    """As a job does that has gone back to a checkpoint before the first one."""
    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("stream")) as folder:
        one, two, three = (stage(EVENTS, [event(name, WINTER)], folder) for name in "abc")
        first = Change(EVENTS, WriteDisposition.MERGE, [*one, *two])
        warehouse.commit_and_keep([first], home.run("stream_1_x"))
        again = Change(EVENTS, WriteDisposition.MERGE, [*one, *three])
        warehouse.commit_and_keep([again], home.run("stream_1_y"))
        assert [row["event_id"] for row in rows_of(home, EVENTS)] == ["a", "b", "c"]
        assert len(home.leftovers()) == 3
        warehouse.remove_staged([file.path for file in (*one, *two, *three)])
        assert home.leftovers() == []


def test_rows_that_vanish_before_they_are_committed_are_missed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.warehouse.bigquery import finishing

    def lost(*_: object) -> None:
        raise RunError("the worker is gone")

    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("run")) as folder:
        wanted = [change(USERS, WriteDisposition.REPLACE, folder, [user("ann", WINTER, 0)])]
        with monkeypatch.context() as patched, pytest.raises(RunError, match="worker is gone"):
            patched.setattr(finishing, "run_jobs", lost)
            warehouse.commit(wanted, home.run("run"))
        home.client.delete_table(f"{home.dataset}.growth_scratch_{home.run('run')}_dim_users")
        with pytest.raises(RunError, match="holds 0 of 1 staged rows of dim_users"):
            warehouse.commit(wanted, home.run("run"))


def test_a_commit_that_is_retried_finds_its_jobs(home: Home, monkeypatch: Any) -> None:
    from pipeline.warehouse.bigquery import commit

    warehouse = home.warehouse()

    def lost(*_: object) -> None:
        raise RunError("the worker is gone")

    with warehouse.lock(ALL, home.temp, home.run("run")) as folder:
        changes = [
            change(USERS, WriteDisposition.REPLACE, folder, [user("ann", WINTER, 0)]),
            change(LETTERS, WriteDisposition.APPEND, folder, [filled(LETTERS)]),
            change(EVENTS, WriteDisposition.MERGE, folder, [event("a", WINTER)]),
        ]
        with monkeypatch.context() as patched:
            patched.setattr(commit, "bring_up_to_date", lost)
            with pytest.raises(RunError, match="the worker is gone"):
                warehouse.commit(changes, home.run("run"))
        before = {job.job_id: job.ended for job in jobs_of(home, "run")}
        assert len(before) == 6
        warehouse.commit(changes, home.run("run"))
        assert {job.job_id: job.ended for job in jobs_of(home, "run")} == before
        assert [len(rows_of(home, table)) for table in (USERS, LETTERS, EVENTS)] == [1, 1, 1]
    assert home.leftovers() == []


def test_no_job_loads_more_than_bigquery_allows(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FILES_PER_LOAD", 3)
    days = [date(2000, 1, 1) + timedelta(days=day) for day in range(9_000)]
    events = [event(str(day), day) for day in days]
    users = [user(str(number), WINTER, 0) for number in range(7)]
    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("run")) as folder:
        event_files = [f for half in (0, 1) for f in stage(EVENTS, events[half::2], folder)]
        user_files = [f for row in users for f in stage(USERS, [row], folder)]
        monkeypatch.setattr(loading, "BYTES_PER_LOAD", 2 * max(f.bytes for f in user_files))
        changes = [
            Change(EVENTS, WriteDisposition.REPLACE, event_files),
            Change(USERS, WriteDisposition.REPLACE, user_files),
        ]
        warehouse.commit(changes, home.run("run"))
    assert rows_of(home, EVENTS) == in_order(events)
    assert rows_of(home, USERS) == in_order(users)
    loads = [job for job in jobs_of(home, "run") if isinstance(job, bigquery.LoadJob)]
    partitions = {file.path: file.partitions for file in event_files}
    for load in loads:
        assert len(load.source_uris) <= 3
        loaded = {day for uri in load.source_uris for day in partitions.get(uri, ())}
        assert len(loaded) <= 4_000
    by_table = [load.destination.table_id for load in loads]
    assert sum("fct_events" in name for name in by_table) >= 3
    assert sum("dim_users" in name for name in by_table) == 4


def test_an_error_while_loading_leaves_every_table_as_it_was(home: Home) -> None:
    warehouse = home.warehouse()
    with warehouse.lock(ALL, home.temp, home.run("one")) as folder:
        first = change(USERS, WriteDisposition.REPLACE, folder, [user("ann", WINTER, 0)])
        warehouse.commit([first], home.run("one"))
    with warehouse.lock(ALL, home.temp, home.run("two")) as folder:
        sound = change(USERS, WriteDisposition.REPLACE, folder, [user("bob", WINTER, 0)])
        # A column of another type than the load expects, as a file that went bad would have.
        broken = Change(
            COHORTS, WriteDisposition.REPLACE, [sound.files[0]._replace(table=COHORTS.name)]
        )
        with pytest.raises(RunError) as raised:
            warehouse.commit([sound, broken], home.run("two"))
        assert "can't load 1 rows of retention_cohorts from gs://" in str(raised.value)
        assert f"{home.run('two')}_load_retention_cohorts" in str(raised.value)
        assert "(invalid" in str(raised.value)
    assert [row["user_id"] for row in rows_of(home, USERS)] == ["ann"]
    assert rows_of(home, COHORTS) == []
    assert home.leftovers() == []


def test_of_two_runs_the_one_that_began_later_goes_on(home: Home) -> None:
    earlier, later = home.warehouse(), home.warehouse()
    with earlier.lock(ALL, home.temp, home.run("one")) as one:
        staged = change(USERS, WriteDisposition.REPLACE, one, [user("ann", WINTER, 0)])
        with later.lock(ALL, home.temp, home.run("two")) as two:
            with pytest.raises(RunError, match=f"run {home.run('two')} has begun to write"):
                earlier.commit([staged], home.run("one"))
            assert rows_of(home, USERS) == []
            wanted = change(USERS, WriteDisposition.REPLACE, two, [user("bob", WINTER, 0)])
            later.commit([wanted], home.run("two"))
    assert [row["user_id"] for row in rows_of(home, USERS)] == ["bob"]
    assert home.leftovers() == []


def test_what_killed_runs_left_is_cleared(home: Home) -> None:
    warehouse: Warehouse = home.warehouse()
    killed = warehouse.lock(ALL, home.temp, home.run("killed"))
    folder = killed.__enter__()
    change(USERS, WriteDisposition.REPLACE, folder, [user("ann", WINTER, 0)])
    home.client.create_table(
        f"{home.client.project}.{home.dataset}.growth_scratch_killed_dim_users"
    )
    assert len(home.leftovers()) == 2
    with warehouse.lock(ALL, home.temp, home.run("next")) as folder:
        assert home.leftovers() == []


def test_a_table_larger_than_a_message_is_read(home: Home) -> None:
    warehouse = home.warehouse()
    events = [event(str(number), WINTER, user_id="u" * 200) for number in range(30_000)]
    with warehouse.lock(ALL, home.temp, home.run("run")) as folder:
        warehouse.commit(
            [change(EVENTS, WriteDisposition.REPLACE, folder, events)], home.run("run")
        )
    assert in_order(warehouse.read(EVENTS).to_pylist()) == in_order(events)


@pytest.mark.parametrize("listed", [5_000, 0])  # Read row by row, or asked by SQL.
def test_values_of_every_kind_are_found_as_they_were_staged(
    home: Home, monkeypatch: pytest.MonkeyPatch, listed: int
) -> None:
    monkeypatch.setattr(loading, "LISTED_ROWS", listed)
    warehouse = home.warehouse()
    texts = ["", "é", "😀 smile", "x" * 400, "%00"]
    rows: dict[Table, list[Row]] = {
        EVENTS: [
            event(str(n), WINTER, utm_source=text, miles_amount=10**12 - n)
            for n, text in enumerate(texts)
        ],
        USERS: [{**user("ann", SPRING, 0), "has_negative_balance": True}, user("bob", WINTER, 1)],
        COHORTS: [
            filled(COHORTS, period_number=n, retention_rate_pct=share)
            for n, share in enumerate([100 / 3, 0.0, None, 1e300, -0.1])
        ],
        TIMELINES: [
            filled(TIMELINES, user_id=str(n), timeline=data)
            for n, data in enumerate([b"", b"\0", bytes(range(256)), b"\xff" * 7, b"\x80" * 500])
        ],
    }
    with warehouse.lock(ALL, home.temp, home.run("run")) as folder:
        changes = [
            change(table, WriteDisposition.REPLACE, folder, its) for table, its in rows.items()
        ]
        warehouse.commit(changes, home.run("run"))
    for table, its in rows.items():
        assert rows_of(home, table) == in_order(its)


@pytest.mark.parametrize(
    ("how", "listed"), [(WriteDisposition.REPLACE, 0), (WriteDisposition.MERGE, 5_000)]
)
def test_a_load_of_other_values_than_were_staged_changes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, how: WriteDisposition, listed: int
) -> None:
    monkeypatch.setattr(loading, "LISTED_ROWS", listed)
    warehouse = home.warehouse()
    before = [event("before", WINTER)]
    with warehouse.lock(ALL, home.temp, home.run("a")) as folder:
        warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, folder, before)], home.run("a"))
    rows = [event(str(n), SPRING, country=name) for n, name in enumerate(["SG", "DE"])]
    with warehouse.lock(ALL, home.temp, home.run("b")) as folder:
        broken = change(EVENTS, how, folder, rows)
        fine = change(USERS, WriteDisposition.REPLACE, folder, [user("ann", SPRING, 0)])
        (file,) = broken.files
        path = home.staged / file.path.removeprefix(f"{home.temp}/")
        read = pq.read_table(path, partitioning=None)
        place = read.column_names.index("country")
        pq.write_table(read.set_column(place, "country", pa.array(["SG", "SG"])), path)
        output = "fct_events was not loaded as it was staged: column country .* nothing was changed"
        with pytest.raises(RunError, match=output):
            warehouse.commit([fine, broken], home.run("b"))
    assert rows_of(home, EVENTS) == before
    assert rows_of(home, USERS) == []
    assert home.leftovers() == []


def test_only_what_runs_staged_is_removed(home: Home) -> None:
    warehouse = home.warehouse()
    folder = home.staged / "growth-pipeline" / f"{PROJECT}.{home.dataset}"
    with warehouse.lock(ALL, home.temp, home.run("killed")):
        below = f"{home.temp}/growth-pipeline/{PROJECT}.{home.dataset}"
        stage(USERS, [user("ann", WINTER, 0)], f"{below}/mine")
        with warehouse.lock(ALL, home.temp, home.run("next")) as theirs:
            kept = {path.parent.name for path in folder.rglob("*") if path.is_file()}
            assert kept == {"mine", theirs.rpartition("/")[2]}
    assert {path.parent.name for path in folder.rglob("*") if path.is_file()} == {"mine"}
