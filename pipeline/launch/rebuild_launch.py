"""Run a rebuild to its end, with a summary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pipeline.display.progress_bar import show_progress
from pipeline.display.rebuild_summary import show_rebuild
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.inputs.listing import shards_for
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.run_files import noted, read_report
from pipeline.launch.stored_rows import FILE_ROWS, stage_stored
from pipeline.local_batch.batch_here import rebuild_here
from pipeline.reports import BatchReport
from pipeline.sinks.run_notes import failure_noted
from pipeline.summary_file import finish, forgiving
from pipeline.terminal import is_watched
from pipeline.warehouse.changes import StagedFile
from transforms.state.warehouse_settings import RULES

# What is said of a run beside what went wrong behind it.
DONE: Final = "the tables are rebuilt"


@dataclass(frozen=True)
class RebuildOptions:
    """How a rebuild is run.

    Attributes:
        by_beam: what runs the graph, where the command line asks for it.
        temp_location: where to stage; None for beside the warehouse.
        user_shards: in how many shards the users are processed; None to go by their events.
        summary_file: where the summary is written; None for nowhere.
        workers: as `batch_here` takes them.
    """

    by_beam: ByBeam
    temp_location: str | None = None
    user_shards: int | None = None
    summary_file: str | None = None
    workers: int | None = None


def run_rebuild(job: BatchJob, options: RebuildOptions) -> None:
    """Replace all tables by a batch over the events that are stored; dead letters stay.

    The warehouse is this run's alone from before it is read until it is written.

    Args:
        job: what the run does; its staging folder is made here.
        options: how.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or the
            run failed; the tables are as before.
    """
    report: BatchReport | None = None
    by_beam, warehouse = options.by_beam, job.warehouse
    with (
        forgiving(DONE) as is_done,
        noted(by_beam.runner.local and is_watched(sys.stderr)) as progress,
        warehouse.lock(written(job.quality), options.temp_location, job.run) as staging,
        failure_noted(warehouse, job.noted, staging),
    ):
        files = stage_stored(warehouse, staging, job.identified)
        rows = sum(file.rows for file in files)
        job = replace(
            job,
            staging=staging,
            progress=progress,
            user_shards=options.user_shards or shards_for(rows),
            range_bytes=None if by_beam.runner.workers == 1 else FILE_ROWS,
        )
        with show_progress(progress, sum(file.bytes for file in files)):
            if by_beam.is_asked:
                _by_beam(job, by_beam, files)
                is_done()
                report = read_report(job.report_path)
            else:
                report = rebuild_here(job, files, options.workers)
                is_done()
    if report is not None:
        told = RULES in job.settings
        reckoning = job.figures.reckoning
        show = partial(show_rebuild, report, warehouse, reckoning, by_other_rules=told)
        finish(report.to_json(), options.summary_file, DONE, show)


def _by_beam(job: BatchJob, by_beam: ByBeam, files: Sequence[StagedFile]) -> None:
    from pipeline.graphs.rebuild_graph import build
    from pipeline.launch.beam_run import run_to_end

    run_to_end(partial(build, job=job, files=files), by_beam.options())
