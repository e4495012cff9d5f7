"""Run an update to its end, with a summary: in this process where few files are new, else with
Beam, which is imported then."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from pipeline.display.update_summary import show_update
from pipeline.errors import is_data_error
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import default_shards
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.new_files import (
    Asked,
    Increment,
    files_to_load,
    increment_of,
    with_state,
)
from pipeline.launch.run_files import noted, read_report, with_known
from pipeline.micro_batches.moved_people import move_people
from pipeline.micro_batches.update_here import fits_here, update_here
from pipeline.moments import utc_now
from pipeline.reports import BatchReport, MovedReport, UpdateReport
from pipeline.sinks.run_notes import failure_noted, note_written_anew, refusal_noted
from pipeline.summary_file import finish, forgiving
from pipeline.terminal import is_watched
from transforms.kernels.run_counts import RunCounts

_TICK: Final = timedelta(microseconds=1)
# What is said of a run beside what went wrong behind it.
DONE = "the tables are updated"


def run_update(
    job: BatchJob,
    asked: Asked,
    beam: ByBeam,
    temp_location: str | None,
    summary_file: str | None,
) -> None:
    """Load the files that are new, and print and write a summary.

    Into a warehouse that holds nothing it is a batch; without a new file nothing is written but
    that one holds the same which was written anew. People who turn out to be known are moved
    first, in a commit of their own.

    Args:
        job: what the run does, over all files that are named.
        asked: what the command line says beside them.
        beam: what runs the graph, where one is needed.
        temp_location: where to stage; None for beside the warehouse.
        summary_file: where the summary is written; None for nowhere.

    Raises:
        OptionError, RunError, or a runner's error around it: as `increment_of` says, if another
            run writes to the warehouse, or the run failed.
    """
    # Without the lock, which would write: most runs of a schedule that is too dense find nothing.
    with refusal_noted(job.warehouse, job.noted):
        increment = files_to_load(job, asked)
        if not (increment.changes_tables or increment.written_anew):
            increment = with_state(increment)
    if increment.is_first:
        from pipeline.launch.batch_launch import run_batch

        run_batch(increment.job, beam, temp_location, summary_file)
        return
    report = None
    if increment.changes_tables or increment.written_anew:
        increment, report = _run(job, asked, beam, temp_location)
    else:
        report = _without_files(job, increment)
    if report is not None:
        given = None if increment.job.rules is None else increment.job.rules.input
        reckoning = increment.job.figures.reckoning
        show = partial(show_update, report, job.warehouse, increment.job.files, given, reckoning)
        done = DONE if increment.changes_tables else "no file was new"
        finish(report.to_json(), summary_file, done, show)


def _run(
    job: BatchJob, asked: Asked, beam: ByBeam, temp_location: str | None
) -> tuple[Increment, UpdateReport | None]:
    """Take in what is new once nobody else writes; gives what that was."""
    report: UpdateReport | None = None
    with (
        forgiving(DONE) as is_done,
        job.warehouse.lock(written(job.quality), temp_location, job.run) as staging,
    ):
        with failure_noted(job.warehouse, job.noted, staging):
            increment = increment_of(job, asked)
            if increment.written_anew:
                note_written_anew(job.warehouse, increment.written_anew, job.run, staging)
            moved = _moved(increment, staging)
            if increment.job.files:
                job = with_known(_behind(increment.job, moved), job.warehouse, staging)
                with _none_loaded(job.files, moved):
                    if beam.is_asked or not fits_here(default_shards(job.files)):
                        found = _by_beam(job, beam)
                    else:
                        found = update_here(job, None if moved else increment.counters)
            if increment.changes_tables:
                is_done()
        if increment.job.files:
            report = UpdateReport(
                found.counts,
                found.tables,
                found.seconds,
                found.quality,
                new_files=len(job.files),
                known_files=increment.known,
                moved=moved,
            )
        else:
            report = _without_files(job, increment, moved)
    return increment, report


def _without_files(
    job: BatchJob, increment: Increment, moved: MovedReport | None = None
) -> UpdateReport:
    return UpdateReport(RunCounts(), {}, _seconds(job), known_files=increment.known, moved=moved)


def _moved(increment: Increment, staging: str) -> MovedReport | None:
    """Move the people who are known now, if there are some."""
    if increment.people is None:
        return None
    job = increment.job
    run = f"{job.run}_people" if job.files else job.run
    return move_people(replace(job, files=(), run=run, staging=staging), increment.people)


def _behind(job: BatchJob, moved: MovedReport | None) -> BatchJob:
    """The run over files, which writes later than the one that has moved people."""
    return job if moved is None else replace(job, started_at=job.started_at + _TICK)


@contextmanager
def _none_loaded(files: Sequence[InputFile], moved: MovedReport | None) -> Iterator[None]:
    """Say of an error over one of several files that it holds back the others, and of any that
    people were moved before."""
    try:
        yield
    except Exception as error:
        if moved is not None:
            error.add_note("Before that the people of --people were moved: that stays")
        if len(files) > 1 and is_data_error(error):
            error.add_note(
                f"No table was touched but pipeline_runs: none of the {len(files):,} new files was "
                "loaded"
            )
        raise


def _by_beam(job: BatchJob, beam: ByBeam) -> BatchReport:
    from pipeline.display.progress_bar import show_progress
    from pipeline.graphs.update_graph import build
    from pipeline.launch.beam_run import run_to_end

    with (
        noted(beam.runner.local and is_watched(sys.stderr)) as progress,
        show_progress(progress, sum(file.size for file in job.files)),
    ):
        run_to_end(partial(build, job=replace(job, progress=progress)), beam.options())
    return read_report(job.report_path)


def _seconds(job: BatchJob) -> float:
    now = utc_now()
    return max((now - job.started_at).total_seconds(), 0.0)
