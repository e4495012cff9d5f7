"""What --alert tells, that it tells it once, and that it keeps its address to itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.alerts.bounds import Alerts
from pipeline.alerts.findings import Finding, news, told
from pipeline.alerts.telling import alerting, tell
from pipeline.alerts.watch import Watch
from pipeline.errors import OptionError, RunError
from pipeline.options.option import recorded
from pipeline.warehouse import Warehouse
from pipeline.webhook import Webhook
from tests.support.repository import ROOT
from tests.support.webhooks import SECRET, Receiver, receiving
from tests.unit.test_commands import built
from tests.unit.test_display_growth import warehouse_of
from transforms.kernels.run_counts import RunCounts
from transforms.marts import data_quality_results
from transforms.marts.registry import TABLES
from transforms.quality.compile import Check
from transforms.quality.declaration import AddsUp
from transforms.quality.results import Result
from transforms.state import alerts_said, pipeline_runs
from transforms.state.pipeline_runs import Run, RunState

NOW = datetime(2025, 12, 2)
# Nobody came back in November: an alert.
FALLING = ("ann 2025-10-05", "bob 2025-10-06", "ann 2025-12-01")
STEADY = ("ann 2025-10-05", "ann 2025-11-06", "ann 2025-12-01")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def alerts_to(receiver: Receiver, **bounds: Any) -> Alerts:
    return Alerts(
        Webhook.parse(receiver.url), **{"dead_letter_pct": 5.0, "max_age_hours": None, **bounds}
    )


def changed(warehouse: Warehouse, statement: str) -> None:
    with duckdb.connect(warehouse.location) as connection:
        connection.execute(statement)


def said(warehouse: Warehouse) -> dict[str, frozenset[str]]:
    return alerts_said.said_of(warehouse.read(alerts_said.TABLE))


def test_an_alert_level_is_told_once_and_when_it_changes(
    tmp_path: Path, receiver: Receiver
) -> None:
    warehouse, alerts = warehouse_of(tmp_path, *FALLING), alerts_to(receiver)
    for _ in range(2):
        tell(alerts, warehouse, NOW)
    (message,) = receiver.got
    line = "November 2025: CRITICAL: Quick Ratio Below 1.0 (quick ratio 0.00)"
    assert message == {
        "text": f"Growth pipeline, {warehouse.url}\n• {line}",
        "warehouse": warehouse.url,
        "at": "2025-12-02T00:00:00Z",
        "alerts": [
            {
                "subject": "alert_level",
                "holds": ["CRITICAL: Quick Ratio Below 1.0"],
                "text": line,
            }
        ],
    }
    assert said(warehouse) == {"alert_level": frozenset({"CRITICAL: Quick Ratio Below 1.0"})}
    receiver.got.clear()
    level = "UPDATE quick_ratio_analysis SET alert_level = '{}'"
    for now, told_of in {
        "WARNING: Quick Ratio Declined >0.3 Points": ["WARNING: Quick Ratio Declined &gt;0.3"],
        "OK": ["November 2025: the alert level is OK again"],
        "CRITICAL: Quick Ratio Below 1.0": ["CRITICAL"],
    }.items():
        changed(warehouse, level.format(now))
        for texts in (told_of, []):
            tell(alerts, warehouse, NOW)
            assert [text in found for text, found in zip(texts, receiver.texts(), strict=True)] == [
                True for _ in texts
            ]


def test_a_good_month_or_one_that_runs_is_nobodys_business(
    tmp_path: Path, receiver: Receiver
) -> None:
    for name, days in (("steady", STEADY), ("new", ("ann 2025-12-01",))):
        folder = tmp_path / name
        folder.mkdir()
        warehouse = warehouse_of(folder, *days)
        tell(alerts_to(receiver), warehouse, NOW)
        assert warehouse.count(alerts_said.TABLE) is None
    assert receiver.got == []


def test_failed_checks_are_told_and_others_stay_as_they_were(
    tmp_path: Path, receiver: Receiver
) -> None:
    warehouse, alerts = warehouse_of(tmp_path, *STEADY), alerts_to(receiver)
    results = {f"t.check_{number}": number < 7 for number in range(9)}
    tell(alerts, warehouse, NOW, results)
    (text,) = receiver.texts()
    named = ", ".join(f"t.check_{number}" for number in range(5))
    assert text.endswith(f"• 7 checks of severity error failed: {named} and 2 more")
    # An update evaluates some of them; the others are what they were.
    tell(alerts, warehouse, NOW, {"t.check_0": False, "t.check_7": False})
    assert receiver.texts() == []
    assert said(warehouse)["checks"] == {f"t.check_{number}" for number in range(1, 7)}
    tell(alerts, warehouse, NOW, {"t.check_0": True})
    assert len(receiver.texts()) == 1


def test_checks_of_a_run_are_told_with_when_it_began(tmp_path: Path, receiver: Receiver) -> None:
    warehouse, alerts = warehouse_of(tmp_path, *STEADY), alerts_to(receiver)
    checks = [
        Check(name, "t", None, "totals", "error", "", AddsUp("adds_up", (), (), ""))
        for name in ("t.adds_up", "t.history_stays")
    ]
    noted = data_quality_results.rows([Result(check, 1, 1, None) for check in checks], "run_1", NOW)
    warehouse.note(data_quality_results.TABLE, noted)
    tell(alerts, warehouse, NOW)
    (text,) = receiver.texts()
    # What a refused run would have lost is of that run, and no later one says that it is over.
    began = "in the run that began 2025-12-02 00:00 UTC"
    assert text.endswith(f"• A check of severity error failed {began}: t.adds_up")
    assert said(warehouse)["checks"] == {"t.adds_up"}


def noted_run(warehouse: Warehouse, counts: RunCounts) -> None:
    state = RunState(Run("run_1", "update", "0.3.0", NOW), "done", NOW, counts)
    warehouse.note(pipeline_runs.TABLE, pipeline_runs.row(state))


def test_dead_letters_and_age_have_bounds(tmp_path: Path, receiver: Receiver) -> None:
    warehouse = warehouse_of(tmp_path, *STEADY)
    letters = {"bad_event_type": 6, "excluded": 50}  # These rules leave out, and keep.
    noted_run(warehouse, RunCounts(100, 44, 0, dead_letters=letters))
    newest = "SELECT DATE '2025-12-01' AS event_date, TIMESTAMP '2025-12-01 10:00' AS event_time"
    changed(warehouse, f"CREATE TABLE fct_events AS {newest}")
    tell(alerts_to(receiver, dead_letter_pct=6.0, max_age_hours=14.0), warehouse, NOW)
    assert receiver.texts() == []
    alerts = alerts_to(receiver, dead_letter_pct=5.9, max_age_hours=13.9)
    for _ in range(2):
        tell(alerts, warehouse, NOW)
    (text,) = receiver.texts()
    assert "• 6 of 100 input rows of the last run are dead letters (6.0 %, more than 5.9 %)" in text
    assert "• The newest event is of 2025-12-01 10:00:00 UTC, 14.0 hours ago" in text


def test_an_alert_that_was_not_taken_is_tried_again_by_the_next(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, alerts = warehouse_of(tmp_path, *FALLING), alerts_to(receiver)
    receiver.answers = [404]
    with alerting(alerts, warehouse, "batch"):
        pass
    printed = capsys.readouterr().err
    assert printed.startswith("Warning: the alert was not taken by 127.0.0.1 (HTTP 404)")
    assert SECRET not in printed
    assert warehouse.count(alerts_said.TABLE) is None
    receiver.got.clear()
    with alerting(alerts, warehouse, "batch"):
        pass
    assert len(receiver.texts()) == 1


def test_what_can_not_be_noted_says_so_and_fails_nothing(
    tmp_path: Path,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warehouse = warehouse_of(tmp_path, *FALLING)

    def refuse(*_: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr(type(warehouse), "note", refuse)
    with alerting(alerts_to(receiver), warehouse, "batch"):
        pass
    assert len(receiver.texts()) == 1
    assert "what was posted will be posted again: the disk is full" in capsys.readouterr().err


def test_a_run_that_fails_is_told_without_its_message(tmp_path: Path, receiver: Receiver) -> None:
    alerts = alerts_to(receiver)
    (tmp_path / "there").mkdir()
    there = warehouse_of(tmp_path / "there", *STEADY)
    for _ in range(2):
        with (
            pytest.raises(RunError, match="ann has"),
            alerting(alerts, there, "update"),
        ):
            raise RunError("ann has a bad row")
    (text,) = receiver.texts()
    assert "• update failed" in text
    assert "ann" not in text
    with alerting(alerts, there, "update"):
        pass
    assert (receiver.texts(), said(there)) == ([], {})
    with pytest.raises(OptionError), alerting(alerts, there, "update"):
        raise OptionError("--input is wrong")
    assert receiver.texts() == []


def test_where_there_is_no_warehouse_a_failure_is_told_and_none_is_made(
    tmp_path: Path, receiver: Receiver
) -> None:
    from pipeline.warehouse import open_warehouse

    missing = open_warehouse(f"duckdb:///{tmp_path}/none.duckdb")
    with pytest.raises(RunError), alerting(alerts_to(receiver), missing, "batch"):
        raise RunError("no")
    assert len(receiver.texts()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stream_looks_once_a_minute_or_every_ten_when_nothing_comes(
    tmp_path: Path, receiver: Receiver
) -> None:
    looked: list[float] = []
    now = 0.0

    class Looking:
        """A warehouse that counts looks."""

        url = "duckdb:///x"
        kept_open = nullcontext

        def present(self) -> None:
            looked.append(now)

    watch = Watch(alerts_to(receiver), Looking(), lambda: now)  # type: ignore[arg-type]
    unwatched = Watch(None, Looking(), lambda: now)  # type: ignore[arg-type]
    for second in range(0, 2_000, 10):
        now = float(second)
        if second < 300:
            watch.flushed()
            unwatched.flushed()
        watch.look_when_due()
        unwatched.look_when_due()
    # Each look asks twice whether there are tables: for what is found, and for what was said.
    assert looked[::2] == looked[1::2] == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 900.0, 1500.0]


def test_a_check_that_alerts_needs_no_beam() -> None:
    code = (
        "import sys, pipeline.launch.check_launch, pipeline.alerts.watch; "
        "sys.exit('apache_beam' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


THINGS = st.frozensets(st.sampled_from("abc"))


@given(st.lists(st.tuples(THINGS, THINGS | st.none())))
def test_nothing_is_told_twice_unless_it_was_over(looks: list[tuple[Any, Any]]) -> None:
    """Held against each thing by itself: told where it holds, was seen, and did not hold before."""
    noted: dict[str, frozenset[str]] = {}
    open_things: set[str] = set()
    for holds, examined in looks:
        seen = set("abc") if examined is None else set(examined) | holds
        finding = Finding("subject", holds, "text", examined=examined)
        is_new = bool(holds - open_things)
        assert bool(news([finding], noted)) == is_new
        noted = told([finding], noted)
        open_things = (open_things - seen) | holds
        assert noted.get("subject", frozenset()) == open_things


def test_the_address_is_part_of_nothing_that_is_kept_or_shown(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--alert", receiver.url], [f"--alert={receiver.url}"]):
        for name in ("batch", "update", "stream"):
            options = built(name, *words, "--runner", "FnApiRunner")
            assert options.alert.url == receiver.url
            assert SECRET not in repr(options)
            assert SECRET not in json.dumps(recorded(options))
            assert options.beam.whole[-2:] == ("--runner", "FnApiRunner")
            assert SECRET not in " ".join(options.beam.whole)
    for wrong in (f"--alert=x{receiver.url}", f"--alrt={receiver.url}"):
        with pytest.raises(SystemExit):
            main(["check", wrong])
        printed = capsys.readouterr().err
        assert SECRET not in printed
        assert "--al" in printed


def test_a_job_that_goes_on_elsewhere_posts_nothing(receiver: Receiver, tmp_path: Path) -> None:
    from pipeline.launch.runners import refuse_alert

    refuse_alert(True, waits=True)
    refuse_alert(False, waits=False)
    with pytest.raises(OptionError, match="let a schedule run check --alert"):
        refuse_alert(True, waits=False)
    with pytest.raises(OptionError, match="--max_age_hours is a bound of --alert here"):
        Alerts.of(built("update", "--max_age_hours", "3"))


def test_only_what_is_no_mart_holds_what_was_said() -> None:
    assert alerts_said.TABLE.name not in TABLES
