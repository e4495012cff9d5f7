"""A run that forgets people: looks for them, and takes them out of all tables in one commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import pyarrow as pa

from pipeline import __version__
from pipeline.errors import RunError
from pipeline.forget.forget_report import ForgetReport
from pipeline.forget.holdings import Holdings, look
from pipeline.forget.leaving import (
    WRITTEN,
    Staging,
    changes_of,
    counted_without,
    leaving,
    listed,
    lived_on,
)
from pipeline.moments import utc_now
from pipeline.sinks.run_notes import record_failure
from pipeline.warehouse import Warehouse
from transforms.figure_settings import FigureSettings
from transforms.kernels.timelines import Timelines
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import Run, RunState

# What is said of a run beside what went wrong behind it.
DONE: Final = "they are forgotten"
_NOT_KEPT: Final = "it was printed, and is not kept: it may name somebody"


@dataclass(frozen=True)
class ForgetJob:
    """What is to be done about whom.

    Attributes:
        warehouse: whose tables they are to leave.
        user_ids: a string array, each once.
        run: the run; it names nobody.
        figures: the settings by which the tables were built.
        pseudonymise: whether their events stay, under pseudonyms.
    """

    warehouse: Warehouse
    user_ids: pa.Array
    run: Run
    figures: FigureSettings
    pseudonymise: bool = False


def try_out(job: ForgetJob) -> ForgetReport:
    """What a run would do; nothing is changed.

    Raises:
        RunError: if the warehouse can't be read.
    """
    return ForgetReport.of(look(job.warehouse, job.user_ids), job.pseudonymise)


def forget(job: ForgetJob, temp_location: str | None, compacts: bool = True) -> ForgetReport:
    """Take users out of all tables, note that they were forgotten, and compact what the tables lie
    in, whoever was found: an earlier run may have left that to this one.

    Args:
        job: about whom.
        temp_location: where to stage; None for beside the warehouse.
        compacts: whether to compact at all.

    Raises:
        RunError: if another run writes to the warehouse, or it can't be read or written; unless it
            says otherwise the tables are as before.
        DataError: if the tables contradict each other; they are as before.
    """
    started = time.monotonic()
    warehouse = job.warehouse
    with warehouse.lock(WRITTEN, temp_location, job.run.run_id) as staging:
        held = look(warehouse, job.user_ids)
        if held.in_tables or len(held.unlisted):
            with _failure_noted(job, staging):
                _take_out(job, held, Staging(warehouse, staging))
        taken_out = time.monotonic()
        if compacts:
            _compact(warehouse, staging)
        ended = time.monotonic()
    return replace(
        ForgetReport.of(held, job.pseudonymise),
        seconds=ended - started,
        rewriting_seconds=ended - taken_out if compacts else None,
    )


def _compact(warehouse: Warehouse, staging: str) -> None:
    try:
        warehouse.compact(staging)
    except RunError as error:
        raise RunError(f"the tables hold nothing of them any more, but {error}") from error


@contextmanager
def _failure_noted(job: ForgetJob, staging: str) -> Iterator[None]:
    """Note that a run fails inside; not why, which may name somebody."""
    try:
        yield
    except Exception as error:
        failed = RunState(job.run, "failed", utc_now(), message=_NOT_KEPT)
        record_failure(job.warehouse, failed, staging, error)
        raise


def _take_out(job: ForgetJob, held: Holdings, staging: Staging) -> None:
    files = list(staging.stage(leaving(held)))
    after = Timelines.none()
    types = job.figures
    if job.pseudonymise and len(held.lives):
        portions = list(lived_on(job.warehouse, held, types, staging))
        files += [file for some, _ in portions for file in some]
        after = Timelines.concat([lives for _, lives in portions])
    moment = job.run.started_at
    sums = counted_without(job.warehouse, held.lives, after, types, moment)
    done = RunState(job.run, "done", utc_now())
    runs = pa.concat_tables([held.runs.after, pipeline_runs.row(done)])
    noted = {**listed(held, moment, job.run.run_id), pipeline_runs.TABLE.name: runs}
    files += staging.stage({**sums, **noted})
    job.warehouse.commit(changes_of(files), job.run.run_id)


def new_job(
    warehouse: Warehouse,
    user_ids: pa.Array,
    run_id: str,
    started_at: datetime,
    figures: FigureSettings,
    pseudonymise: bool,
) -> ForgetJob:
    """The job of a run that begins now."""
    settings = {"pseudonymise": pseudonymise, "user_ids": len(user_ids)}
    run = Run(run_id, "forget", __version__, started_at, settings)
    return ForgetJob(warehouse, user_ids, run, figures, pseudonymise)
