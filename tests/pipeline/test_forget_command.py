"""The forget command as a user meets it, and the runs after it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from pipeline.sample import write_sample
from tests.support.in_process import command_here
from tests.support.reading import reading
from tests.support.runs import command, contents, quick_shell, run_batch
from transforms.marts.registry import TABLES


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse, its source file, and one of ids."""
    folder = tmp_path_factory.mktemp("built")
    write_sample(folder / "events.csv", 3_000, 1)
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    (folder / "ids.txt").write_text("\n".join([*some_ids(folder), "", "  nobody-at-all "]))
    return folder


def some_ids(folder: Path) -> list[str]:
    """Of users with many events, with one, and with a dead letter."""
    with reading(folder / "growth.duckdb") as connection:
        rows = connection.execute(
            "(SELECT user_id FROM fct_events GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT 2) UNION "
            "(SELECT user_id FROM fct_events GROUP BY 1 ORDER BY COUNT(*), 1 LIMIT 2) UNION "
            "(SELECT user_id FROM dead_letter_events WHERE user_id IS NOT NULL LIMIT 1)"
        ).fetchall()
    return [name for (name,) in rows]


def without(folder: Path, ids: list[str]) -> None:
    """The source file without some users, as others.csv."""
    header, *lines = (folder / "events.csv").read_bytes().splitlines(keepends=True)
    column = header.decode().strip().split(",").index("user_id")
    gone = {name.encode() for name in ids}
    kept = [line for line in lines if line.split(b",")[column].strip() not in gone]
    (folder / "others.csv").write_bytes(header + b"".join(kept))


def test_people_leave_and_stay_away(built: Path) -> None:
    ids = some_ids(built)
    without(built, ids)
    run_batch([built / "others.csv"], built / "others.duckdb")
    others = contents(built / "others.duckdb")
    rows = {
        name: sum(1 for _ in (built / name).open("rb")) - 1 for name in ("events.csv", "others.csv")
    }
    before = contents(built / "growth.duckdb")

    dry = command_here("forget", "--user_ids", "ids.txt", "--dry_run", cwd=built)
    assert (dry.returncode, dry.stderr) == (0, "")
    assert f"{len(ids) + 1} user ids" in dry.stdout
    assert contents(built / "growth.duckdb") == before

    names = (built / "ids.txt").read_text().splitlines()
    (built / "one.txt").write_text(names[0])
    (built / "more.txt").write_text("\n".join(names))
    files = ("--user_ids", "one.txt", "--user_ids", "more.txt")
    line = ("forget", *files, "--summary_file", "run.json")
    run = command(*line, "--rewrite_file", "false", cwd=built)
    assert (run.returncode, run.stderr) == (0, "")
    assert "the DuckDB file itself, until a forget rewrites it" in run.stdout
    for told in ("source files", "dead-letter topics", "backups of the file"):
        assert told in run.stdout
    summary = json.loads((built / "run.json").read_text())
    assert summary["asked"] == summary["newly_listed"] == len(ids) + 1
    assert summary["rewriting_seconds"] is None
    assert not any(name in (built / "run.json").read_text() for name in ids)
    found = contents(built / "growth.duckdb")
    letters = "dead_letter_events"
    # Dead letters of another file lie elsewhere in it.
    assert {name: found[name] for name in TABLES if name != letters} == {
        name: others[name] for name in TABLES if name != letters
    }
    kept = before[letters].to_pylist()
    assert found[letters].to_pylist() == [row for row in kept if row["user_id"] not in ids]
    assert sorted(path.name for path in built.glob("growth.duckdb*")) == ["growth.duckdb"]
    assert any(name.encode() in (built / "growth.duckdb").read_bytes() for name in ids)

    again = quick_shell("cat ids.txt | PIPELINE forget --user_ids -", built)
    assert (again.returncode, again.stderr) == (0, "")
    assert "no event of theirs is in the tables" in again.stdout
    assert "the DuckDB file itself" not in again.stdout
    assert contents(built / "growth.duckdb") == found
    data = (built / "growth.duckdb").read_bytes()
    assert not any(name.encode() in data for name in ids)

    # The source has them still.
    later = command_here("batch", "--input", "events.csv", "--summary_file", "run.json", cwd=built)
    assert later.returncode == 0
    summary = json.loads((built / "run.json").read_text())
    assert summary["forgotten"] == rows["events.csv"] - rows["others.csv"]
    total = summary["events"] + summary["duplicates"] + summary["dead_letters"]["total"]
    assert summary["input_rows"] == total + summary["forgotten"] == rows["events.csv"]
    assert f"+ {summary['forgotten']:,} rows of forgotten users" in later.stdout
    assert contents(built / "growth.duckdb") == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--user_ids is missing"),
        (["--user_ids", "gone.txt"], "gone.txt can't be read: No such file"),
        (["--user_ids", "empty.txt"], "names nobody"),
        (["--user_ids", "ids.txt", "--warehouse", "duckdb:///none.duckdb"], "no table fct_events"),
        (
            ["--user_ids", "ids.txt", "--warehouse", "duckdb:///old.duckdb"],
            "rebuild --warehouse duckdb:///old.duckdb first",
        ),
        (["--user_ids", "ids.txt", "--warehouse", "bigquery://abc-def/a"], "--temp_location gs://"),
        (["--user_ids", "ids.txt", "--summary_file", "ids.txt"], "is the warehouse or an input"),
        (["--user_ids", "ids.txt", "--runner", "DataflowRunner"], "--runner"),
    ],
)
def test_wrong_options_end_with_one_line(built: Path, arguments: list[str], message: str) -> None:
    (built / "empty.txt").write_text(" \n")
    with duckdb.connect(str(built / "old.duckdb")) as connection:
        for name in ("fct_events", "dead_letter_events", "dim_users"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} (user_id VARCHAR)")
    before = (built / "growth.duckdb").read_bytes()
    run = command_here("forget", *arguments, cwd=built)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr
    assert run.stderr.strip().count("\n") == 0
    assert (built / "growth.duckdb").read_bytes() == before
