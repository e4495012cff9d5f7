"""What failed checks do to a run, and what the check command says of tables that are there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import clear_message
from pipeline.graphs import batch_job
from pipeline.launch import check_launch
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support import batch_graph
from tests.support.in_process import command_here
from tests.support.quality import CHECKS, in_memory
from tests.support.reading import asked
from tests.support.runs import CHECKED, Run, command, contents, read_all, run_batch, run_graph
from tests.support.tables import NOW, csv_text, row
from tests.support.thorough import THOROUGH, examples, some, thorough
from tests.support.translation import OPTIONS
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.marts import dead_letter_corrections
from transforms.marts.registry import RESULTS, TABLES, all_checks
from transforms.quality.compile import Check, RowRule
from transforms.quality.declaration import Severity
from transforms.quality.policy import Mode
from transforms.state import pipeline_runs
from transforms.state.registry import STATE_TABLES

_IMPOSSIBLE = "growth_metrics.impossible"


def broken(severity: Severity) -> Check:
    rule = RowRule("daily_active_users < 0")
    table = "growth_metrics"
    return Check(_IMPOSSIBLE, table, None, "relation", severity, "DAU < 0", rule)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run has a check more, which fails."""
    _add(monkeypatch, "error")


def _add(monkeypatch: pytest.MonkeyPatch, severity: Severity) -> None:
    monkeypatch.setattr(batch_job, "all_checks", _with(broken(severity)))


def _with(more: Check) -> Callable[[FigureSettings], tuple[Check, ...]]:
    return lambda active_types: (*all_checks(active_types), more)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_bytes(csv_text([row("2024-01-01T00:00:00Z"), row("2024-01-03T00:00:00Z"), row("?")]))
    return path


