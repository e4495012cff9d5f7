"""Run a batch to its end, with a summary: by processes of this machine, or with Beam where the
command line asks for it, which is imported then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from pipeline.display.batch_summary import show_summary
from pipeline.display.progress_bar import show_progress
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.people_of_run import is_anybody
from pipeline.launch.run_files import noted, read_report, with_staged
from pipeline.local_batch.batch_here import batch_here
from pipeline.reports import BatchReport
from pipeline.sinks.run_notes import failure_noted
from pipeline.summary_file import finish, forgiving
from pipeline.terminal import counted, is_watched, print_line
from pipeline.warehouse import TableReader
from transforms.kernels.person_ids import Pairs

# What is said of a run beside what went wrong behind it.
DONE: Final = "the tables are replaced"


def run_batch(
    job: BatchJob,
    by_beam: ByBeam,
    temp_location: str | None,
    summary_file: str | None,
    workers: int | None = None,
) -> None:
    """Run a batch to its end, and print and write its summary.

    Args:
        job: what the run does; its staging folder is made here.
        by_beam: what runs the graph, where the command line asks for it.
        temp_location: where to stage; None for beside the warehouse.
        summary_file: where the summary is written; None for nowhere.
        workers: how many processes of this machine there may be; None for as many as it has cores
            and memory for.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or the
            run failed.
    """
    report: BatchReport | None = None
    pairs = job.asked_people
    with (
        forgiving(DONE) as is_done,
        noted(by_beam.runner.local and is_watched(sys.stderr)) as progress,
        job.warehouse.lock(written(job.quality), temp_location, job.run) as staging,
    ):
        job = replace(with_staged(job, job.warehouse, staging), progress=progress)
        with (
            show_progress(progress, sum(file.size for file in job.files)),
            failure_noted(job.warehouse, job.noted, staging),
        ):
            if by_beam.is_asked:
                _by_beam(job, by_beam)
                is_done()
                report = read_report(job.report_path)
            else:
                report = batch_here(job, workers)
                is_done()
    if report is not None:
        given = None if job.rules is None else job.rules.input
        show = partial(show_summary, report, job.warehouse, job.files, given, job.figures.reckoning)
        told = {"people": {"pairs": len(pairs)}} if pairs else {}
        finish({**report.to_json(), **told}, summary_file, DONE, partial(_show, show, job, pairs))


def _show(summary: Callable[[], None], job: BatchJob, pairs: Pairs | None) -> None:
    summary()
    if pairs:
        print_line(_people_line(pairs, job.warehouse))


def _people_line(pairs: Pairs, warehouse: TableReader) -> str:
    """What is said of the people that a run was told of."""
    told = f"--people: {counted(len(pairs), 'pair')} of an anonymous id and a known one"
    if is_anybody(pairs, warehouse):
        return told
    return (
        f"{told}, but no user of the tables has such a known id: see that the ids are those of "
        "the input files, and which column is which"
    )


def _by_beam(job: BatchJob, by_beam: ByBeam) -> None:
    from pipeline.graphs.batch_graph import build
    from pipeline.launch.beam_run import run_to_end

    run_to_end(partial(build, job=job), by_beam.options())
