"""Streams on one machine: micro-batches, batches and updates in any sequence end as one batch."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError, RunError
from pipeline.micro_batches import steps_here
from pipeline.reports import FlushReport
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from tests.support.staging import change
from tests.support.strategies import row_lists
from tests.support.streams import Around
from tests.support.tables import NOW, row
from tests.support.thorough import examples, some
from tests.support.updates import SUBSCRIPTION, Home, Rows, differing, messages_of
from tests.unit.test_duckdb_kills import killed, striking
from tests.unit.test_increments import in_parts
from tests.unit.test_updates import HARD
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.kernels.messages import Message
from transforms.marts import data_quality_results, dead_letter_events, fct_events
from transforms.state import forgotten_users, pipeline_runs, warehouse_settings
from transforms.vocabulary import EVENT_TYPES

WAYS = ("stream", "again", "update", "batch")


def check(parts: Sequence[Rows], ways: Sequence[str], repeated: Sequence[int]) -> None:
    """That parts, each taken in by one of WAYS, end as one batch.

    Args:
        parts: of source rows.
        ways: of each part; `stream` and `again` are micro-batches of one stream as long as they
            follow each other, and another stream where they change.
        repeated: of each part, how many of those before come with it again; not in a batch, which
            has all that came so far.
    """
    with tempfile.TemporaryDirectory() as name:
        path, number = Path(name, "growth.duckdb"), 0
        home = Home.at(path)
        for way, group in groupby(ways):
            coming = []
            for _ in group:
                again = parts[max(number - repeated[number], 0) : number]
                coming.append([item for part in (*again, parts[number]) for item in part])
                number += 1
            so_far = [item for part in parts[:number] for item in part]
            if way == "batch":
                home.batch(so_far)
            elif way == "update":
                for part in coming:
                    home.update(part)
            else:
                _whole(home.stream(coming, quality="off"), sum(map(len, coming)))
            assert differing(path, so_far) == []


def _whole(report: FlushReport, messages: int) -> None:
    counts = report.counts
    assert (counts.input_rows, counts.processed) == (messages, messages)
    assert report.pending == 0


@settings(
    max_examples=examples(2, 200),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(rows=row_lists, data=st.data())
def test_any_mixture_ends_as_one_batch(rows: list[dict[str, str]], data: st.DataObject) -> None:
    parts = in_parts(rows, data)
    ways = [data.draw(st.sampled_from(WAYS)) for _ in parts]
    if ways[0] == "update":  # Into an empty warehouse it is a batch.
        ways[0] = "batch"
    check(parts, ways, [data.draw(st.integers(0, 2)) for _ in parts])


@pytest.mark.parametrize("shard_rows", some([4, steps_here._SHARD_ROWS], 1))
def test_hard_cases_end_as_one_batch(shard_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is another user's, so that they need not be tried one by one; of few rows a shard there
    are several, in a thread each."""
    monkeypatch.setattr(steps_here, "_SHARD_ROWS", shard_rows)
    steps = max(map(len, HARD.values()))
    parts = [
        [
            {**item, "user_id": user}
            for user, its_parts in HARD.items()
            for part in its_parts[step : step + 1]
            for item in part
        ]
        for step in range(steps)
    ]
    check(parts, ["stream", *["again", "again", "stream"] * steps][:steps], [0, *[1] * (steps - 1)])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "growth.duckdb")


LETTERS = [row("never"), row("2024-01-01T00:00:00Z", country="Atlantis")]
EVENTS = [row("2024-01-01T00:00:00Z"), row("2024-01-02T00:00:00Z", "bob")]


