"""People are forgotten: tables are those of a batch without them, or theirs under other names."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError, RunError
from pipeline.forget.forget_job import forget, try_out
from pipeline.forget.ids_file import read_user_ids
from pipeline.forget.mentions import LEFT_OUT, Mentions
from pipeline.graphs.staged_forgotten import read_forgotten
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from tests.support.forgetting import (
    expected,
    fill,
    forgotten,
    held,
    job_of,
    parsed,
    tables_of,
)
from tests.support.reading import reading
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import NOW, Row, codes, compute, row
from tests.support.thorough import examples
from transforms.contract import Table
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.contributions import contributions
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.marts import dead_letter_corrections, dead_letter_events, fct_events
from transforms.marts.registry import CORRECTIONS, RESULTS
from transforms.pseudonyms import drawn, renamed
from transforms.state import pipeline_runs, user_timelines
from transforms.state.pipeline_runs import Run, RunState
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS

TYPES = FigureSettings()
_SETTINGS = settings(
    max_examples=examples(2, 60), deadline=None, suppress_health_check=list(HealthCheck)
)
_NAMES = ["ann", "bob", "cy", "dé", "ᛖᚢᛖ"]
_ROWS = st.lists(st.one_of(valid_rows, broken_rows), min_size=1, max_size=40)


def home_in(folder: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{folder}/growth.duckdb")


def filled(folder: Path, rows: Sequence[Row], types: FigureSettings = TYPES) -> Warehouse:
    home = home_in(folder)
    fill(home, None, tables_of(rows, types), types)
    return home


@_SETTINGS
@given(
    _ROWS,
    st.sets(st.sampled_from([*_NAMES, "nobody"]), min_size=1),
    st.sampled_from([EVENT_TYPES, ("miles_earned", "share")]),
)
def test_what_is_left_is_what_a_batch_without_them_makes(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    gone: set[str],
    types: tuple[str, ...],
) -> None:
    active = FigureSettings(types)
    home = filled(tmp_path_factory.mktemp("home"), rows, active)
    report = forgotten(home, None, gone, active)
    others = [item for item in rows if item["user_id"] not in gone]
    assert held(home) == expected(tables_of(others, active))
    ours = parsed([item for item in rows if item["user_id"] in gone])
    assert report.events == len(sort_events([ours.events]).rows)
    assert report.dead_letters == len(ours.rejections)
    assert report.listed == report.asked == len(gone)
    found = read_forgotten(home)
    assert found is not None
    assert len(found[0]) == len(gone)
    (done,) = pipeline_runs.runs_of(home.read(pipeline_runs.TABLE))
    assert (done.run.command, done.outcome) == ("forget", "done")
    again = forgotten(home, None, gone, active)
    assert (again.users, again.events, again.dead_letters, again.listed) == (0, 0, 0, 0)
    assert held(home) == expected(tables_of(others, active))


@_SETTINGS
@given(_ROWS, st.sets(st.sampled_from(_NAMES), min_size=1))
def test_pseudonyms_leave_all_figures(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], gone: set[str]
) -> None:
    home = filled(tmp_path_factory.mktemp("home"), rows)
    before, letters = held(home), parsed(rows).rejections
    forget(job_of(home, gone, TYPES, pseudonymise=True), None)
    after = held(home)
    of_people = {"fct_events", "dim_users", "users_with_negative_miles", "user_timelines"}
    for name in before.keys() - of_people - {"dead_letter_events"}:
        assert after[name] == before[name], name
    assert len(after["dead_letter_events"]) == sum(one.user_id not in gone for one in letters)
    assert not gone & {item["user_id"] for name in of_people for item in after[name]}
    # The tables are what a batch makes of the events under their new names.
    events = home.read(fct_events.TABLE)
    stored = [
        row(
            f"{event['event_time']:%Y-%m-%dT%H:%M:%S.%fZ}",
            event["user_id"],
            event["event_type"],
            amount="" if event["miles_amount"] is None else str(event["miles_amount"]),
            platform=event["platform"],
            source=event["utm_source"] or "",
            country=event["country"] or "",
            category=event["transaction_category"] or "",
        )
        for event in events.to_pylist()
    ]
    anew = expected(tables_of(stored, TYPES))
    for name in anew.keys() - {"dead_letter_events"}:
        assert after[name] == anew[name], name


def test_nothing_tells_when_somebody_got_a_pseudonym(tmp_path: Path) -> None:
    home = filled(tmp_path, [row("2024-01-01T10:00:00Z", name) for name in ("ann", "bob")])
    forget(job_of(home, ["ann"], TYPES, pseudonymise=True), None)
    for table, column in ((fct_events.TABLE, "processed_at"), (user_timelines.TABLE, "written_at")):
        assert set(home.read(table)[column].to_pylist()) == {NOW}


def test_a_pseudonym_is_drawn_until_the_first_event_stays_the_first() -> None:
    rows = [row("2024-01-01T10:00:00Z", platform=name) for name in ("iOS", "Web", "Android")]
    batch = parsed(rows).events
    lives, events = timelines(sort_events([batch])), compute([batch])["fct_events"]
    draws: list[int] = []

    def draw(users: int) -> pa.Array:
        draws.append(users)
        return pa.array([f"{len(draws):032x}"], pa.string())

    found = renamed(events, lives, draw)
    assert found.timelines.first_platform.tolist() == lives.first_platform.tolist()
    assert len(draws) > 1
    types = codes(EVENT_TYPES)
    assert contributions(found.timelines, types) == contributions(lives, types)


def test_pseudonyms_are_no_two_alike() -> None:
    names = drawn(1_000)
    assert len(pc.unique(names)) == 1_000
    assert set(pc.utf8_length(names).to_pylist()) == {len("forgotten-") + 32}


def test_tables_that_contradict_each_other_are_told() -> None:
    batch = parsed([row("2024-01-01T10:00:00Z"), row("2024-01-01T11:00:00Z")]).events
    events = compute([batch])["fct_events"]
    with pytest.raises(DataError, match="has 1 events of users whose timelines count 2"):
        renamed(events.slice(1), timelines(sort_events([batch])))


def add(home: Warehouse, table: Table, rows: pa.Table) -> None:
    with home.lock((table,), None, "adding") as folder:
        files = StagedFiles(table, folder, home.capabilities.layout)
        files.write(rows)
        home.commit([Change(table, WriteDisposition.APPEND, list(files.close()))], "adding")


def result(run: str, table: str, *keys: dict[str, object]) -> dict[str, object]:
    sample = ", ".join(json.dumps(key, ensure_ascii=False) for key in keys)
    values = {"run_id": run, "check_id": f"{table}.a", "table_name": table, "column_name": None}
    figures = {"failing_rows": 9, "checked_rows": 99, "sample": f"[{sample}]" if keys else None}
    kind = {"check_type": "relation", "severity": "warn", "status": "fail", "checked_at": NOW}
    return {**values, **figures, **kind}


def test_samples_of_checks_name_them_no_more(tmp_path: Path) -> None:
    rows = [row("2024-01-01T10:00:00Z", "ann"), row("2024-01-01T11:00:00Z", "bob"), row("x", "ann")]
    home = filled(tmp_path, rows)
    events = {item["user_id"]: item for item in home.read(fct_events.TABLE).to_pylist()}
    (letter,) = home.read(dead_letter_events.TABLE)["dead_letter_id"].to_pylist()
    ann, bob = ({"event_id": events[name]["event_id"]} for name in ("ann", "bob"))
    before = [
        result("1", "dim_users", {"user_id": "ann"}, {"user_id": "bob"}),
        result("2", "dim_users", {"user_id": "ann"}),
        result("3", "fct_events", bob, ann),
        result("4", "fct_events", {"session_id": events["ann"]["session_id"]}, bob),
        result("5", "dead_letter_events", {"dead_letter_id": letter}),
        result("6", "growth_metrics", {"event_date": "2024-01-01"}),
        result("7", "dim_users"),
    ]
    add(home, RESULTS, pa.Table.from_pylist(before, RESULTS.arrow_schema))
    report = forgotten(home, None, ["ann"], TYPES)
    assert report.samples == 5
    left = {
        "1": result("1", "dim_users", {"user_id": "bob"}),
        "2": result("2", "dim_users"),
        "3": result("3", "fct_events", bob),
        "4": result("4", "fct_events", bob),
        "5": result("5", "dead_letter_events"),
    }
    expected_rows = [left.get(str(item["run_id"]), item) for item in before]
    found = sorted(home.read(RESULTS).to_pylist(), key=lambda item: item["run_id"])
    assert found == expected_rows


def test_corrections_and_messages_of_runs_name_them_no_more(tmp_path: Path) -> None:
    home = filled(tmp_path, [row("never", "ann"), row("never", "bob"), row("never", "")])
    letters = home.read(dead_letter_events.TABLE)
    whose = letters["user_id"].to_pylist()
    corrected = [row("2024-01-01T10:00:00Z", "bob" if name == "bob" else " ann ") for name in whose]
    texts = {name: pa.array([item[name] for item in corrected]) for name in SOURCE_COLUMNS}
    texts["event_id"] = pa.array([""] * len(corrected))
    add(home, CORRECTIONS, dead_letter_corrections.rows(letters, [0, 1, 2], pa.table(texts), NOW))
    messages = ["of user 'ann' at byte 7", "of user 'anna'", None]
    runs = [
        pipeline_runs.row(RunState(Run(str(at), "batch", "1", NOW), "failed", NOW, None, text))
        for at, text in enumerate(messages)
    ]
    add(home, pipeline_runs.TABLE, pa.concat_tables(runs))
    report = forgotten(home, None, ["ann"], TYPES)
    assert (report.dead_letters, report.corrections, report.messages) == (1, 2, 1)
    assert set(home.read(CORRECTIONS)["user_id"].to_pylist()) == {"bob"}
    left = home.read(pipeline_runs.TABLE).sort_by("run_id")["message"].to_pylist()
    assert left == [LEFT_OUT, "of user 'anna'", None, None]


def test_ids_that_are_no_words_are_found_in_messages() -> None:
    mentions = Mentions({"a:b", "u 1"})
    assert mentions.unless_named("user 'a:b' is wrong") == LEFT_OUT
    assert mentions.unless_named("of u 1: wrong") == LEFT_OUT
    assert mentions.unless_named("of a b") == "of a b"


def test_their_ids_are_not_in_the_file_and_what_people_added_is(tmp_path: Path) -> None:
    gone, path = "somebody-who-leaves", tmp_path / "growth.duckdb"
    start = datetime(2024, 1, 1)
    rows = [
        row(f"{start + timedelta(hours=7 * at):%Y-%m-%dT%H:%M:%SZ}", name)
        for at in range(300)
        for name in ("ann", gone, f"{gone}-too")
    ] + [row("never", gone), row("never", "ann")]
    home = filled(tmp_path, rows)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT DISTINCT user_id FROM fct_events")
    path.chmod(0o640)
    assert gone.encode() in path.read_bytes()
    forgotten(home, None, [gone, f"{gone}-too"], TYPES)
    assert [item.name for item in tmp_path.iterdir()] == ["growth.duckdb"]
    assert gone.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    with reading(path) as connection:
        assert connection.execute("FROM mine").fetchall() == [("ann",)]


def test_a_run_that_was_killed_before_it_compacted_is_finished_by_the_next(tmp_path: Path) -> None:
    gone, path = "somebody-who-leaves", tmp_path / "growth.duckdb"
    home = filled(tmp_path, [row("2024-01-01T10:00:00Z", gone), row("2024-01-01T11:00:00Z")])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    patch = pytest.MonkeyPatch()
    patch.setattr("pipeline.warehouse.duckdb.compact", killed)
    with pytest.raises(KeyboardInterrupt):
        forgotten(home, None, [gone], TYPES)
    patch.undo()
    assert gone.encode() in path.read_bytes()
    assert forgotten(home, None, [gone], TYPES).events == 0
    assert gone.encode() not in path.read_bytes()


def test_a_run_that_fails_is_noted_without_a_name(tmp_path: Path) -> None:
    home = filled(tmp_path, [row("2024-01-01T10:00:00Z", "ann"), row("2024-01-02T10:00:00Z")])
    with duckdb.connect(str(tmp_path / "growth.duckdb")) as connection:
        connection.execute("DELETE FROM fct_events WHERE event_date = '2024-01-02'")
    before = held(home)
    with pytest.raises(RunError, match="growth_counters counts 2 events, where fct_events has 1"):
        forgotten(home, None, ["ann"], TYPES)
    assert held(home) == before
    assert read_forgotten(home) is None
    (run,) = pipeline_runs.runs_of(home.read(pipeline_runs.TABLE))
    assert run.outcome == "failed"
    assert "not kept" in (run.message or "")


def test_a_clock_that_was_set_back_keeps_no_figure(tmp_path: Path) -> None:
    rows = [row("2024-01-01T10:00:00Z", "ann"), row("2024-01-01T11:00:00Z", "bob")]
    home = filled(tmp_path, rows)
    job = job_of(home, ["ann"], TYPES)
    early = replace(job, run=replace(job.run, started_at=NOW - timedelta(days=9)))
    forget(early, None)
    assert held(home) == expected(tables_of(rows[1:], TYPES))


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "growth.duckdb"
    home = filled(tmp_path, [row("2024-01-01T10:00:00Z", "ann"), row("never", "ann")])
    before = path.read_bytes()
    report = try_out(job_of(home, ["ann", "nobody"], TYPES))
    assert (report.asked, report.users, report.events, report.dead_letters) == (2, 1, 1, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (b"ann\nbob\n", ["ann", "bob"]),
        (b"\xef\xbb\xbf  ann \r\n\n \t\n\xe2\x80\x8b\nbob\nann", ["ann", "bob"]),
        ("a b\u2028c\ndé\u00a0".encode(), ["a b\u2028c", "dé"]),
    ],
)
def test_a_file_names_users_as_the_parser_reads_them(
    data: bytes, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(data)
    assert read_user_ids(str(path)).to_pylist() == ids
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert read_user_ids("-").to_pylist() == ids


@pytest.mark.parametrize(
    ("data", "told"), [(b"ann\n\xff\n", "line 2 is not UTF-8"), (b" \n\n", "names nobody")]
)
def test_a_file_that_names_nobody_is_refused(data: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(data)
    with pytest.raises(OptionError, match=told):
        read_user_ids(str(path))
    with pytest.raises(OptionError, match="can't be read: No such file"):
        read_user_ids(str(tmp_path / "none.txt"))
