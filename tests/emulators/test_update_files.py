"""Files that are loaded day by day into BigQuery, from Cloud Storage."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

from pipeline.forget.leaving import WRITTEN
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.input_versions import local_file
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.check_launch import check_tables
from pipeline.launch.new_files import Asked
from pipeline.launch.runners import Runner
from pipeline.launch.update_launch import run_update
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.emulators.support import Home, unlike
from tests.pipeline import test_source_ids as source_ids
from tests.support.runs import command, comparable, contents, run_graph
from tests.support.staging import change
from tests.support.tables import NOW, compute, csv_text, parse, row
from tests.support.thorough import thorough
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.dim_users import TABLE as USERS
from transforms.marts.registry import TABLES
from transforms.reckoning import Reckoning


def update(home: Home, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the update command over all files of the dataset's folder."""
    return command(
        *("update", "--input", f"{home.temp}/events/*.csv", "--warehouse", home.url),
        *("--temp_location", f"{home.temp}/tmp", *options),
        cwd=Path("/"),
        **home.servers.environment,
    )


def upload(home: Home, path: Path, text: bytes) -> None:
    path.write_bytes(text)
    home.upload(path, f"events/{path.name}")


def test_files_of_several_days_end_as_one_batch(home: Home, tmp_path: Path, sample: Path) -> None:
    header, *lines = sample.read_bytes().splitlines(keepends=True)
    lines = [line for line in lines if line.count(b'"') % 2 == 0]
    (tmp_path / "all.csv").write_bytes(header + b"".join(lines))
    run_graph([tmp_path / "all.csv"], tmp_path / "growth.duckdb")
    expected = contents(tmp_path / "growth.duckdb")
    for day in range(3):
        upload(home, tmp_path / f"{day}.csv", header + b"".join(lines[day::3]))
        # The second day without a runner, the third with one.
        run = update(home, *(("--runner", "FnApiRunner") if day == 2 else ()))
        assert run.returncode == 0, run.stderr
    found = home.contents()
    assert set(unlike(found, expected)) <= {"dead_letter_events"}
    assert found["dead_letter_events"].num_rows == expected["dead_letter_events"].num_rows
    assert [name for name in home.leftovers() if not name.endswith(".csv")] == []
    loaded = home.rows("loaded_files")
    assert sorted(Path(path).name for path in loaded["path"].to_pylist()) == [
        "0.csv",
        "1.csv",
        "2.csv",
    ]
    modified = {name: home.table(name).modified for name in TABLES}
    run = update(home)
    assert (run.returncode, run.stderr) == (0, "")
    assert "3 files were loaded before, and none is new" in run.stdout
    assert modified == {name: home.table(name).modified for name in TABLES}


def test_an_object_that_was_replaced_is_named_and_noted(
    home: Home, tmp_path: Path, here: None
) -> None:
    upload(home, tmp_path / "1.csv", csv_text([row("2024-01-01T00:00:00Z")]))
    assert update(home).returncode == 0
    upload(home, tmp_path / "1.csv", csv_text([row("2024-01-02T00:00:00Z")]))
    # Another run has the tables meanwhile, and keeps them.
    warehouse = open_warehouse(home.url)
    with warehouse.lock(WRITTEN, f"{home.temp}/tmp", home.run("other")) as folder:
        run = update(home)
        warehouse.commit([change(USERS, WriteDisposition.APPEND, folder, [])], home.run("other"))
    assert (run.returncode, run.stdout) == (1, "")
    assert f"{home.temp}/events/1.csv" in run.stderr
    assert "has changed since it was loaded" in run.stderr
    assert "No table was touched but pipeline_runs, which says so" in run.stderr
    first, second = home.rows("pipeline_runs").sort_by("started_at").to_pylist()
    assert [one["outcome"] for one in (first, second)] == ["done", "failed"]
    assert "has changed since it was loaded" in second["message"]
    assert home.rows("fct_events").num_rows == 1


