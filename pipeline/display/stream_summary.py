"""What a person sees of a stream: a line for each flush, warnings, and its summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.display.page import (
    Page,
    came,
    dead_letter_lines,
    dropped_rows,
    section,
    show_failed,
    show_growth,
)
from pipeline.reports import FlushReport
from pipeline.terminal import counted, print_error, printable
from pipeline.warehouse import TableReader
from transforms.kernels.run_counts import RunCounts
from transforms.reckoning import PLAIN, Reckoning

# Of a flush's messages; a producer that sends this many wrong ones has changed something.
_WARNED_PCT: Final = 10
_REASONS_SHOWN: Final = 3
_PAYLOAD_SHOWN: Final = 200
_WAYS_OUT: Final[Mapping[str, str]] = {
    "too_late": "Start with a longer --late_horizon_days (up to 3650), or build the tables with "
    "`batch`, which takes events of any age",
    "event_time_out_of_range": "See that the clocks of the producers and of this machine are right",
    "malformed_message": "Send JSON objects with the columns as fields, or CSV records with the "
    "attribute content_type text/csv",
}
_OTHERWISE: Final = "Correct what sends them; `replay` takes in corrected ones"


class FlushLines:
    """Prints the flushes of a stream as they come, on stderr."""

    def __init__(self) -> None:
        self._before = RunCounts()
        self._warned: str | None = None

    def show(self, report: FlushReport) -> None:
        """Print what has become of all messages with a flush.

        Of many dead letters for one reason in one flush after the other the first ones are warned
        of.
        """
        print_error(flush_line(report))
        counts = report.counts
        reason = frequent_reason(self._before, counts)
        if counts.input_rows > self._before.input_rows:
            if reason is not None and reason != self._warned:
                print_error(f"warning: {explained(reason, self._before, counts)}")
            self._warned = reason
        self._before = counts


def flush_line(report: FlushReport) -> str:
    """A flush in one line."""
    rows = counted(sum(report.rows.values()), "row")
    text = f"flush {report.flush:,}: {rows}; so far {_sum(report)}"
    failed = [result.check_id for result in report.failed]
    if failed:
        more = f" and {len(failed) - 3:,} more" if len(failed) > 3 else ""
        text += f"; failed checks: {', '.join(failed[:3])}{more}"
    return text


def frequent_reason(before: RunCounts, counts: RunCounts) -> str | None:
    """The error_type that most of the dead letters have which came between two counts.

    None where they are no more than a tenth of the messages.
    """
    came = counts.input_rows - before.input_rows
    dead_letters = _new_dead_letters(before, counts)
    if 100 * sum(dead_letters.values()) <= _WARNED_PCT * came:
        return None
    return max(dead_letters, key=lambda name: dead_letters[name])


def explained(reason: str, before: RunCounts, counts: RunCounts) -> str:
    """How many dead letters came between two counts, why most of them are some, with the first
    one of that kind ever, and what to do."""
    dead_letters = sum(_new_dead_letters(before, counts).values())
    came = counts.input_rows - before.input_rows
    example = counts.examples[reason]
    payload = printable(example.payload)
    if len(payload) > _PAYLOAD_SHOWN:
        payload = f"{payload[:_PAYLOAD_SHOWN]}..."
    return (
        f"{dead_letters:,} of {came:,} messages are dead letters, most of them {reason}: "
        f"{printable(example.message)}, e.g. {payload}. {_WAYS_OUT.get(reason, _OTHERWISE)}"
    )


def _new_dead_letters(before: RunCounts, counts: RunCounts) -> dict[str, int]:
    return {
        name: number - before.dead_letters.get(name, 0)
        for name, number in counts.dead_letters.items()
    }


def show_stream_summary(
    report: FlushReport, warehouse: TableReader, reckoning: Reckoning = PLAIN
) -> None:
    """Print what a stream has come to, once it has stopped."""
    console = Page()
    counts = report.counts
    if not report.flush:
        console.print("\n[bold]Stopped:[/] no message came")
        return
    console.print(f"\n[bold]Stopped:[/] {_sum(report)}")
    if report.evaluated:
        passed = report.evaluated - len(report.failed)
        console.print(f"  checks of the last flush  {passed:,} passed")
    if counts.dead_letters:
        lines = dead_letter_lines(counts)
        what = "~the first of them: what is wrong, and the message"
        section(console, "Dead letters", lines, "error_type", ">messages", what)
        if (reason := frequent_reason(RunCounts(), counts)) is not None:
            console.print(f"  {_WAYS_OUT.get(reason, _OTHERWISE)}.", markup=False)
    show_failed(console, report.failed)
    show_growth(console, warehouse, reckoning)


def _sum(report: FlushReport) -> str:
    """Messages = events + duplicates + dead letters, these with their most frequent reasons, and
    those of forgotten users, if there are any."""
    counts, pending = report.counts, report.pending
    dead_letters = counted(counts.rejected, "dead letter")
    parts = [
        counted(counts.events, "event"),
        counted(counts.duplicates, "duplicate"),
        f"{dead_letters}{_reasons(counts.dead_letters)}",
        *dropped_rows(counts),
    ]
    messages = came(counts, "message")
    if pending:
        return f"{messages}: {', '.join(parts)}, {abs(pending):,} under way"
    return f"{messages} = {' + '.join(parts)}"


def _reasons(dead_letters: Mapping[str, int]) -> str:
    """The most frequent ones in brackets; nothing where there is none."""
    if not dead_letters:
        return ""
    ranked = sorted(dead_letters.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number:,} {name}" for name, number in ranked[:_REASONS_SHOWN]]
    rest = sum(number for _, number in ranked[_REASONS_SHOWN:])
    return f" ({', '.join([*shown, *([counted(rest, 'other')] if rest else [])])})"
