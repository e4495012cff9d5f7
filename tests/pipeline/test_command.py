"""The command line as a user meets it: options, errors, exit codes, the summary."""

from __future__ import annotations

import gzip
import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest

from pipeline.options import beam_options
from pipeline.progress import Progress, Reached
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support.in_process import command_here
from tests.support.pausing import paused, wait_for
from tests.support.reading import reading
from tests.support.runs import (
    CHECKED_THOROUGHLY,
    command,
    contents,
    quick_shell,
    run_batch,
    run_graph,
)
from tests.support.tables import csv_text, row
from tests.support.thorough import thorough
from transforms.marts.registry import TABLES


def test_a_run_prints_and_writes_its_summary(folder: Path) -> None:
    (folder / "more.csv.gz").write_bytes(gzip.compress(csv_text([row("2024-02-01T00:00:00Z")])))
    (folder / "growth.duckdb.staging").mkdir()
    (folder / "growth.duckdb.staging" / "notes.txt").write_text("mine")
    run = command(
        *("batch", "--input", "*.csv", "more.csv.gz"),
        *("--warehouse", "duckdb:///growth.duckdb", "--summary_file", "run.json"),
        cwd=folder,
    )
    assert (run.returncode, run.stderr) == (0, "")
    summary = json.loads((folder / "run.json").read_text())
    assert summary["input_rows"] == 4
    assert summary["events"] == 2
    assert summary["duplicates"] == 1
    assert summary["dead_letters"] == {"total": 1, "by_error_type": {"bad_event_time": 1}}
    assert list(summary["tables"]) == list(TABLES)
    assert summary["tables"]["fct_events"] == 2
    assert summary["seconds"] > 0
    assert "4 input rows = 2 events + 1 duplicate + 1 dead letter" in run.stdout
    for message in ("growth_metrics", "bad_event_time", "'never'", "2024-02", "growth.duckdb"):
        assert message in run.stdout
    assert [path.name for path in folder.glob("*.staging*")] == ["growth.duckdb.staging"]
    # Of people's lives nobody but the owner reads.
    for name in ("growth.duckdb", "run.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    # The way to query the tables that it shows works.
    line = next(line for line in run.stdout.splitlines() if "import duckdb" in line)
    shown = subprocess.run(
        shlex.split(line), cwd=folder, capture_output=True, text=True, check=True
    )
    assert "daily_active_users" in shown.stdout
    # What was left there and is not ours is left alone.
    assert (folder / "growth.duckdb.staging" / "notes.txt").read_text() == "mine"


def test_a_terminal_sees_how_far_the_run_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(folder / "events.csv", folder / "more.csv")
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    # One file after the other.
    line = ("batch", "--workers", "1", "--quality", CHECKED_THOROUGHLY, "--input", "*.csv")
    run, held = paused("reading,staged", folder, *line, stderr=theirs)
    os.close(theirs)
    for message in ("Reading events", "kB of", "3 rows", "/s"):
        _read_until(ours, message)
    held.unlink()
    _read_until(ours, "Replacing tables")
    wait_for(run, held)
    held.unlink()
    _read_until(ours, None)
    assert run.wait() == 0


def test_progress_adds_up_over_workers(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path))
    assert progress.reached() == Reached(0, 0)
    progress.report("a.csv", 0, 70, 7)
    progress.report("a.csv", 0, 100, 3)
    progress.report("a.csv", 500, 540, 4)
    assert progress.reached() == Reached(140, 14)


def test_workers_share_the_progress_of_a_range(tmp_path: Path) -> None:
    """As row groups of a Parquet file, or files of an archive."""
    progress = Progress(str(tmp_path))

    def report(worker: int) -> None:
        for position in range(300):
            progress.report("a.parquet", 0, 300 * worker + position, 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(4)))
    assert progress.reached() == Reached(1_199, 1_200)