def letters_of(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.warehouse.read(dead_letter_events.TABLE).to_pylist()
    return found


def test_dead_letters_that_come_again_are_stored_and_published_once(home: Home) -> None:
    published: list[str] = []

    def publish(letters: pa.Table) -> None:
        published.extend(letters["error_type"].to_pylist())

    with home.streaming(publish) as batches:
        first = batches.take_in(messages_of([*LETTERS, LETTERS[0], *EVENTS]))
        second = batches.take_in(messages_of([*LETTERS, *EVENTS]))
    third = home.stream([[*LETTERS, *EVENTS]])
    assert sorted(published) == sorted(letter["error_type"] for letter in letters_of(home))
    assert {letter["source"] for letter in letters_of(home)} == {SUBSCRIPTION}
    assert [first.counts.rejected, first.counts.known_dead_letters] == [3, 1]
    assert [second.counts.rejected, second.counts.known_dead_letters] == [5, 3]
    assert [third.counts.rejected, third.counts.known_dead_letters] == [2, 2]
    assert [third.counts.events, third.counts.duplicates, third.pending] == [0, 2, 0]


def test_a_stream_of_dead_letters_alone_leaves_no_figures(home: Home) -> None:
    report = home.stream([LETTERS, LETTERS])
    assert (report.flush, report.counts.events, len(letters_of(home))) == (2, 0, 2)
    assert report.rows == {}
    assert home.stream([EVENTS]).counts.events == 2
    assert differing(Path(home.warehouse.location), EVENTS) == []


def test_messages_are_parsed_in_parts_that_fit_into_memory(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.micro_batches.micro_batch._PART_BYTES", 150)
    rows = [row(f"2024-01-01T00:00:{second:02}Z") for second in range(5)]
    _whole(home.stream([rows]), 5)
    assert differing(Path(home.warehouse.location), rows) == []


def test_checks_are_answered_by_each_flush_and_failures_are_kept(home: Home) -> None:
    report = home.stream([EVENTS], quality="warn")
    assert report.evaluated > 300
    assert report.failed == ()
    assert home.warehouse.count(data_quality_results.TABLE) == 0
    with home.streaming(quality="warn") as batches:
        message = Message(json.dumps({**EVENTS[0], "user_id": "cy"}).encode(), {}, "m")
        fct_events_rows = fct_events.rows

        def wrong(*arguments: Any) -> pa.Table:
            rows = fct_events_rows(*arguments)
            place = rows.column_names.index("event_sequence_in_session")
            return rows.set_column(place, rows.schema.field(place), pa.array([0]))

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fct_events, "rows", wrong)
            report = batches.take_in([message])
    assert [failed.check_id for failed in report.failed]
    kept = home.warehouse.read(data_quality_results.TABLE)
    assert set(kept["status"].to_pylist()) == {"fail"}
    assert set(kept["run_id"].to_pylist()) == {"run_2_1"}


class Failing(Around):
    """A warehouse whose commits fail as they are told to.

    Attributes:
        script: what becomes of the next commits: refused, lost (done, and nobody hears of it), or
            fine, as all are that come behind it.
        runs: under which ids commits were tried.
    """

    def __init__(self, home: Warehouse):
        super().__init__(home)
        self.script: list[str] = []
        self.runs: list[str] = []

    def commit(self, changes: Sequence[Change], run: str) -> None:
        self.runs.append(run)
        fate = self.script.pop(0) if self.script else "fine"
        if fate != "refused":
            self._home.commit(changes, run)
        if fate != "fine":
            raise RunError(f"this commit is {fate}")


@pytest.fixture
def around(home: Home) -> Failing:
    home.warehouse = Failing(home.warehouse)
    assert isinstance(home.warehouse, Failing)
    return home.warehouse


def test_a_commit_that_fails_is_tried_again_and_nothing_counts_twice(
    home: Home, around: Failing, capsys: pytest.CaptureFixture[str]
) -> None:
    with home.streaming() as batches:
        batches.take_in(messages_of(EVENTS[:1]))
        around.script = ["lost", "refused"]
        _whole(batches.take_in(messages_of(EVENTS[1:])), 2)
    assert around.runs == ["run_1_0", "run_1_1", *["run_1_2"] * 3]
    assert differing(Path(home.warehouse.location), EVENTS) == []
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("warning: a flush can't be committed and") for line in said] == [
        True
    ] * 2


