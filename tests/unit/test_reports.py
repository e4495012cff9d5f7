"""What runs report is a type; as JSON it keeps its keys, and reads back as what it was."""

from __future__ import annotations

import json

import pytest

from pipeline.replay.attempt import Outcome
from pipeline.replay.replay_report import ReplayReport
from pipeline.replay.replay_summary import show_dry_run, show_outcome
from pipeline.reports import BatchReport, QualityReport
from transforms.kernels.run_counts import Example, RunCounts
from transforms.quality.reported import Reported

EXAMPLE = Example("why", "record", "a.csv", "17")
LEFT_OUT = {"ids": 1, "where.agent": 2}
COUNTS = RunCounts(
    10, 6, 1, 2, {"bad_country": 3}, {"bad_country": EXAMPLE}, 4, 5, 6, excluded=LEFT_OUT
)
PASSED = Reported("t.a", "error", "pass", 0, 9, None, "a rule")
FAILED = Reported("t.b", "warn", "fail", 2, 9, [{"day": "2025-01-01"}], "another rule")
BATCH = BatchReport(COUNTS, {"fct_events": 6}, 1.5, QualityReport("warn", (PASSED, FAILED)))
BATCH_JSON = {
    "input_rows": 10,
    "events": 6,
    "duplicates": 1,
    "dead_letters": {"total": 3, "by_error_type": {"bad_country": 3}},
    "dead_letter_examples": {
        "bad_country": {
            "message": "why",
            "payload": "record",
            "source": "a.csv",
            "position": "17",
        }
    },
    "forgotten": 6,
    "excluded": {"total": 3, "by_rule": LEFT_OUT},
    "ignored_miles_amounts": 2,
    "earlier_corrections": {"applied": 4, "failed": 5},
    "tables": {"fct_events": 6},
    "seconds": 1.5,
    "quality": {
        "mode": "warn",
        "passed": 1,
        "failed": {"error": 0, "warn": 1},
        "results": [
            {
                "check_id": "t.a",
                "severity": "error",
                "status": "pass",
                "failing_rows": 0,
                "checked_rows": 9,
                "sample": None,
                "description": "a rule",
            },
            {
                "check_id": "t.b",
                "severity": "warn",
                "status": "fail",
                "failing_rows": 2,
                "checked_rows": 9,
                "sample": [{"day": "2025-01-01"}],
                "description": "another rule",
            },
        ],
    },
}


def test_the_summary_of_a_batch_keeps_its_keys() -> None:
    assert BATCH.to_json() == BATCH_JSON
    assert list(BATCH.to_json()) == list(BATCH_JSON)
    unchecked = BatchReport(COUNTS, {}, 1.5).to_json()
    assert "quality" not in unchecked


def test_a_batch_report_reads_back() -> None:
    assert BatchReport.from_json(json.loads(json.dumps(BATCH.to_json()))) == BATCH
    unchecked = BatchReport(RunCounts(), {}, 0.0)
    assert BatchReport.from_json(unchecked.to_json()) == unchecked


def test_the_summary_of_a_replay_keeps_its_keys() -> None:
    outcome = Outcome(dead_letters=9, cut_short=1, corrections=2)
    outcome.passed["bad_country"] += 2
    outcome.failed["bad_country", "too_late"] += 1
    assert ReplayReport(outcome, 5, BATCH).to_json() == {
        **BATCH_JSON,
        "dead_letters": 9,
        "tried": 3,
        "cut_short": 1,
        "corrected": 2,
        "passed": {"bad_country": 2},
        "failed_again": [{"error_type": "bad_country", "now": "too_late", "dead_letters": 1}],
        "before": {"events": 5, "dead_letters": 9},
        "after": {"events": 11, "dead_letters": 7},
    }


def test_dead_letters_whose_id_is_taken_fail_again(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(dead_letters=14)
    outcome.passed["conflicting_event"] += 12
    show_dry_run(outcome, identified=True)
    assert "whether other events with these ids are stored shows when it is done" in told(capsys)
    outcome.conflict(12)
    report = ReplayReport(outcome, 5, BatchReport(RunCounts(12), {}, 0.1)).to_json()
    assert report["before"] == report["after"] == {"events": 5, "dead_letters": 14}
    assert report["passed"] == {}
    assert report["failed_again"] == [
        {"error_type": "conflicting_event", "now": "conflicting_event", "dead_letters": 12}
    ]
    show_outcome(outcome, "Done")
    shown = told(capsys)
    assert "14 dead letters = 0 passed + 12 failed again + 2 not tried" in shown
    assert "conflicting_event 12" in shown


def test_of_several_kinds_nobody_knows_which_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(dead_letters=9)
    outcome.passed.update({"bad_country": 2, "conflicting_event": 3})
    outcome.conflict(4)
    report = ReplayReport(outcome, 5, BatchReport(RunCounts(5, 1), {}, 0.1)).to_json()
    assert report["conflicting"] == 4
    assert report["after"] == {"events": 6, "dead_letters": 8}
    show_outcome(outcome, "Done")
    shown = told(capsys)
    assert "9 dead letters = 1 passed + 4 failed again + 4 not tried" in shown
    assert "4 dead letters that could be read failed for the id of another event" in shown


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, in one line."""
    return " ".join(capsys.readouterr().out.split())