@thorough
def test_updates_replays_and_rebuilds_end_as_one_batch(
    home: Home, tmp_path: Path, sample: Path
) -> None:
    header, *lines = sample.read_bytes().splitlines(keepends=True)
    lines = [line for line in lines if line.count(b'"') % 2 == 0]
    (tmp_path / "all.csv").write_bytes(header + b"".join(lines))
    run_graph([tmp_path / "all.csv"], tmp_path / "growth.duckdb")
    options = ("--warehouse", home.url, "--temp_location", f"{home.temp}/tmp")
    replay = ("replay", "--edit", "s/,WWW,/,Web,/", *options)
    for day, then in enumerate((replay, ("rebuild", *options), replay)):
        part = [line.replace(b",Web,", b",WWW,") if day != 1 else line for line in lines[day::3]]
        upload(home, tmp_path / f"{day}.csv", header + b"".join(part))
        for run in (
            update(home, "--max_dead_letter_pct", "100"),
            command(*then, cwd=tmp_path, **home.servers.environment),
        ):
            assert run.returncode == 0, run.stderr
    assert unlike(home.contents(), contents(tmp_path / "growth.duckdb")) == ["dead_letter_events"]


def test_tables_whose_queries_must_name_their_partitions_are_updated(
    home: Home, tmp_path: Path
) -> None:
    texts = [
        csv_text([row(f"{day}T23:50:00Z", user) for day in days for user in ("ann", "o'neil")])
        for days in (
            ("2024-01-01", "2024-03-01"),
            ("2024-01-01", "2024-02-29", "2023-12-31"),
        )
    ]
    texts.append(csv_text([row("2024-01-02T00:10:00Z"), row("2024-01-01T23:40:00Z")]))
    for day, text in enumerate(texts):
        upload(home, tmp_path / f"{day}.csv", text)
        run = update(home, "--require_partition_filter", "true")
        assert run.returncode == 0, run.stderr
    run_graph(sorted(tmp_path.glob("*.csv")), tmp_path / "growth.duckdb")
    assert unlike(home.contents(), contents(tmp_path / "growth.duckdb")) == []


def test_own_event_types_in_another_zone_are_taken_and_checked(
    home: Home, tmp_path: Path, here: None
) -> None:
    """With a name in which SQL might see more than a text."""
    types = FigureSettings.among(("signed_up", "caf\u00e9 --%s ${x} ?"))
    zone = Reckoning("America/New_York", "sunday", 20)
    said = AskedFigures(own=types.own, zone=zone.zone, week_start="sunday", session_gap_minutes=20)
    kinds = (*types.own, "share")
    rows = [
        row(f"2024-01-0{day}T0{number}:00:00Z", f"user {number}", kinds[(day + number) % 3])
        for day in (1, 2, 3)
        for number in range(4)
    ]
    (tmp_path / "1.csv").write_bytes(csv_text(rows[:8]))
    (tmp_path / "2.csv").write_bytes(csv_text(rows[4:]))
    warehouse, runner = open_warehouse(home.url), Runner("FnApiRunner", True, 1)
    for day, asked in ((1, said), (2, AskedFigures())):
        job = BatchJob(
            files=[local_file(str(tmp_path / f"{day}.csv"))],
            warehouse=warehouse,
            user_shards=1,
            figures=FigureSettings(),
            max_dead_letter_pct=0.0,
            run=home.run(f"day{day}"),
            started_at=NOW + timedelta(hours=day),
        )
        beam = ByBeam(runner, False, lambda: pipeline_options(runner, []))
        run_update(job, Asked(asked), beam, f"{home.temp}/tmp", None)
    found = home.contents()
    events = [part.events for part in parse(csv_text(rows), own=types.own)]
    tables = compute(events, types.names, types.own, zone)
    expected = {name: comparable(name, table) for name, table in tables.items()}
    assert [name for name in expected if not found[name].equals(expected[name])] == []
    check_tables(warehouse, NOW)


def test_events_of_one_id_are_found_on_any_date(home: Home, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(source_ids.RULES)
    given = ("--max_dead_letter_pct", "100", "--require_partition_filter", "true")
    came = [source_ids.FIRST, [*source_ids.AGAIN, *source_ids.OTHERWISE, *source_ids.NEW]]
    for day, rows in enumerate(came):
        path = source_ids.in_file(tmp_path, str(day), rows)
        how = ("batch", "--rules", str(rules)) if day == 0 else ("update",)
        run = command(
            *(*how, "--input", path, "--warehouse", home.url, *given),
            *("--temp_location", f"{home.temp}/tmp"),
            cwd=Path("/"),
            **home.servers.environment,
        )
        assert run.returncode == 0, run.stderr
    database = source_ids.begun(tmp_path / "stays", [*source_ids.FIRST, *source_ids.NEW])
    assert unlike(home.contents(), contents(database)) == ["dead_letter_events"]
