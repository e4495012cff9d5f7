"""How many of a stream's messages are surely in all tables, by the reports of its flushes."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.reports import FlushReport


@dataclass
class _Counted:
    """What a flush has counted.

    Attributes:
        messages: how many were read.
        rejected: how many of them are none: dead letters, or of forgotten users.
        dead_letters: how many of these are dead letters.
        events: how many rows of fct_events hold all events among them; None while some of them
            may still prove to be duplicates.
        flush: the number of the flush that counted them.
    """

    messages: int
    rejected: int
    dead_letters: int
    events: int | None = None
    flush: int = 0


class Receipts:
    """Reports of flushes against each other.

    Messages pass the local runner in the order in which they were read, one bundle after another,
    so what holds of numbers holds of messages, from the first on. Rows of users can't be counted
    without reading them: they are staged with the events, and in the tables a flush later, or
    where a report is `complete`.
    """

    def __init__(self) -> None:
        self._open: list[_Counted] = []
        self._committed = 0

    def committed(self, report: FlushReport) -> int:
        """How many messages are in all tables, now that there is this report, the next one."""
        counts = report.counts
        for counted in self._open:
            processed = counts.events + counts.duplicates + counted.rejected
            if counted.events is None and processed >= counted.messages:
                counted.events, counted.flush = counts.events, report.flush
        while self._open and _holds(report, self._open[0]):
            self._committed = self._open.pop(0).messages
        if report.complete:
            self._open.clear()
            self._committed = counts.input_rows
        else:
            rejected = counts.rejected + counts.forgotten
            self._open.append(_Counted(counts.input_rows, rejected, counts.rejected))
        return self._committed


def _holds(report: FlushReport, counted: _Counted) -> bool:
    return (
        counted.events is not None
        and report.flush > counted.flush
        and report.events >= counted.events
        and report.in_marts >= counted.events
        and report.dead_letters >= counted.dead_letters
    )
