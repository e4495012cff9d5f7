"""A DuckDB file among other programs, other versions, and what people made in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import OptionError, RunError
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.duckdb import database_file
from pipeline.warehouse.local_staging import MARKER
from tests.support.staging import change, filled, in_order
from transforms.contract import Table
from transforms.marts import data_quality_results, dim_users, fct_events

# Files are opened to be read as they are where no test runs.
pytestmark = pytest.mark.usefixtures("opened")

USERS, EVENTS, RESULTS = dim_users.TABLE, fct_events.TABLE, data_quality_results.TABLE
BOTH = (USERS, EVENTS)


def warehouse_in(folder: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{folder}/growth.duckdb")


def users(folder: Path, *names: str, how: WriteDisposition = WriteDisposition.REPLACE) -> Change:
    return change(USERS, how, str(folder), [filled(USERS, user_id=name) for name in names])


def names_in(warehouse: Warehouse, table: Table = USERS) -> list[str]:
    return [row["user_id"] for row in in_order(warehouse.read(table).to_pylist())]


@contextmanager
def opened_elsewhere(path: Path) -> Iterator[int]:
    """Another program that has the file open for reading; gives its process id."""
    look = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        reader.stdout.readline()
        try:
            yield reader.pid
        finally:
            reader.stdin.close()


def run_sql(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_check_waits_for_a_reader_and_says_for_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([users(tmp_path, "ann")], "a")
    with opened_elsewhere(tmp_path / "growth.duckdb") as pid:
        released: list[float] = []

        def release(seconds: float) -> None:
            if not released:
                os.kill(pid, 9)
            released.append(seconds)

        monkeypatch.setattr("pipeline.warehouse.duckdb.database_file.time.sleep", release)
        warehouse.check(BOTH, None)
    assert released
    message = capfd.readouterr().err
    assert f"(PID {pid}): waiting up to 60 s" in message
    assert message.count("waiting") == 1
    assert "python" in message


def test_somebody_who_never_leaves_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([users(tmp_path, "ann")], "a")
    monkeypatch.setattr(database_file, "_PATIENCE_SECONDS", 0)
    with opened_elsewhere(tmp_path / "growth.duckdb") as pid:
        message = (
            rf"open in python[\d.]* \(PID {pid}\), after 0 s still: close it there and run again"
        )
        with pytest.raises(RunError, match=message):
            warehouse.check(BOTH, None)
        with pytest.raises(RunError, match=message):
            warehouse.commit([users(tmp_path, "bob")], "b")
    assert names_in(warehouse) == ["ann"]


def test_a_file_is_written_in_a_format_that_duckdb_1_4_opens(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([users(tmp_path, "ann")], "a")
    assert format_of(tmp_path / "growth.duckdb") == "v1.4.0+"


def format_of(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("SELECT tags['storage_version'] FROM duckdb_databases()")
        return str((row.fetchone() or [""])[0])


def test_a_file_of_duckdb_2_is_rewritten_with_all_that_is_in_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "growth.duckdb"
    run_sql(
        path,
        "CREATE TABLE notes (user_id VARCHAR PRIMARY KEY, note VARCHAR DEFAULT 'none')",
        "INSERT INTO notes (user_id) VALUES ('ann')",
        "COMMENT ON COLUMN notes.note IS 'by hand'",
        "CREATE VIEW noted AS SELECT * FROM notes",
        "CREATE INDEX by_note ON notes (note)",
        "CREATE MACRO twice(x) AS 2 * x",
    )
    path.chmod(0o640)
    assert format_of(path) > "v2"
    with warehouse_in(tmp_path).lock(BOTH, None, "run"):
        pass
    assert format_of(path) == "v1.4.0+"
    assert path.stat().st_mode & 0o777 == 0o640
    assert "rewritten" in capfd.readouterr().err
    with duckdb.connect(str(path)) as connection:
        row = connection.execute("SELECT user_id, note, twice(4) FROM noted").fetchone()
        assert row == ("ann", "none", 8)
        found = connection.execute(
            "SELECT index_name FROM duckdb_indexes() UNION ALL "
            "SELECT comment FROM duckdb_columns() WHERE comment IS NOT NULL"
        ).fetchall()
    assert found == [("by_note",), ("by hand",)]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["growth.duckdb"]


def test_a_file_that_can_not_be_rewritten_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "growth.duckdb"
    run_sql(path, "CREATE TABLE notes (user_id VARCHAR)", "INSERT INTO notes VALUES ('ann')")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.warehouse.duckdb.database_file.os.replace", full)
    with warehouse_in(tmp_path).lock(BOTH, None, "run"):
        pass
    assert "No space left" in capfd.readouterr().err
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("FROM notes").fetchall() == [("ann",)]


def test_a_compacted_file_holds_nothing_of_rows_that_left(tmp_path: Path) -> None:
    path = tmp_path / "growth.duckdb"
    warehouse = warehouse_in(tmp_path)
    gone = "somebody-who-leaves"
    with warehouse.lock(BOTH, None, "a") as staging:
        warehouse.commit([users(Path(staging), "ann", gone)], "a")
    run_sql(
        path,
        "CREATE TABLE notes (user_id VARCHAR PRIMARY KEY, note VARCHAR DEFAULT 'none')",
        f"INSERT INTO notes (user_id) VALUES ('ann'), ('{gone}')",
        "COMMENT ON COLUMN notes.note IS 'by hand'",
        "CREATE VIEW noted AS SELECT * FROM notes",
        "CREATE INDEX by_note ON notes (note)",
        "CREATE MACRO twice(x) AS 2 * x",
        "COMMENT ON MACRO twice IS 'doubled'",
        "CREATE SEQUENCE numbers START 7",
        f"DELETE FROM dim_users WHERE user_id = '{gone}'",
        f"DELETE FROM notes WHERE user_id = '{gone}'",
    )
    path.chmod(0o640)
    before = described(path)
    assert gone.encode() in path.read_bytes()
    with warehouse.lock(BOTH, None, "b") as staging:
        warehouse.compact(staging)
    assert gone.encode() not in path.read_bytes()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["growth.duckdb"]
    assert (described(path), format_of(path)) == (before, "v1.4.0+")
    assert path.stat().st_mode & 0o777 == 0o640
    assert names_in(warehouse) == ["ann"]


def described(path: Path) -> list[object]:
    """Rows, and all that a file has beside them."""
    asked = (
        "SELECT user_id, note, twice(4) FROM noted ORDER BY 1",
        "SELECT table_name, column_name, comment, column_default FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY ALL",
        "SELECT index_name, sql FROM duckdb_indexes()",
        "SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal",
        "SELECT sequence_name, start_value FROM duckdb_sequences()",
        "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL",
    )
    with duckdb.connect(str(path), read_only=True) as connection:
        return [connection.execute(statement).fetchall() for statement in asked]


def test_a_file_that_can_not_be_compacted_stays_and_its_reader_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([users(tmp_path, "ann")], "a")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.warehouse.duckdb.database_file.os.replace", full)
    with (
        warehouse.lock(BOTH, None, "b") as staging,
        pytest.raises(RunError, match=r"rewritten .*No space left.*can still be read in the file"),
    ):
        warehouse.compact(staging)
    assert names_in(warehouse) == ["ann"]


def test_indexes_and_views_of_people_survive_a_replacement(tmp_path: Path) -> None:
    warehouse, path = warehouse_in(tmp_path), tmp_path / "growth.duckdb"
    warehouse.commit([users(tmp_path, "ann")], "a")
    run_sql(
        path,
        "CREATE VIEW mine AS SELECT * FROM dim_users",
        'CREATE UNIQUE INDEX "by user" ON dim_users (user_id)',
        "COMMENT ON INDEX \"by user\" IS 'mine'",
    )
    for run in ("b", "c"):
        warehouse.check(BOTH, None)
        warehouse.commit([users(tmp_path, "bob", "cy")], run)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT user_id FROM mine ORDER BY 1").fetchall() == [
            ("bob",),
            ("cy",),
        ]
        found = connection.execute("SELECT index_name, is_unique, comment FROM duckdb_indexes()")
        assert found.fetchall() == [("by user", True, "mine")]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER TABLE dim_users ADD COLUMN note VARCHAR", "a column note VARCHAR"),
        ("ALTER TABLE dim_users ALTER first_country SET DEFAULT 'SG'", "has a default .*'SG'"),
        (
            "DELETE FROM dim_users; ALTER TABLE dim_users ALTER first_country SET NOT NULL",
            "first_country is NOT NULL",
        ),
        ("ALTER TABLE dim_users ADD PRIMARY KEY (user_id)", "a constraint PRIMARY KEY"),
        ("ALTER TABLE dim_users ALTER share_events TYPE INTEGER", "INTEGER, not BIGINT"),
        ("DROP TABLE dim_users; CREATE VIEW dim_users AS SELECT 1 AS x", "a VIEW, not a TABLE"),
    ],
)
def test_what_a_replacement_would_drop_is_refused(
    tmp_path: Path, statement: str, message: str
) -> None:
    warehouse, path = warehouse_in(tmp_path), tmp_path / "growth.duckdb"
    warehouse.commit([users(tmp_path, "ann")], "a")
    run_sql(path, statement)
    with pytest.raises(RunError, match=f"dim_users: .*{message}.*run again"):
        warehouse.check(BOTH, None)
    with pytest.raises(RunError, match=message):
        warehouse.commit([users(tmp_path, "bob")], "b")


@pytest.mark.usefixtures("described")
def test_a_table_of_an_earlier_version_gets_the_columns_that_came_later(tmp_path: Path) -> None:
    warehouse, path = warehouse_in(tmp_path), tmp_path / "growth.duckdb"
    warehouse.commit([users(tmp_path, "ann")], "a")
    run_sql(path, "ALTER TABLE dim_users DROP COLUMN first_country")
    warehouse.check(BOTH, None)
    warehouse.commit([users(tmp_path, "bob", how=WriteDisposition.MERGE)], "b")
    assert names_in(warehouse) == ["ann", "bob"]


def test_a_lock_that_is_a_link_or_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    warehouse, lock = warehouse_in(tmp_path), tmp_path / "growth.duckdb.lock"
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    lock.symlink_to(mine)
    for message in ("is a symbolic link", "is a directory", "is something else", "something else"):
        with (
            pytest.raises(OptionError, match=f"(?i)growth.duckdb.lock.*{message}"),
            warehouse.lock(BOTH, None, "run"),
        ):
            pass
        if lock.is_symlink():
            lock.unlink()
            lock.mkdir()
        elif lock.is_dir():
            lock.rmdir()
            lock.write_text("mine too")
        elif lock.is_file():
            assert lock.read_text() == "mine too"
            lock.unlink()
            os.mkfifo(lock)
    assert mine.read_text() == "mine"
    lock.unlink()
    with warehouse.lock(BOTH, None, "run"):
        assert lock.exists()
    assert not lock.exists()


def test_a_run_clears_what_its_own_warehouse_left_and_nothing_else(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    left, right = (open_warehouse(f"duckdb:///{tmp_path}/{name}/growth.duckdb") for name in "ab")
    with left.lock(BOTH, str(temp), "run") as folder:
        killed = Path(f"{folder[:-3]}xyz")
        killed.mkdir()
        (killed / MARKER).write_bytes(Path(folder, MARKER).read_bytes())
        (killed / "half.parquet").write_text("x")
    mine = [
        temp / "growth.duckdb.staging-mine",
        temp / "growth.duckdb.staging-backup",
        killed.with_name(f"{killed.name}-mine"),
    ]
    for folder_of_mine in mine:
        folder_of_mine.mkdir()
        (folder_of_mine / "notes.txt").write_text("mine")
    with right.lock(BOTH, str(temp), "run") as other:
        (Path(other) / "half.parquet").write_text("x")
        assert killed.exists()
        with left.lock(BOTH, str(temp), "run"):
            assert not killed.exists()
            assert (Path(other) / "half.parquet").exists()
    assert sorted(temp.iterdir()) == sorted(mine)


@pytest.mark.parametrize("url", ["duckdb:///~/sub/x.duckdb", "duckdb:////~/sub/x.duckdb"])
def test_a_tilde_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_warehouse(url).location == str(tmp_path / "sub/x.duckdb")
    monkeypatch.chdir(tmp_path)
    assert open_warehouse("duckdb:///~x.duckdb").location == str(tmp_path / "~x.duckdb")


def test_a_path_that_duckdb_can_not_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a?b", "a\\b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with pytest.raises(OptionError, match="can't write"):
            open_warehouse("duckdb:///growth.duckdb")


def test_files_that_can_not_be_used_are_reported_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, path = warehouse_in(tmp_path), tmp_path / "growth.duckdb"
    os.mkfifo(path)
    with pytest.raises(OptionError, match="is no file"):
        warehouse.check(BOTH, None)
    path.unlink()
    path.write_bytes(b"\0" * 8 + b"DUCK" + b"\1" * 20_000)
    with pytest.raises(OptionError, match=r"growth\.duckdb"):
        warehouse.check(BOTH, None)
    if os.geteuid():  # Root reads whatever it likes.
        path.chmod(0)
        with pytest.raises(OptionError, match="can't read"):
            warehouse.check(BOTH, None)


def test_too_little_memory_is_reported_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scarce(self: object, changes: object, memory: str) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate\nmore")

    monkeypatch.setattr("pipeline.warehouse.duckdb.DuckDBWarehouse._commit", scarce)
    with pytest.raises(RunError, match=r"too little memory .*run again"):
        warehouse_in(tmp_path).commit([users(tmp_path, "ann")], "a")


@pytest.mark.usefixtures("described")
def test_a_commit_gives_a_table_the_descriptions_that_it_lacks(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([users(tmp_path, "ann", how=WriteDisposition.MERGE)], "a")
    declared = _descriptions(tmp_path)
    assert declared == [(c.name, c.description) for c in USERS.columns]
    for statement in (
        "COMMENT ON COLUMN dim_users.user_id IS 'by hand'",
        "COMMENT ON COLUMN dim_users.active_days IS NULL",
    ):
        with duckdb.connect(str(tmp_path / "growth.duckdb")) as connection:
            connection.execute(statement)
        assert _descriptions(tmp_path) != declared
        warehouse.commit([users(tmp_path, "ann", how=WriteDisposition.MERGE)], statement[-9:])
        assert _descriptions(tmp_path) == declared


def _descriptions(folder: Path) -> list[tuple[str, str | None]]:
    with duckdb.connect(str(folder / "growth.duckdb")) as connection:
        return connection.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'dim_users' "
            "ORDER BY column_index"
        ).fetchall()


def test_a_file_that_is_kept_open_is_opened_once_and_let_go_of(tmp_path: Path) -> None:
    warehouse, path = warehouse_in(tmp_path), tmp_path / "growth.duckdb"
    with warehouse.kept_open():
        assert warehouse.count(USERS) is None
    assert not path.exists()
    warehouse.commit([users(tmp_path, "ann")], "a")
    with warehouse.kept_open(), duckdb.connect(str(path), read_only=True):
        assert (warehouse.count(USERS), names_in(warehouse)) == (1, ["ann"])
        with pytest.raises(duckdb.Error, match="different configuration"):
            duckdb.connect(str(path))
    warehouse.commit([users(tmp_path, "bob")], "b")
    assert names_in(warehouse) == ["bob"]
