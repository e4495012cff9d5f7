"""What a person sees of a replay."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from pipeline.display.check_display import checks_line
from pipeline.display.page import (
    Page,
    plus_forgotten,
    plus_taken_back,
    section,
    show_failed,
    show_growth,
)
from pipeline.display.update_summary import other_checks
from pipeline.replay.attempt import Outcome, Sample
from pipeline.replay.replay_report import ReplayReport
from pipeline.terminal import counted, printable
from pipeline.warehouse import TableReader
from transforms.kernels.source_ids import CONFLICTING
from transforms.reckoning import PLAIN, Reckoning

_NOTHING = "[bold]Nothing to replay:[/]"


def show_outcome(outcome: Outcome, heading: str) -> None:
    """Print what an attempt has come to, after a line that says what was done with it."""
    page = Page()
    page.print()
    page.print(f"[bold]{heading}[/]")
    _show(page, outcome)
    _show_failing(page, outcome)
    page.print()


def show_dry_run(outcome: Outcome, identified: bool = False) -> None:
    """Print what an attempt would come to, with some dead letters before and after.

    Args:
        outcome: what it would come to.
        identified: whether the source says ids of events, which are not looked up here.
    """
    page = Page()
    page.print()
    page.print("[bold]A dry run: nothing was written[/]")
    _show(page, outcome)
    if identified and outcome.left:
        page.print(
            "  whether other events with these ids are stored shows when it is done: those that "
            f"contradict one fail again ({CONFLICTING})"
        )
    samples = list(_samples(outcome))
    if samples:
        section(page, "Some of them", samples, "error_type", "when", "~the record")
    page.print()


def show_nothing(outcome: Outcome, warehouse: TableReader) -> None:
    """Say that no dead letter was tried."""
    page = Page()
    page.print()
    if not outcome.dead_letters:
        url = escape(printable(warehouse.url))
        page.print(f"{_NOTHING} {url} has no dead letters", soft_wrap=True)
    else:
        there = counted(outcome.dead_letters, "dead letter")
        page.print(f"{_NOTHING} of {there} none is meant by --error_type, --since or --input")
    _show_cut(page, outcome)
    page.print()


def show_replay(report: ReplayReport, warehouse: TableReader, reckoning: Reckoning = PLAIN) -> None:
    """Print a finished replay's summary."""
    page = Page()
    page.print()
    outcome, counts = report.outcome, report.update.counts
    duplicates = counted(counts.duplicates, "duplicate")
    excluded = plus_forgotten(counts)
    page.print(f"[bold]Done in {report.update.seconds:.1f} s[/]")
    page.print(
        f"  {counted(outcome.left, 'corrected record')}{plus_taken_back(counts)} = "
        f"{counted(counts.events, 'new event')} + {duplicates}{excluded}"
    )
    before, after = (
        [counted(rows["events"], "event"), counted(rows["dead_letters"], "dead letter")]
        for rows in (report.before, report.after)
    )
    now = f"{after[0]} + {duplicates} + {after[1]}{excluded}"
    page.print(f"  {before[0]} + {before[1]} before = {now}")
    if outcome.corrections:
        page.print(
            f"  {counted(outcome.corrections, 'correction')} kept in "
            "dead_letter_corrections: later batch runs over the same files apply them"
        )
    results = report.update.results
    if results:
        page.print(f"  {checks_line(results)}")
        page.print(f"  {other_checks(warehouse)}", markup=False)
    _show(page, outcome)
    _show_failing(page, outcome)
    show_failed(page, results)
    show_growth(page, warehouse, reckoning)


def _show(page: Console, outcome: Outcome) -> None:
    passed, failed = outcome.left, outcome.failed.total() + outcome.conflicting
    others = outcome.dead_letters - outcome.tried
    page.print(
        f"  {counted(outcome.dead_letters, 'dead letter')} = {passed:,} passed + {failed:,} failed "
        f"again + {others:,} not tried"
    )
    if outcome.conflicting:
        page.print(
            f"  {counted(outcome.conflicting, 'dead letter')} that could be read failed for the id "
            f"of another event ({CONFLICTING})"
        )
    _show_cut(page, outcome)
    lines = [
        (
            error_type,
            f"{outcome.passed[error_type] + sum(again.values()):,}",
            f"{outcome.passed[error_type]:,}",
            ", ".join(f"{name} {number:,}" for name, number in sorted(again.items())),
        )
        for error_type, again in _by_type(outcome)
    ]
    if lines:
        passed_as = ">could be read" if outcome.conflicting else ">passed"
        section(page, "Tried", lines, "error_type", ">dead letters", passed_as, "~failed again")


def _by_type(outcome: Outcome) -> Iterator[tuple[str, dict[str, int]]]:
    for error_type in sorted({*outcome.passed, *(before for before, _ in outcome.failed)}):
        yield (
            error_type,
            {
                now: number
                for (before, now), number in outcome.failed.items()
                if before == error_type
            },
        )


def _show_cut(page: Console, outcome: Outcome) -> None:
    if outcome.cut_short:
        page.print(
            f"  {counted(outcome.cut_short, 'dead letter')} can never pass: of a record that is "
            "too long the beginning alone is kept; take the rest from the source"
        )


def _show_failing(page: Console, outcome: Outcome) -> None:
    """Print of each kind of dead letter that fails again one, and why."""
    by_type = {
        sample.failure.error_type: (sample.failure.message, sample.after)
        for _, samples in sorted(outcome.samples.items(), reverse=True)
        for sample in reversed(samples)
        if sample.failure is not None
    }
    lines = [
        line
        for error_type, (message, record) in sorted(by_type.items())
        for line in ((error_type, message), ("", record))
    ]
    if lines:
        explained = "~one of them: what is wrong, and the record as it was tried"
        section(page, "Failed again", lines, "error_type", explained)


def _samples(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    for error_type, samples in sorted(outcome.samples.items()):
        for sample in samples:
            yield error_type, "before", sample.before
            yield "", "after", _unless_same(sample)
            yield "", "then", _result(sample)


def _unless_same(sample: Sample) -> str:
    return "the same" if sample.after == sample.before else sample.after


def _result(sample: Sample) -> str:
    if sample.failure is None:
        return "passes"
    return f"fails: {sample.failure.error_type}: {sample.failure.message}"
