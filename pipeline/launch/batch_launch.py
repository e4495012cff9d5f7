"""Run a command's graph with Beam, from checked options to the printed summary."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineState

from pipeline.batch_graph import BatchJob, build
from pipeline.display.page import show_progress, show_summary
from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import default_shards
from pipeline.launch.dry_run import REAL_RUN, DryRun
from pipeline.launch.runners import Runner
from pipeline.launch.summary_file import finish, forgiving
from pipeline.options.option import declare_new
from pipeline.options.shared_options import BATCH
from pipeline.progress import Progress
from pipeline.staged_corrections import stage_corrections
from pipeline.storage_errors import STORAGE_ERRORS, storage_reason
from pipeline.terminal import is_watched
from pipeline.warehouse import Warehouse
from pipeline.warehouse.runs import new_run
from transforms.contract import Table
from transforms.marts.registry import ALL_TABLES, TABLES
from transforms.vocabulary import EVENT_TYPES

# What is told of a run beside what went wrong behind it.
DONE: Final = "the tables are replaced"
_RANGE_BYTES: Final = 64 << 20


class BatchOptions(PipelineOptions):
    """The batch command's own options, so that Beam takes them and Dataflow shows them."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        declare_new(parser, BATCH)


@dataclass(frozen=True)
class BatchPlan:
    """What a checked command line asks for.

    Attributes:
        options: the values of the options in `options.BATCH`.
        arguments: the command line behind the command, for Beam.
        files: the files to read.
        warehouse: where to write.
        runner: what runs the graph.
        temp_location: where to stage; None for beside the warehouse.
        started_at: the run's moment, in UTC without a zone.
        waits: whether the job's end is waited for; without that it is only handed over.
        dry_run: whether nothing may be started or written.
    """

    options: argparse.Namespace
    arguments: Sequence[str]
    files: Sequence[InputFile]
    warehouse: Warehouse
    runner: Runner
    temp_location: str | None
    started_at: datetime
    waits: bool = True
    dry_run: DryRun = REAL_RUN


def run_batch(plan: BatchPlan) -> None:
    """Run the batch graph and print its summary; or hand it over, where nobody waits.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or the
            run failed.
    """
    run = new_run(plan.started_at)
    options = beam_options(plan.runner, plan.arguments)
    if not plan.waits:
        staging = _claimed(plan, run)
        _laid_out(partial(build, job=_job(plan, run, staging, None)), options).run()
        return
    watched = plan.runner.local and is_watched(sys.stderr)
    report: dict[str, Any] = {}
    with (
        forgiving(DONE) as is_done,
        noted(watched) as progress,
        plan.warehouse.lock(written(plan.options.quality), plan.temp_location, run) as staging,
    ):
        job = _job(plan, run, staging, progress)
        with show_progress(progress, sum(file.size for file in plan.files)):
            run_to_end(partial(build, job=job), options)
            is_done()
        report = read_report(job.report_path)
    if report:
        show = partial(show_summary, report, plan.warehouse, plan.files)
        finish(report, plan.options.summary_file, DONE, show)


def _claimed(plan: BatchPlan, run: str) -> str:
    """The staging folder of a run that goes on when this process is gone."""
    writer = plan.dry_run.writer(plan.warehouse)
    if writer is None:
        return plan.dry_run.folder(plan.temp_location, run)
    return writer.claim(written(plan.options.quality), plan.temp_location, run)


def read_report(path: str) -> dict[str, Any]:
    """The report that a run has written into its staging folder.

    Raises:
        RunError: if it can't be read.
    """
    try:
        with FileSystems.open(path) as stream:
            report: dict[str, Any] = json.loads(stream.read())
    except (*STORAGE_ERRORS, ValueError) as error:
        raise RunError(
            f"the run's report can't be read back from {path} ({storage_reason(error)}), so there "
            "is no summary"
        ) from error
    return report


def _job(plan: BatchPlan, run: str, staging: str, progress: Progress | None) -> BatchJob:
    options, files = plan.options, plan.files
    reader = plan.dry_run.reader(plan.warehouse)
    return BatchJob(
        files=files,
        warehouse=plan.warehouse,
        staging=staging,
        report_path=FileSystems.join(staging, "report.json"),
        max_shrink_pct=None if options.allow_shrink else options.max_shrink_pct,
        summary_path=None if plan.waits else options.summary_file,
        user_shards=options.user_shards or default_shards(files),
        active_types=tuple(EVENT_TYPES.index(name) for name in options.active_event_types),
        max_dead_letter_pct=options.max_dead_letter_pct,
        max_future_minutes=options.max_future_minutes,
        run=run,
        started_at=plan.started_at,
        # One worker reads every file itself: looking for ranges first would be for nothing.
        range_bytes=None if plan.runner.workers == 1 else _RANGE_BYTES,
        progress=progress,
        quality=options.quality,
        corrections=None if reader is None else stage_corrections(reader, staging),
    )


def written(quality: str) -> tuple[Table, ...]:
    """The contracts of the tables that a run writes which takes its checks so."""
    return tuple(TABLES.values()) if quality == "off" else ALL_TABLES


@contextmanager
def noted(watched: bool) -> Iterator[Progress | None]:
    """A folder for notes of progress on this machine, where somebody is watching."""
    if not watched:
        yield None
        return
    with tempfile.TemporaryDirectory(
        prefix="growth-progress-", ignore_cleanup_errors=True
    ) as folder:
        yield Progress(folder)


def beam_options(runner: Runner, arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options of a run.

    Args:
        runner: what runs the graph.
        arguments: the command line behind the command, for Beam.
    """
    # Separate worker processes log by themselves what is raised here all the same.
    quiet = ["--default_sdk_harness_log_level=CRITICAL"] if runner.local else []
    options = PipelineOptions([*quiet, *arguments])
    options.view_as(StandardOptions).runner = runner.name
    return options


def run_to_end(lay: Callable[[beam.Pipeline], None], options: PipelineOptions) -> None:
    """Run the graph that `lay` lays into a pipeline until its end.

    Raises:
        RunError, or a runner's error around it: if the run failed.
    """
    with quiet_workers():
        state = _laid_out(lay, options).run().wait_until_finish()
    if state != PipelineState.DONE:
        raise RunError(f"the runner ended the job as {state}; its log says why")


def _laid_out(lay: Callable[[beam.Pipeline], None], options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(options=options)
    lay(pipeline)
    return pipeline


@contextmanager
def quiet_workers() -> Iterator[None]:
    """Keep workers from logging the traceback of an error that is raised here all the same."""
    logger = logging.getLogger("apache_beam.runners")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
