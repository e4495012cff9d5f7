"""What a person sees of a run that forgets people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.padding import Padding

from pipeline.display.page import Page, show_warehouse
from pipeline.forget.forget_report import ForgetReport
from pipeline.terminal import counted
from pipeline.warehouse import Warehouse

# Whatever the warehouse is.
_ELSEWHERE = (
    "source files: remove them there too, or keep on dropping them",
    "messages that wait in a subscription or are kept by a topic, dead-letter topics among them",
    "what killed runs have staged, until the next run clears it",
    "summaries, logs, corrected files and exports that were written before",
)


def show_forgotten(report: ForgetReport, warehouse: Warehouse) -> None:
    """Print what a run has done, and where people are found still."""
    _show(report, warehouse, f"Done in {report.seconds:.1f} s", "out of the tables")


def show_dry_run(report: ForgetReport, warehouse: Warehouse) -> None:
    """Print what a run would do."""
    _show(report, warehouse, "Nothing was changed", "would leave the tables")


def _show(report: ForgetReport, warehouse: Warehouse, heading: str, leave: str) -> None:
    page = Page()
    unknown = report.asked - report.users
    page.print()
    page.print(
        f"[bold]{heading}:[/] {counted(report.asked, 'user id')} = "
        f"{counted(report.users, 'user')} with events + {unknown:,} without"
    )
    for line in _lines(report, leave):
        page.print(f"  {line}")
    capabilities = warehouse.capabilities
    left = () if report.rewriting_seconds is not None else capabilities.keeps_until_compacted
    if capabilities.keeps_until_compacted and report.rewriting_seconds:
        page.print("  the file was rewritten: nothing of who left its tables is in it any more")
    page.print("\n[bold]Not in reach, and yours to see to[/]")
    for place in (*left, *_ELSEWHERE, *capabilities.keeps_deleted):
        page.print(Padding(place, (0, 2)))
    show_warehouse(page, warehouse)
    page.print()


def _lines(report: ForgetReport, leave: str) -> Iterator[str]:
    if report.other_ids:
        yield f"{counted(report.other_ids, 'other id')} of the same people"
    if report.pseudonymised:
        yield f"{counted(report.events, 'event')} under pseudonyms: no figure changes"
    elif report.events:
        yield f"{counted(report.events, 'event')} {leave}, and all figures with them"
    else:
        yield "no event of theirs is in the tables: no figure changes"
    theirs = (
        (report.dead_letters, "dead letter"),
        (report.corrections, "correction"),
    )
    for number, what in theirs:
        if number:
            yield f"{counted(number, what)} {leave}"
    if report.samples:
        yield f"{counted(report.samples, 'sample')} of checks without their keys"
    if report.messages:
        yield f"{counted(report.messages, 'message')} of runs that named them, left out"
    yield (
        f"{report.listed:,} new on the list of who was forgotten: later runs drop what comes of "
        "them, and count it"
    )
