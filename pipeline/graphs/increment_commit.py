"""How an increment checks and commits what it has staged, whatever runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.graphs.batch_job import BatchJob
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_commit import RunCommit
from transforms.kernels.rates import Rates
from transforms.kernels.run_counts import RunCounts
from transforms.leaving_users import LEAVE_BY
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check, Checks
from transforms.quality.declaration import RUN, Total
from transforms.quality.planning import plan_of_increment
from transforms.quality.policy import Policy
from transforms.state.registry import STATE_TABLES
from transforms.user_tables import EVENTS, NEGATIVE, USERS

_LETTERS: Final = dead_letter_events.TABLE
# Of these tables an increment holds the rows that change, of the others all.
PARTS: Final = (EVENTS, USERS, NEGATIVE, _LETTERS.name)


def increment_checks(job: BatchJob) -> tuple[Check, ...]:
    """Those of a run's checks that the rows of an increment, and all rows of marts, answer."""
    return plan_of_increment(job.checks, PARTS)


def increment_commit(job: BatchJob, of_rows: tuple[Check, ...]) -> RunCommit:
    """The commit of an increment.

    Args:
        job: the run.
        of_rows: as `increment_checks` gives them.
    """
    return RunCommit(
        job.warehouse,
        adding_plan(job),
        job.max_dead_letter_pct,
        job.noted,
        job.staging,
        _policy(job, of_rows),
        job.beside,
    )


def _policy(job: BatchJob, of_rows: tuple[Check, ...]) -> Policy | None:
    """How the run takes its checks: those of rows, and that of its own sum."""
    if job.quality == "off":
        return None
    answered = set(of_rows)
    checks = (check for check in job.checks if check in answered or RUN in check.tables)
    return Policy(Checks(checks), job.quality)


def adding_plan(job: BatchJob) -> CommitPlan:
    """All tables are added to, but for those that the run changes otherwise."""
    beside = {change.table for change in job.beside}
    tables = (*TABLES.values(), *STATE_TABLES.values())
    plan = CommitPlan.adding(table for table in tables if table not in beside)
    return with_leaving(plan, job.rates)


def with_leaving(plan: CommitPlan, rates: Rates) -> CommitPlan:
    """A plan by which users may leave too, where rates of events are limited."""
    if not rates.is_any:
        return plan
    return replace(plan, matching={name: (by,) for name, by in LEAVE_BY.items()})


def totals_of_run(counts: RunCounts) -> CheckCounts:
    """What checks of the run's own sum ask: of tables the rows that come in."""
    return CheckCounts(
        totals={
            Total(EVENTS, "1").key: counts.events,
            Total(_LETTERS.name, "1").key: counts.rejected,
        }
    )
