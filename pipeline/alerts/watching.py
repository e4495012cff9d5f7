"""What in a warehouse may need a person: looked at by a few small queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from pipeline.alerts.bounds import Alerts
from pipeline.alerts.findings import Finding
from pipeline.alerts.freshness import freshness
from pipeline.sinks.shrinking import is_of_history
from pipeline.warehouse import TableReader
from transforms.kernels.calendar import as_datetime
from transforms.kernels.parse import EXCLUDED
from transforms.kernels.run_counts import RunCounts
from transforms.marts import data_quality_results, quick_ratio_analysis
from transforms.state import pipeline_runs

LEVEL: Final = "alert_level"
CHECKS: Final = "checks"
DEAD_LETTERS: Final = "dead_letters"
AGE: Final = "age"
RUN: Final = "run"
STATE: Final = "state"
# So many checks are named; more are counted.
_NAMED: Final = 5


def findings(
    warehouse: TableReader,
    alerts: Alerts,
    now: datetime,
    results: Mapping[str, bool] | None = None,
) -> Iterator[Finding]:
    """How things are with a warehouse, one after the other.

    Args:
        warehouse: where the tables are.
        alerts: the bounds.
        now: in UTC without a zone.
        results: by the ids of checks that were evaluated, whether one of severity error failed;
            None for what the last run has noted.

    Raises:
        RunError: if it can't be read.
        DataError: if a later version noted what this one does not know.
    """
    present = warehouse.present() or set()
    if quick_ratio_analysis.TABLE.name in present:
        yield _level(warehouse)
    if results is None and data_quality_results.TABLE.name in present:
        yield from _last_checks(warehouse)
    elif results:
        yield _checks(results)
    if pipeline_runs.TABLE.name in present:
        counts = _last_counts(warehouse)
        if counts is not None:
            yield _dead_letters(counts, alerts.dead_letter_pct)
    if alerts.max_age_hours is not None:
        refusal = freshness(warehouse, now).refusal(alerts.max_age_hours)
        yield Finding(AGE, frozenset({"old"} if refusal else ()), _sentence(refusal or ""))


def failed_run(command: str) -> Finding:
    """A run that has failed; its message may quote data, so it is not part of it."""
    return Finding(
        RUN,
        frozenset({command}),
        f"{command} failed: its output says why, and so does pipeline_runs where it could note it",
        examined=frozenset({command}),
    )


def run_done(command: str) -> Finding:
    """A run that has not failed."""
    return Finding(RUN, frozenset(), "", examined=frozenset({command}))


def misfit_found(misfit: str | None) -> Finding:
    """The state and the marts: why they are not of the same events; None where they are."""
    return Finding(STATE, frozenset({"misfit"} if misfit else ()), _sentence(misfit or ""))


def _level(warehouse: TableReader) -> Finding:
    """That of the last complete month; a running one is not judged."""
    table = warehouse.source(quick_ratio_analysis.TABLE)
    (rows,) = warehouse.ask(
        [
            f"SELECT activity_month, alert_level, quick_ratio FROM {table} WHERE is_complete "
            "ORDER BY activity_month DESC LIMIT 1"
        ]
    )
    if not rows:
        return Finding(LEVEL, frozenset(), "")
    (month,) = rows
    level, ratio = month["alert_level"], month["quick_ratio"]
    named = f"{month['activity_month']:%B %Y}"
    shown = "none" if ratio is None else f"{ratio:.2f}"
    holds = frozenset() if level == quick_ratio_analysis.OK else frozenset({str(level)})
    text = f"{named}: {level} (quick ratio {shown})"
    return Finding(LEVEL, holds, text, cleared=f"{named}: the alert level is OK again")


def _last_checks(warehouse: TableReader) -> Iterator[Finding]:
    """Those of the last run that noted some, but for what is no check of the tables."""
    table = warehouse.source(data_quality_results.TABLE)
    (rows,) = warehouse.ask(
        [
            "SELECT check_id, status = 'fail' AND severity = 'error' AS failed, "
            "UNIX_MICROS(checked_at) AS began_us "
            f"FROM {table} WHERE checked_at = (SELECT MAX(checked_at) FROM {table})"
        ]
    )
    asked = [row for row in rows if not is_of_history(row["check_id"])]
    if asked:
        began = as_datetime(asked[0]["began_us"])
        results = {row["check_id"]: row["failed"] for row in asked}
        yield _checks(results, f" in the run that began {began:%Y-%m-%d %H:%M} UTC")


def _checks(results: Mapping[str, bool], where: str = "") -> Finding:
    failed = sorted(name for name, has_failed in results.items() if has_failed)
    more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    count = "A check" if len(failed) == 1 else f"{len(failed):,} checks"
    return Finding(
        CHECKS,
        frozenset(failed),
        f"{count} of severity error failed{where}: {', '.join(failed[:_NAMED])}{more}",
        examined=frozenset(results),
    )


def _last_counts(warehouse: TableReader) -> RunCounts | None:
    """What became of the rows of the last run that counted some."""
    table = pipeline_runs.TABLE
    (rows,) = warehouse.ask(
        [
            f"SELECT counts FROM {warehouse.source(table)} WHERE counts <> '{{}}' "
            "ORDER BY started_at DESC, run_id DESC LIMIT 1"
        ]
    )
    return pipeline_runs.counts_of(rows[0]["counts"]) if rows else None


def _dead_letters(counts: RunCounts, bound: float) -> Finding:
    # What rules leave out, and keep, is meant to be there.
    rejected = counts.rejected - counts.dead_letters.get(EXCLUDED, 0)
    share = 100 * rejected / counts.input_rows if counts.input_rows else 0.0
    return Finding(
        DEAD_LETTERS,
        frozenset({"over"} if share > bound else ()),
        f"{rejected:,} of {counts.input_rows:,} input rows of the last run are dead letters "
        f"({share:.1f} %, more than {bound:g} %): dead_letter_events says why",
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
