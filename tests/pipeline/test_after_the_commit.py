"""What comes after the commit fails nothing: the tables are replaced, whoever hears of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.runs import CHECKED_THOROUGHLY, command, contents, quick_shell, run_batch
from tests.support.tables import csv_text, row
from tests.support.thorough import some
from tests.support.webhooks import SECRET, receiving

_BATCH = f"PIPELINE batch --quality {CHECKED_THOROUGHLY} --input"


@pytest.mark.parametrize(
    ("line", "message"),
    some(
        [
            (f"{_BATCH} events.csv >&- 2>&-", ""),
            (
                f"mkfifo p; {_BATCH} events.csv --summary_file p",
                "p: nobody reads that",
            ),
            (
                f"{_BATCH} events.csv --summary_file /dev/full >/dev/full",
                "the tables are replaced, but the summary can't be written to /dev/full: "
                "No space left",
            ),
            (
                f"d=$PWD; mkdir x; cd x; rmdir ../x; {_BATCH} $d/events.csv "
                "--warehouse duckdb:///$d/growth.duckdb",
                "",
            ),
            (f"{_BATCH} events.csv --summary_file /dev/null", ""),
        ],
        3,
    ),
)
def test_the_tables_are_replaced_and_the_exit_code_is_0(
    folder: Path, line: str, message: str
) -> None:
    run = quick_shell(line, folder)
    assert run.returncode == 0, run.stderr
    assert message in run.stderr
    assert bool(run.stderr) == bool(message)
    assert contents(folder / "growth.duckdb")["fct_events"].num_rows == 1


def test_a_dash_is_stdout_and_the_page_goes_to_stderr(folder: Path) -> None:
    batch = ("batch", "--input", "events.csv", "--quality", CHECKED_THOROUGHLY)
    run = command(*batch, "--summary_file", "/dev/stdout", cwd=folder)
    assert run.returncode == 0
    assert json.loads(run.stdout)["input_rows"] == 3
    assert "3 input rows = 1 event + 1 duplicate + 1 dead letter" in run.stderr


def test_a_failed_run_leaves_no_summary_of_an_earlier_one(folder: Path) -> None:
    summary = folder / "run.json"
    summary.write_text("{}")
    (folder / "bad.csv").write_bytes(csv_text([row("never"), row("ever")]))
    batch = ("batch", "--input", "bad.csv", "--quality", CHECKED_THOROUGHLY)
    run = command(*batch, "--summary_file", "run.json", cwd=folder)
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
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    replay = (
        f"PIPELINE replay --quality {CHECKED_THOROUGHLY} --edit 's/never/2024-01-02T00:00:00Z/'"
    )
    run = quick_shell(f"{replay} --summary_file /dev/full >/dev/full", folder)
    assert run.returncode == 0
    assert "the tables are updated, but the summary can't be written" in run.stderr
    assert contents(folder / "growth.duckdb")["fct_events"].num_rows == 2
    run = quick_shell("PIPELINE check >/dev/full", folder)
    assert run.returncode == 0
    assert "can't print to stdout" in run.stderr


def test_what_needs_a_person_is_posted_once_and_the_address_is_kept_nowhere(folder: Path) -> None:
    batch = ("batch", "--input", "events.csv", "--quality", CHECKED_THOROUGHLY, "--alert")
    with receiving() as receiver:
        runs = [command(*batch, "env:HOOK", cwd=folder, HOOK=receiver.url) for _ in range(2)]
        runs.append(command("check", "--alert", receiver.url, cwd=folder))
        assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 3
        (message,) = receiver.got
    assert message["text"] == (
        "Growth pipeline, duckdb:///growth.duckdb\n\u2022 1 of 3 input rows of the last run are "
        "dead letters (33.3 %, more than 5 %): dead_letter_events says why"
    )
    assert SECRET.encode() not in (folder / "growth.duckdb").read_bytes()
    # Nobody takes posts any more: the run is done all the same.
    failing = command("check", "--max_age_hours", "1", "--alert", receiver.url, cwd=folder)
    assert failing.returncode == 1
    assert "the newest event is of" in failing.stderr
    assert "Warning: the alert was not taken by 127.0.0.1 (Connection refused)" in failing.stderr
    assert SECRET not in failing.stderr
    run = command("check", "--alert", "http://example.com/x", cwd=folder)
    assert run.returncode == 2
    assert "what is given is not https://" in run.stderr
