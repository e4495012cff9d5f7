"""The replay command as a user meets it: wrong options, and a run that is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.sample import write_sample
from tests.support.in_process import command_here
from tests.support.pausing import paused
from tests.support.replays import computed_from
from tests.support.runs import CHECKED_THOROUGHLY, command, contents, run_batch
from transforms.marts.registry import TABLES


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse that has dead letters, and files that are none."""
    folder = tmp_path_factory.mktemp("built")
    write_sample(folder / "events.csv", 1_000, 1)
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    (folder / "notes.csv").write_text("hello\n")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--warehouse", "duckdb:///none.duckdb"], "has no table fct_events"),
        (["--warehouse", "duckdb:///notes.csv"], "no DuckDB database"),
        (["--warehouse", "bigquery://abc-def/a"], "--temp_location gs://"),
        (["--since", "yesterday"], "'yesterday' is no date like 2025-01-31"),
        (["--error_type", "Bad Country"], "is no error_type like bad_country"),
        (["--error_type", "bad_contry"], "did you mean bad_country?"),
        (["--edit", "s/a/b/", "--input", "notes.csv"], "--edit and --input do not go together"),
        (["--output", "o.csv", "--input", "notes.csv"], "--output and --input do not go"),
        (["--output", "o.csv", "--edit", "s/a/b/"], "--output and --edit do not go"),
        (["--output", "o.csv", "--dry_run"], "--output and --dry_run do not go"),
        (["--edit", "s/a"], "sed does not take it: sed: -e expression #1"),
        (["--edit", "notes.csv"], "chmod +x it"),
        (["--edit", "gone.py"], "there is no such file"),
        (["--input", "gone.csv"], "'gone.csv' is not there: --output writes it"),
        (["--input", "notes.csv"], "lacks the column dead_letter_id"),
        (["--output", "notes.csv"], "'notes.csv' is there already"),
        (["--output", "dead_letters.xlsx"], "is no .csv file"),
        (["--output", "none/dead_letters.csv"], "there is no folder"),
        (["--topic", "events"], "is not like projects/my-project/topics/events"),
        (["--active_event_types", "share"], "the tables were built with miles_earned,"),
        (["--summary_file", "growth.duckdb"], "is the warehouse or an input"),
        (["--dry_run", "perhaps"], "neither true nor false"),
        (["--inptu", "x.csv"], "did you mean --input"),
        (["--runner", "DataflowRunner"], "the workers of DataflowRunner"),
        (["--streaming"], "--streaming"),
    ],
)
def test_wrong_options_end_with_one_line(built: Path, arguments: list[str], message: str) -> None:
    before = (built / "growth.duckdb").read_bytes()
    run = command_here("replay", *arguments, cwd=built)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr
    assert run.stderr.strip().count("\n") == 0
    assert (built / "growth.duckdb").read_bytes() == before
    assert sorted(path.name for path in built.iterdir()) == [
        "events.csv",
        "growth.duckdb",
        "notes.csv",
    ]


def test_a_killed_replay_leaves_the_warehouse_intact(tmp_path: Path) -> None:
    write_sample(tmp_path / "whole.csv", 3_000, 1)
    text = (tmp_path / "whole.csv").read_text(errors="surrogateescape")
    lines = text.splitlines(keepends=True)
    bad = [
        line.replace(",Web,", ",WWW,") if at % 50 == 0 else line for at, line in enumerate(lines)
    ]
    (tmp_path / "events.csv").write_text("".join(bad), errors="surrogateescape")
    run_batch([tmp_path / "events.csv"], tmp_path / "growth.duckdb")
    (tmp_path / "growth.duckdb").chmod(0o600)  # As the command leaves it.
    before = contents(tmp_path / "growth.duckdb")
    whole = computed_from((tmp_path / "whole.csv").read_bytes())
    assert before["fct_events"].num_rows < whole["fct_events"].num_rows
    replay = ("replay", "--edit", "s/,WWW,/,Web,/", "--quality", CHECKED_THOROUGHLY)
    run, _ = paused("committing", tmp_path, *replay)
    run.kill()
    run.wait()
    left = [path for pattern in ("growth*", "growth*/**/*") for path in tmp_path.glob(pattern)]
    assert {path.suffix for path in left} >= {".duckdb", ".lock", ".parquet"}
    assert [path for path in left if path.stat().st_mode & 0o077] == []
    (tmp_path / "growth.duckdb").chmod(0o640)  # Whoever shares it goes on sharing it.
    after = contents(tmp_path / "growth.duckdb")
    assert all(before[name].equals(after[name]) for name in TABLES)
    kept = [name for name in TABLES if name != "dead_letter_events"]
    again = command(*replay, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    ours = contents(tmp_path / "growth.duckdb")
    assert all(ours[name].equals(whole[name]) for name in kept)
    assert not list(tmp_path.glob("*.staging-*"))
    # The file is as it was: what was corrected in it is corrected still.
    line = ("batch", "--input", "events.csv", "--summary_file", "run.json")
    batch = command(*line, "--quality", CHECKED_THOROUGHLY, cwd=tmp_path)
    assert (batch.returncode, batch.stderr) == (0, "")
    ours = contents(tmp_path / "growth.duckdb")
    assert all(ours[name].equals(whole[name]) for name in kept)
    number = sum(",WWW," in line for line in bad)
    corrected = json.loads((tmp_path / "run.json").read_text())["earlier_corrections"]
    assert corrected["failed"] == 0
    assert 0 < corrected["applied"] <= number  # Some rows fail for another reason as well.
    assert f"{corrected['applied']:,} dead letters corrected by earlier replays" in batch.stdout
    assert (tmp_path / "growth.duckdb").stat().st_mode & 0o777 == 0o640
