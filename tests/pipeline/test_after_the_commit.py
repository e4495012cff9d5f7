"""What comes after the commit fails nothing: the tables are replaced, whoever hears of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.runs import command, contents, shell
from tests.support.tables import csv_text, row
from tests.support.thorough import some


@pytest.mark.parametrize(
    ("line", "message"),
    some(
        [
            ("PIPELINE batch --input events.csv >&- 2>&-", ""),
            (
                "mkfifo p; PIPELINE batch --input events.csv --summary_file p",
                "p: nobody reads that",
            ),
            (
                "PIPELINE batch --input events.csv --summary_file /dev/full >/dev/full",
                "the tables are replaced, but the summary can't be written to /dev/full: "
                "No space left",
            ),
            (
                "d=$PWD; mkdir x; cd x; rmdir ../x; PIPELINE batch --input $d/events.csv "
                "--warehouse duckdb:///$d/growth.duckdb",
                "",
            ),
            ("PIPELINE batch --input events.csv --summary_file /dev/null", ""),
        ],
        3,
    ),
)
def test_the_tables_are_replaced_and_the_exit_code_is_0(
    folder: Path, line: str, message: str
) -> None:
    run = shell(line, folder)
    assert run.returncode == 0, run.stderr
    assert message in run.stderr
    assert bool(run.stderr) == bool(message)
    assert contents(folder / "growth.duckdb")["fct_events"].num_rows == 1


def test_a_dash_is_stdout_and_the_page_goes_to_stderr(folder: Path) -> None:
    run = command("batch", "--input", "events.csv", "--summary_file", "/dev/stdout", cwd=folder)
    assert run.returncode == 0
    assert json.loads(run.stdout)["input_rows"] == 3
    assert "3 input rows = 1 event + 1 duplicate + 1 dead letter" in run.stderr


def test_a_failed_run_leaves_no_summary_of_an_earlier_one(folder: Path) -> None:
    summary = folder / "run.json"
    summary.write_text("{}")
    (folder / "bad.csv").write_bytes(csv_text([row("never"), row("ever")]))
    run = command("batch", "--input", "bad.csv", "--summary_file", "run.json", cwd=folder)
    assert run.returncode == 1
    assert not summary.exists()
    summary.write_text("{}")
    run = command("batch", "--input", "none*.csv", "--summary_file", "run.json", cwd=folder)
    assert run.returncode == 2
    assert not summary.exists()
    summary.write_text("{}")
    run = command("replay", "--summary_file", "run.json", cwd=folder)
    assert run.returncode == 2
    assert not summary.exists()


def test_a_replay_and_a_check_end_as_they_would_without_a_reader(folder: Path) -> None:
    assert command("batch", "--input", "events.csv", cwd=folder).returncode == 0
    replay = "PIPELINE replay --edit 's/never/2024-01-02T00:00:00Z/'"
    run = shell(f"{replay} --summary_file /dev/full >/dev/full", folder)
    assert run.returncode == 0
    assert "the tables are updated, but the summary can't be written" in run.stderr
    assert contents(folder / "growth.duckdb")["fct_events"].num_rows == 2
    run = shell("PIPELINE check >/dev/full", folder)
    assert run.returncode == 0
    assert "can't print to stdout" in run.stderr
