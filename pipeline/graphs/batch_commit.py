"""How a batch commits what it has staged, whatever runs it."""

from __future__ import annotations

from pipeline.graphs.batch_job import BatchJob
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_commit import RunCommit
from pipeline.warehouse.changes import WriteDisposition
from transforms.finished_marts import SUMS
from transforms.marts.registry import CORRECTIONS, TABLES
from transforms.quality.policy import Policy
from transforms.state import excluded_users, loaded_files
from transforms.state.registry import STATE_TABLES
from transforms.user_tables import TIMELINES


def batch_commit(job: BatchJob, replaces_files: bool) -> RunCommit:
    """The commit of a run that replaces all tables.

    Args:
        job: the run.
        replaces_files: whether loaded_files is replaced by the run's files, and excluded_users by
            who is left out of these; else both stay, and users are added.
    """
    return RunCommit(
        job.warehouse,
        _plan(job, replaces_files),
        job.max_dead_letter_pct,
        job.noted,
        job.staging,
        None if job.quality == "off" else Policy(job.checks, job.quality),
        job.beside,
        job.max_shrink_pct,
    )


def _plan(job: BatchJob, replaces_files: bool) -> CommitPlan:
    """What becomes of the rows that tables have: those of events are replaced, others stay; of
    tables that the run changes otherwise it says nothing.

    Corrections stay as they are; their table is made, for whoever asks for them.
    """
    replaced = {*TABLES.values(), STATE_TABLES[TIMELINES], STATE_TABLES[SUMS]}
    if replaces_files:
        replaced |= {loaded_files.TABLE, excluded_users.TABLE}
    beside = {change.table for change in job.beside}
    return CommitPlan(
        {
            table: WriteDisposition.REPLACE if table in replaced else WriteDisposition.MERGE
            for table in (*TABLES.values(), CORRECTIONS, *STATE_TABLES.values())
            if table not in beside
        }
    )
