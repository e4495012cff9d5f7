"""A stream's lines say what became of messages, and why those that are no events are none."""

from __future__ import annotations

import pytest

from pipeline.display.stream_summary import FlushLines, flush_line
from pipeline.reports import FlushReport
from transforms.kernels.run_counts import Example, RunCounts


def report_of(flush: int, events: int, pending: int = 0, **dead_letters: int) -> FlushReport:
    """A flush after which there are so many events and, by error_type, dead letters."""
    counts = RunCounts(
        input_rows=events + sum(dead_letters.values()) + pending,
        events=events,
        dead_letters=dead_letters,
        examples={name: Example(f"why {name}\a", "x" * 300, "s", "1") for name in dead_letters},
    )
    return FlushReport(flush, counts, {"fct_events": 1}, pending=pending)


def test_a_flush_names_the_most_frequent_reasons() -> None:
    dead_letters = {"too_late": 3_160, "bad_country": 2, "malformed_row": 1, "bad_event_time": 1}
    assert flush_line(report_of(3, 10, **dead_letters)) == (
        "flush 3: 1 row; so far 3,174 messages = 10 events + 0 duplicates + 3,164 dead letters "
        "(3,160 too_late, 2 bad_country, 1 bad_event_time, 1 other)"
    )
    assert flush_line(report_of(3, 10, 1)) == (
        "flush 3: 1 row; so far 11 messages: 10 events, 0 duplicates, 0 dead letters, 1 under way"
    )


def warnings_of(capsys: pytest.CaptureFixture[str], *reports: FlushReport) -> list[str]:
    lines = FlushLines()
    output = []
    for report in reports:
        lines.show(report)
        output.append("".join(capsys.readouterr().err.splitlines(keepends=True)[1:]))
    return output


def test_many_dead_letters_are_warned_of_with_an_example_and_the_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (output,) = warnings_of(capsys, report_of(1, 4, too_late=3_160, bad_country=2))
    assert output == (
        "warning: 3,162 of 3,166 messages are dead letters, most of them too_late: why too_late"
        f"\\x07, e.g. {'x' * 200}.... Start with a longer --late_horizon_days "
        "(up to 3650), or build the tables with `batch`, which takes events of any age\n"
    )


def test_a_warning_comes_once_for_as_long_as_its_reason_lasts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = warnings_of(
        capsys,
        report_of(1, 90, too_late=10),
        report_of(2, 90, too_late=20),
        report_of(3, 90, too_late=30),
        report_of(4, 90, too_late=30, bad_country=1),
        report_of(5, 190, too_late=30, bad_country=1),
        report_of(6, 190, too_late=31, bad_country=1),
    )
    assert [line.partition(":")[2][:50] for line in output] == [
        "",
        " 10 of 10 messages are dead letters, most of them ",
        "",
        " 1 of 1 messages are dead letters, most of them ba",
        "",
        " 1 of 1 messages are dead letters, most of them to",
    ]
