"""What a stream says where what it has read does not come to be in its tables."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.reports import FlushReport
from pipeline.terminal import counted, print_error
from transforms.marts import dead_letter_events, dim_users, fct_events


class StallWatch:
    """Says so on stderr when for a while no flush has come though something is missing.

    Somebody may have removed rows from tables that a stream keeps: then no flush finds all that
    was read in them, nothing more is acknowledged, and a stop has no end.

    Args:
        patience_seconds: how long nothing may happen.
        clock: seconds since any moment; never steps back.
    """

    def __init__(self, patience_seconds: float, clock: Callable[[], float] = time.monotonic):
        self._patience_seconds, self._clock = patience_seconds, clock
        self._since, self._told = clock(), ""

    def restart(self) -> None:
        """Begin to wait again; what was said is said again."""
        self._since, self._told = self._clock(), ""

    def advanced(self) -> None:
        """Take note that there was a flush, or that nothing is missing."""
        self._since = self._clock()

    def look(self, report: FlushReport, handed_out: int) -> None:
        """Say what is missing, once, if that has lasted.

        Args:
            report: of the last flush.
            handed_out: how many messages were read.
        """
        if self._clock() - self._since < self._patience_seconds:
            return
        text = missing(report, handed_out)
        if text != self._told:
            self._told = text
            print_error(
                f"warning: no flush for {self._clock() - self._since:.0f} s, and not all that was "
                f"read is in the tables: {text}. Messages that are not surely in all tables are "
                "not acknowledged: they come again when the stream has ended, and a stop waits "
                "for them; Ctrl-C twice leaves at once"
            )


def missing(report: FlushReport, handed_out: int) -> str:
    """What the tables lack, or have too much, of what a stream has read.

    Args:
        report: of the last flush, as `CommitFlushes` gives it.
        handed_out: how many messages were read.
    """
    counts = report.counts
    found = []
    if report.flush:
        dead_letters = counts.rejected
        for table, rows, expected, what in (
            (fct_events.TABLE, report.events, counts.events, "event"),
            (dead_letter_events.TABLE, report.dead_letters, dead_letters, "dead letter"),
        ):
            if rows != expected:
                found.append(
                    f"{table.name} holds {counted(rows, 'row')} of {counted(expected, what)}"
                )
    under_way = handed_out - counts.input_rows
    if under_way:
        return "; ".join([f"{counted(under_way, 'message')} under way", *found])
    if found:
        return f"{'; '.join(found)}: see who else writes to them"
    return (
        f"{dim_users.TABLE.name} or another table does not hold what the events in it come to: see "
        "who else writes to them"
    )