def test_a_commit_that_fails_for_good_leaves_the_sums_as_they_were(
    home: Home, around: Failing
) -> None:
    with home.streaming() as batches:
        batches.take_in(messages_of(EVENTS[:1]))
        around.script = ["refused"] * 4
        with pytest.raises(RunError, match="this commit is refused"):
            batches.take_in(messages_of(EVENTS[1:]))
        report = batches.take_in(messages_of(EVENTS))
    assert (report.flush, report.counts.events, report.counts.duplicates) == (2, 2, 1)
    assert differing(Path(home.warehouse.location), EVENTS) == []


def test_a_stream_that_is_killed_in_a_commit_starts_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At some of the calls to DuckDB: test_duckdb_kills has them all."""
    database = Path(home.warehouse.location)
    home.stream([EVENTS[:1]])
    day, calls, is_done = 3, 0, False
    came = EVENTS[:1]
    while not is_done:
        rows = [row(f"2024-01-{day:02}T00:00:00Z"), row(f"2024-01-{day:02}T00:10:00Z", "bob")]
        is_done = _killed_at(calls, home, [*rows, *LETTERS], monkeypatch)
        came = [*came, *rows]
        report = home.stream([[*rows, *LETTERS]])
        assert report.counts.processed == 4
        assert differing(database, came) == []
        assert len(letters_of(home)) == 2
        day, calls = day + 1, calls + examples(150, 5)
    assert calls > 60
    outcomes = home.warehouse.read(pipeline_runs.TABLE)["outcome"].to_pylist()
    assert outcomes.count("running") == len(outcomes)  # `run_stream` notes how they end.


def _killed_at(calls: int, home: Home, source: Rows, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Stream in a process that is killed before its n-th call to DuckDB.

    Returns:
        Whether there were fewer.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            with home.streaming() as batches:
                striking(monkeypatch, calls, killed)
                batches.take_in(messages_of(source))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    home.runs += 1  # The child's.
    return code == 0


def test_it_goes_on_with_the_event_types_of_its_tables(home: Home) -> None:
    types = FigureSettings(("share", "like"))
    with home.streaming(asked=AskedFigures(types.names)) as batches:
        batches.take_in(messages_of(EVENTS))
    with home.streaming() as batches:
        assert batches.job.figures == types
    with (
        pytest.raises(OptionError, match="the tables were built with share,like"),
        home.streaming(asked=AskedFigures(EVENT_TYPES)),
    ):
        pass


def test_tables_without_state_are_refused(home: Home) -> None:
    home.batch(EVENTS)
    with duckdb.connect(home.warehouse.location) as connection:
        connection.execute("DELETE FROM fct_events WHERE user_id = 'bob'")
    with pytest.raises(RunError, match="has 1 events in fct_events and counts 2 in its state"):
        home.stream([EVENTS])
    with duckdb.connect(home.warehouse.location) as connection:
        connection.execute("DROP TABLE user_timelines")
    with pytest.raises(RunError, match=r"has no table user_timelines: an earlier .* rebuild"):
        home.stream([EVENTS])


def test_forgotten_users_stay_forgotten(home: Home) -> None:
    home.stream([EVENTS[:1]])
    key = forgotten_users.new_key()
    rows = forgotten_users.rows(pa.array(["bob"]), key, NOW, "forget")
    settings = warehouse_settings.rows({forgotten_users.KEY: key}, NOW)
    folder = str(Path(home.warehouse.location).parent)
    home.warehouse.commit(
        [
            change(forgotten_users.TABLE, WriteDisposition.MERGE, folder, rows.to_pylist()),
            change(warehouse_settings.TABLE, WriteDisposition.MERGE, folder, settings.to_pylist()),
        ],
        "forget",
    )
    report = home.stream([EVENTS])
    assert (report.counts.forgotten, report.counts.duplicates, report.pending) == (1, 1, 0)
    assert differing(Path(home.warehouse.location), EVENTS[:1]) == []