@pytest.mark.usefixtures("described")
def test_the_warehouse_carries_the_contracts_descriptions_and_modes(folder: Path) -> None:
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    with reading(folder / "growth.duckdb") as connection:
        for table in TABLES.values():
            found = connection.execute(
                "SELECT column_name, NOT is_nullable, comment FROM duckdb_columns() "
                "WHERE table_name = ? ORDER BY column_index",
                [table.name],
            ).fetchall()
            assert found == [(c.name, c.required, c.description) for c in table.columns]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none/*.csv"], "'none/*.csv' matches no file"),
        (["--input", "notes.txt"], "neither .csv nor .csv.gz"),
        ([], "--input"),
        (["--input", "events.csv", "--warehouse", "growth.duckdb"], "'growth.duckdb'"),
        (["--input", "events.csv", "--warehouse", "mysql://host/x"], "known warehouse"),
        (["--input", "events.csv", "--warehouse", "duckdb:///"], "names no file"),
        (["--input", "events.csv", "--warehouse", "duckdb:///notes.txt"], "notes.txt"),
        (["--input", "events.csv", "--warehouse", "duckdb:///."], "is a folder"),
        (["--input", "events.csv", "--warehouse", "bigquery://"], "bigquery://project-id/dataset"),
        (["--input", "events.csv", "--warehouse", "bigquery://abc-def"], "project-id/dataset"),
        (["--input", "events.csv", "--warehouse", "bigquery:///data"], "project-id/dataset"),
        (["--input", "events.csv", "--warehouse", "bigquery://abc-def/a-b"], "project-id/dataset"),
        (["--input", "events.csv", "--warehouse", "bigquery://abc-def/a/b"], "project-id/dataset"),
        (["--input", "events.csv", "--warehouse", "bigquery://Abc_Def/a"], "project-id/dataset"),
        (
            ["--input", "events.csv", "--warehouse", "bigquery://abc-def/a?x=1"],
            "without parameters",
        ),
        (["--input", "events.csv", "--warehouse", "bigquery://abc-def/a"], "--temp_location gs://"),
        (["--input", "events.csv", "--location", "EU"], "for bigquery:// alone"),
        (["--input", "events.csv", "--require_partition_filter"], "for bigquery:// alone"),
        (["--input", "events.csv", "--require_partition_filter=maybe"], "neither true nor false"),
        (["--input", "events.csv", "--location", "the moon"], "'the moon' is no location like EU"),
        (["--input", "events.csv", "--user_shards", "0"], "'0' is not a whole number"),
        (["--input", "events.csv", "--user_shards", "many"], "'many' is not a whole number"),
        (["--input", "events.csv", "--max_dead_letter_pct", "101"], "from 0 to 100"),
        (
            ["--input", "events.csv", "--active_event_types", "like,buy"],
            "no event type 'buy'",
        ),
        (["--input", "events.csv", "--summary_file", "no/run.json"], "there is no folder"),
        (["--input", "events.csv", "--inptu", "x"], "did you mean --input"),
        (["--input", "events.csv", "--runer=X"], "did you mean --runner"),
        (["--input", "events.csv", "--runner", "Nope"], "'Nope' is none of"),
        (["--input", "events.csv", "--direct_num_workers", "two"], "is not a whole number"),
        (["--input", "events.csv", "--direct_running_mode", "x"], "is none of in_memory"),
        (["--input", "events.csv", "--temp_location"], "--temp_location needs a value"),
        (["--input", "events.csv", "--summary_file", "events.csv"], "is the warehouse or an input"),
        (["--input", "events.csv", "--summary_file", "growth.duckdb"], "is the warehouse or an"),
        (["--input", "events.csv", "--summary_file", "s4://x/run.json"], "no path on this machine"),
        (["--input", "events.csv", "--warehouse", "duckdb:///events.csv"], "no DuckDB database"),
        (["--input", "."], "is a folder: write './*.csv'"),
        (["--input", "s4://bucket/x.csv"], "neither a path on this machine nor gs://"),
        (["--inptu", "events.csv"], "did you mean --input"),
        (["--input", "events.csv", "--direct_num_workers", "-3"], "--direct_num_workers"),
        (["--input", "events.csv", "--no_auth=1"], "--no_auth takes no value"),
        (["--input", "events.csv", "--runner", "FnApiRunner", "x"], "'x' belongs to no option"),
    ],
)
def test_a_wrong_option_ends_with_one_clear_line(
    folder: Path, arguments: list[str], message: str
) -> None:
    (folder / "notes.txt").write_text("not a database, and longer than a header" * 20)
    run = command_here("batch", *arguments, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["events.csv", "notes.txt"]


SUBSCRIPTION = ("--subscription", "projects/my-project/subscriptions/events")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream"], "--subscription is missing"),
        (["stream", "--subscription", "events"], "projects/my-project/subscriptions/events"),
        (["stream", *SUBSCRIPTION, "--flush_seconds", "0"], "is not a number of seconds, 1 or"),
        (["stream", *SUBSCRIPTION, "--late_horizon_days", "x"], "is not a whole number from 1"),
        (["stream", *SUBSCRIPTION, "--dead_letter_topic", "t"], "projects/my-project/topics/"),
        (["stream", *SUBSCRIPTION, "--runner", "DataflowRunner"], "workers of DataflowRunner"),
        (["stream", *SUBSCRIPTION, "--input", "x"], "there is no option --input"),
        (["publish", "--input", "events.csv"], "--input and --topic are needed"),
        (
            ["publish", "--topic", "projects/my-project/topics/abc"],
            "--input and --topic are needed",
        ),
        (["publish", "--speed", "-1"], "is not a number, 0 or more"),
        (["publish", "--repeat_pct", "200"], "is not a percentage"),
        (["publish", "--runner", "x"], "there is no option --runner"),
    ],
)
def test_a_wrong_option_of_streaming_ends_with_one_clear_line(
    folder: Path, arguments: list[str], message: str
) -> None:
    run = command_here(*arguments, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["events.csv"]


def test_wrong_options_are_found_before_beam_is_imported(folder: Path) -> None:
    run = command("batch", "--input", "none.csv", cwd=folder, PYTHONPROFILEIMPORTTIME="1")
    assert "matches no file" in run.stderr
    assert "pipeline.inputs.listing" in run.stderr
    assert "apache_beam" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner", "DataflowRunner"], "workers of DataflowRunner can't reach"),
        (["--temp_location", "gs://bucket/tmp"], "no folder on this machine"),
        (["--streaming"], "batch reads files to their end"),
        (["--direct_running_mode", "multi_threading"], "multi_processing"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    folder: Path, arguments: list[str], message: str
) -> None:
    run = command_here("batch", "--input", "events.csv", *arguments, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "gs://bucket/*.csv"],
        ["--input", "events.csv", "--summary_file", "gs://bucket/run.json"],
        [
            *("--input", "events.csv", "--warehouse", "bigquery://some-project/growth"),
            *("--temp_location", "gs://bucket/tmp"),
        ],
    ],
)
def test_without_credentials_the_way_to_them_is_reported(
    folder: Path, arguments: list[str]
) -> None:
    run = command(
        *("batch", *arguments),
        cwd=folder,
        CLOUDSDK_CONFIG=str(folder),
        NO_GCE_CHECK="true",
        GOOGLE_APPLICATION_CREDENTIALS="",
        BIGQUERY_EMULATOR_HOST="",
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert "run `gcloud auth application-default login`" in run.stderr
    assert [path.name for path in folder.iterdir()] == ["events.csv"]


def test_publish_reads_files_on_this_machine(folder: Path) -> None:
    topic = "projects/my-project/topics/events"
    run = command_here("publish", "--input", "gs://bucket/a.csv", "--topic", topic, cwd=folder)
    assert (run.returncode, run.stdout) == (2, "")
    assert "--input gs://bucket/a.csv: publish reads files on this machine" in run.stderr


@pytest.mark.parametrize("arguments", [[], ["batch"], ["stream"], ["publish"], ["sample"]])
def test_help_is_a_page(folder: Path, arguments: list[str]) -> None:
    run = command(*arguments, "--help", cwd=folder)
    assert run.returncode == 0
    usage = run.stdout.splitlines()[0]
    assert usage.startswith(f"usage: {shlex.quote(sys.executable)} -m pipeline")


def test_a_failed_run_says_why_in_one_line_and_changes_nothing(folder: Path) -> None:
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    before = contents(folder / "growth.duckdb")
    (folder / "events.csv").write_bytes(csv_text([row("never"), row("ever")]))
    quality = ("--quality", CHECKED_THOROUGHLY)
    summary = ("--summary_file", "run.json")
    run = command("batch", "--input", "events.csv", *summary, *quality, cwd=folder)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "2 of 2 input rows are dead letters" in run.stderr
    assert not (folder / "run.json").exists()
    after = contents(folder / "growth.duckdb")
    assert all(before[name].equals(after[name]) for name in TABLES)


def test_a_failed_first_run_leaves_no_warehouse(folder: Path) -> None:
    (folder / "events.csv").write_bytes(b"a,b\n1,2\n")
    run = command("batch", "--input", "events.csv", cwd=folder)
    assert run.returncode == 1
    assert "its header is another; the first line is 'a, b'" in run.stderr
    assert [path.name for path in folder.iterdir()] == ["events.csv"]


def test_a_reader_that_leaves_early_does_not_fail_the_run(folder: Path) -> None:
    batch = f"PIPELINE batch --input events.csv --quality {CHECKED_THOROUGHLY}"
    run = quick_shell(f"{batch} | true; exit $PIPESTATUS", folder)
    assert (run.returncode, run.stderr) == (0, "")


def test_odd_names_and_encodings_are_shown(folder: Path) -> None:
    run = command(
        *("batch", "--input", "events.csv", "--warehouse", "duckdb:///q[/b] it's.duckdb"),
        *("--quality", CHECKED_THOROUGHLY),
        cwd=folder,
        PYTHONIOENCODING="ascii",
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "q[/b] it's.duckdb" in run.stdout


def test_a_lock_holds_whatever_the_path_and_the_staging_folder(folder: Path) -> None:
    (folder / "link.duckdb").symlink_to("growth.duckdb")
    (folder / "tmp").mkdir()
    with open_warehouse(f"duckdb:///{folder}/growth.duckdb").lock((), None, "other"):
        run = command(
            *("batch", "--input", "events.csv", "--warehouse", "duckdb:///link.duckdb"),
            *("--temp_location", "tmp"),
            cwd=folder,
        )
    assert run.returncode == 1
    assert "another run is writing" in run.stderr


def test_the_list_of_beams_options_is_that_of_this_beam() -> None:
    file = resources.files("pipeline.options").joinpath("beam_options.json")
    known = json.loads(file.read_text())
    assert known == json.loads(json.dumps(beam_options.describe()))


@thorough
def test_separate_worker_processes_give_the_same_tables(folder: Path) -> None:
    write_sample(folder / "events.csv", 3_000, 7)
    run_graph([folder / "events.csv"], folder / "one.duckdb")
    run = command(
        *("batch", "--input", "events.csv", "--warehouse", "duckdb:///two.duckdb"),
        *("--direct_num_workers", "2", "--direct_running_mode", "multi_processing"),
        *("--quality", CHECKED_THOROUGHLY),
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    one, two = contents(folder / "one.duckdb"), contents(folder / "two.duckdb")
    assert all(one[name].equals(two[name]) for name in TABLES)


def test_a_second_run_into_the_same_warehouse_is_refused(folder: Path) -> None:
    with open_warehouse(f"duckdb:///{folder}/growth.duckdb").lock((), None, "other"):
        run = command("batch", "--input", "events.csv", cwd=folder)
    assert run.returncode == 1
    assert "another run is writing" in run.stderr
    assert [path.name for path in folder.iterdir()] == ["events.csv"]


def _read_until(terminal: int, message: str | None) -> None:
    """Read from a terminal until something is shown, or its other side is closed."""
    shown = b""
    try:
        while message is None or message.encode() not in shown:
            shown += os.read(terminal, 65_536)
            assert len(shown) < 1_000_000, f"{message} is not in {shown[-1_000:]!r}"
    except OSError:  # Linux's way to say that the other side is closed.
        assert message is None, f"{message} is not in {shown!r}"
