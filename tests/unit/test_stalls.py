"""A stream whose tables do not come to hold what it has read says so."""

from __future__ import annotations

import pytest

from pipeline.launch.stalls import StallWatch, missing
from pipeline.reports import FlushReport
from transforms.kernels.run_counts import RunCounts


def report_of(events: int, dead_letters: int, flush: int = 3) -> FlushReport:
    """A flush after which so many rows are in the tables, of 10 events and 4 dead letters."""
    counts = RunCounts(input_rows=15, events=10, duplicates=1, dead_letters={"a": 3, "b": 1})
    return FlushReport(flush, counts, events=events, dead_letters=dead_letters)


@pytest.mark.parametrize(
    ("report", "handed_out", "expected"),
    [
        (report_of(9, 4), 15, "fct_events holds 9 rows of 10 events: see who else writes to them"),
        (
            report_of(11, 1),
            15,
            "fct_events holds 11 rows of 10 events; dead_letter_events holds 1 row of 4 dead "
            "letters: see who else writes to them",
        ),
        (report_of(10, 4), 15, "dim_users or another table does not hold what the events"),
        (report_of(9, 4), 16, "1 message under way; fct_events holds 9 rows of 10 events"),
        (FlushReport(), 2, "2 messages under way"),
    ],
)
def test_what_is_missing_is_named(report: FlushReport, handed_out: int, expected: str) -> None:
    assert missing(report, handed_out).startswith(expected)


def test_it_is_said_once_after_a_while_and_again_when_a_stop_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    watch = StallWatch(90, lambda: now[0])

    def warning_at(seconds: float, report: FlushReport) -> str:
        now[0] = seconds
        watch.look(report, 15)
        return capsys.readouterr().err

    assert warning_at(89, report_of(9, 4)) == ""
    assert warning_at(90, report_of(9, 4)).startswith("warning: no flush for 90 s, and not all")
    assert warning_at(500, report_of(9, 4)) == ""
    watch.advanced()
    assert warning_at(589, report_of(9, 4)) == ""
    assert warning_at(590, report_of(9, 4)) == ""
    assert "8 rows of 10" in warning_at(591, report_of(8, 4))
    watch.restart()
    assert warning_at(680, report_of(8, 4)) == ""
    assert "8 rows of 10" in warning_at(681, report_of(8, 4))