@pytest.fixture(scope="module")
def one_event(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the tables of one event."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "events.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    run_batch([folder / "events.csv"], folder / "growth.duckdb", CHECKED)
    return folder / "growth.duckdb"


@pytest.fixture
def built(tmp_path: Path, one_event: Path) -> Path:
    """A folder with a copy of it."""
    shutil.copy(one_event, tmp_path / "growth.duckdb")
    return tmp_path


def results(database: Path) -> list[tuple[str, str, int, int, str | None]]:
    """The check ids, statuses, counts and samples of data_quality_results."""
    columns = "check_id, status, failing_rows, checked_rows, sample"
    return asked(database, f"SELECT {columns} FROM data_quality_results")


@pytest.mark.parametrize(
    ("seed", "active"),
    # With all types active the tables of test_checks keep them too.
    some(
        [
            (2, ("miles_redeemed",)),
            (1, None),
            (1, ("share", "like")),
            (2, None),
            (1, ("miles_redeemed",)),
            (2, ("share", "like")),
        ],
        1,
    ),
)
def test_samples_keep_every_check(
    tmp_path: Path, seed: int, active: tuple[str, ...] | None
) -> None:
    write_sample(tmp_path / "events.csv", examples(3_000, 8_000), seed)
    run = CHECKED if active is None else replace(CHECKED, active_types=active)
    run_graph([tmp_path / "events.csv"], tmp_path / "growth.duckdb", run)
    found = results(tmp_path / "growth.duckdb")
    assert [check_id for check_id, *_ in found] == [check.check_id for check in CHECKS]
    assert {status for _, status, *_ in found} == {"pass"}
    types = () if active is None else ("--active_event_types", ",".join(active))
    alone = command_here("check", "--warehouse", "duckdb:///growth.duckdb", *types, cwd=tmp_path)
    assert (alone.returncode, alone.stderr) == (0, "")


@thorough
def test_results_do_not_depend_on_shards(tmp_path: Path) -> None:
    write_sample(tmp_path / "events.csv", 2_000, 3)
    for shards in (1, 7):
        run_graph(
            [tmp_path / "events.csv"],
            tmp_path / f"{shards}.duckdb",
            replace(CHECKED, user_shards=shards, range_bytes=30_000),
        )
    assert results(tmp_path / "1.duckdb") == results(tmp_path / "7.duckdb")


def test_a_failed_check_stops_the_commit(tmp_path: Path, source: Path, fails: None) -> None:
    database = tmp_path / "growth.duckdb"
    with pytest.raises(Exception, match="impossible") as raised:
        run_graph([source], database, CHECKED)
    message = str(clear_message(raised.value))
    assert "1 check fails: growth_metrics.impossible (DAU < 0) fails in 3 of 3 rows" in message
    assert '"event_date": "2024-01-02"' in message
    assert "No table was touched but data_quality_results" in message
    assert "--quality warn" in message
    assert "\n" not in message
    assert open_warehouse(f"duckdb:///{database}").present() == {
        RESULTS.name,
        pipeline_runs.TABLE.name,
    }
    (state,) = pipeline_runs.runs_of(
        open_warehouse(f"duckdb:///{database}").read(pipeline_runs.TABLE)
    )
    assert (state.outcome, state.run.command) == ("failed", "batch")
    assert "growth_metrics.impossible (DAU < 0)" in str(state.message)
    assert state.counts is not None and state.counts.input_rows == 3
    found = {check_id: found for check_id, *found in results(database)}
    assert len(found) == len(CHECKS) + 1
    status, failing, checked, sample = found[_IMPOSSIBLE]
    assert (status, failing, checked) == ("fail", 3, 3)
    assert json.loads(str(sample)) == [{"event_date": f"2024-01-0{day}"} for day in (1, 2, 3)]


def test_a_typo_in_a_check_is_one_line_in_batch_and_check(
    built: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = built / "growth.duckdb"
    typo = replace(broken("error"), rule=RowRule("dayly_users < 0"))
    expected = f"the check {_IMPOSSIBLE} can't be evaluated: Binder Error: Referenced column "
    # Among those of its table; test_trial finds it among all.
    beside = tuple(check for check in CHECKS if check.table == typo.table)
    monkeypatch.setattr(batch_job, "all_checks", lambda active_types: (*beside, typo))
    with pytest.raises(Exception, match="dayly_users") as raised:
        run_graph([source], database, CHECKED)
    message = str(clear_message(raised.value))
    assert message.startswith(expected)
    assert "\n" not in message
    monkeypatch.setattr(check_launch, "all_checks", lambda active_types: (*beside, typo))
    warehouse = open_warehouse(f"duckdb:///{database}")
    with pytest.raises(DataError) as refused:
        check_launch.check_tables(warehouse, NOW)
    assert str(refused.value) == message


def test_check_says_what_it_can_not_answer(
    one_event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = open_warehouse(f"duckdb:///{one_event}")
    check_launch.check_tables(warehouse, NOW)
    assert "not evaluated: fct_events.input_adds_up (input rows " in capsys.readouterr().out


def test_tables_stay_as_they_were(
    built: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = built / "growth.duckdb"
    before = contents(database)
    source.write_bytes(csv_text([row("2025-01-01T00:00:00Z")]))
    _add(monkeypatch, "error")
    with pytest.raises(Exception, match="impossible"):
        run_batch([source], database, CHECKED)
    after = contents(database)
    assert all(after[name].equals(before[name]) for name in TABLES)
    assert len(results(database)) == 2 * len(CHECKS) + 1


@pytest.mark.parametrize(
    ("severity", "mode"), some([("error", "warn"), ("warn", "enforce"), ("warn", "warn")], 2)
)
def test_warnings_do_not_stop_the_commit(
    tmp_path: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    severity: Severity,
    mode: Mode,
) -> None:
    _add(monkeypatch, severity)
    tables = run_batch([source], tmp_path / "growth.duckdb", Run(quality=mode))
    assert tables["fct_events"].num_rows == 2
    assert (_IMPOSSIBLE, "fail") in [found[:2] for found in results(tmp_path / "growth.duckdb")]


def test_off_checks_nothing(tmp_path: Path, source: Path, fails: None) -> None:
    tables = run_batch([source], tmp_path / "growth.duckdb", Run(quality="off"))
    assert tables["fct_events"].num_rows == 2
    assert open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb").present() == {
        *TABLES,
        *STATE_TABLES,
        dead_letter_corrections.TABLE.name,
    }


def test_results_are_there_of_a_run_with_too_many_dead_letters(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(csv_text([row("?")]))
    with pytest.raises(Exception, match="dead letters") as raised:
        run_graph(
            [tmp_path / "events.csv"],
            tmp_path / "growth.duckdb",
            replace(CHECKED, max_dead_letter_pct=10),
        )
    assert "data_quality_results" in str(clear_message(raised.value))
    assert {status for _, status, *_ in results(tmp_path / "growth.duckdb")} == {"pass"}


def test_the_summary_shows_the_checks(folder: Path) -> None:
    run = command("batch", "--input", "events.csv", "--summary_file", "run.json", cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"checks  {len(CHECKS)} passed" in run.stdout
    quality = json.loads((folder / "run.json").read_text())["quality"]
    assert quality["mode"] == "enforce"
    assert quality["passed"] == len(CHECKS)
    assert quality["failed"] == {"error": 0, "warn": 0}
    assert quality["results"][0]["check_id"] == CHECKS[0].check_id


def test_check_tells_what_fails_and_changes_nothing(built: Path) -> None:
    with duckdb.connect(str(built / "growth.duckdb")) as connection:
        connection.execute("UPDATE fct_events SET country = 'usa'")
        connection.execute("UPDATE fct_events SET processed_at = TIMESTAMP '2000-01-01'")
    before = (built / "growth.duckdb").read_bytes()
    run = command_here("check", cwd=built)
    assert run.returncode == 1
    assert "2 checks of severity" not in run.stderr
    assert "1 check of severity error failed" in run.stderr
    assert run.stderr.count("\n") == 1
    for expected in (
        "1 failed (error), 1 failed (warn)",
        "fct_events.country.pattern  fails in 1 of 1",
        "country is two upper-case letters",
        "country usa",
        "fct_events.event_time_not_ahead  fails in 1 of 1, a warning",
    ):
        assert expected in run.stdout
    assert (built / "growth.duckdb").read_bytes() == before


def test_a_failed_warning_alone_is_no_failure(built: Path) -> None:
    with duckdb.connect(str(built / "growth.duckdb")) as connection:
        connection.execute("UPDATE fct_events SET processed_at = TIMESTAMP '2000-01-01'")
    run = command_here("check", cwd=built)
    assert (run.returncode, run.stderr) == (0, "")
    assert "1 failed (warn)" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["check", "--warehouse", "duckdb:///none.duckdb"], 1, "there is no warehouse"),
        (["check", "--warehouse", "mysql://x"], 2, "known warehouse"),
        (["check", "--active_event_types", ","], 2, "is not a comma-separated list"),
        (["check", "--runner", "x"], 2, "there is no option --runner"),
        (["check", "--warehouse", "duckdb:///events.csv"], 1, "events.csv"),
        (["docs", "--output", "."], 2, "is a folder"),
        (["docs", "--outptu", "x"], 2, "did you mean --output"),
        (["batch", "--input", "events.csv", "--quality", "x"], 2, "is none of enforce, warn, off"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(
    folder: Path, arguments: list[str], code: int, expected: str
) -> None:
    run = command_here(*arguments, cwd=folder)
    assert run.returncode == code
    assert expected in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""


def test_other_active_types_than_the_tables_have_are_refused(folder: Path) -> None:
    built = ("batch", "--input", "events.csv", "--active_event_types", "share", "--quality", "off")
    assert command_here(*built, cwd=folder).returncode == 0
    assert command_here("check", cwd=folder).returncode == 0
    run = command_here("check", "--active_event_types", "like", cwd=folder)
    assert (run.returncode, run.stdout) == (2, "")
    assert "--active_event_types like: the tables were built with share" in run.stderr


def test_a_missing_column_or_table_is_named(built: Path) -> None:
    with duckdb.connect(str(built / "growth.duckdb")) as connection:
        connection.execute("ALTER TABLE dim_users DROP COLUMN first_country")
    run = command_here("check", cwd=built)
    assert (run.returncode, run.stdout) == (1, "")
    assert "without columns that the checks read: dim_users.first_country. Somebody" in run.stderr
    assert "build the tables again" in run.stderr
    with duckdb.connect(str(built / "growth.duckdb")) as connection:
        connection.execute("DROP TABLE growth_metrics")
    run = command_here("check", cwd=built)
    assert run.returncode == 1
    assert "duckdb:///growth.duckdb lacks the table growth_metrics" in run.stderr


def test_a_part_of_the_tables_answers_a_part_of_the_checks(one_event: Path) -> None:
    check_counts = in_memory(read_all(open_warehouse(f"duckdb:///{one_event}")))
    missing = {check.check_id for check in CHECKS if not check.totals} - set(check_counts.checks)
    assert missing == set()


def test_dataflow_translates_the_graph_and_check_counts_have_a_coder() -> None:
    pipeline = batch_graph.laid_out(*OPTIONS)
    if THOROUGH:  # test_dataflow_graphs does, too.
        pipeline.run()
    components = pipeline.to_runner_api().components
    by_label = {step.unique_name: step for step in components.transforms.values()}
    assert {"CheckLetters", "All checks", "SumChecks", "Commit"} <= set(by_label)
    for label in ("CheckLetters/Check", "All checks"):
        (output,) = by_label[label].outputs.values()
        coder = components.coders[components.pcollections[output].coder_id]
        assert b"CheckCountsCoder" in coder.spec.payload
