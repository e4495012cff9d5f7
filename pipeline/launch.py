"""Run a command's graph with Beam, from checked options to the printed summary."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineState

from pipeline import options as declared
from pipeline.batch import BatchJob, build
from pipeline.display import show_progress, show_summary
from pipeline.errors import OptionError, RunError
from pipeline.inputs import default_shards, find_inputs
from pipeline.progress import Progress
from pipeline.warehouse import Warehouse, open_warehouse
from transforms.vocabulary import EVENT_TYPES

_LOCAL_RUNNER: Final = "FnApiRunner"
# Beam's DirectRunner first tries to download and start another runner, Prism.
_LOCAL_RUNNERS: Final = {
    "fnapirunner": _LOCAL_RUNNER,
    "directrunner": _LOCAL_RUNNER,
    "direct": _LOCAL_RUNNER,
    "bundlebaseddirectrunner": "BundleBasedDirectRunner",
}
_RANGE_BYTES: Final = 64 << 20


class BatchOptions(PipelineOptions):
    """The batch command's own options, so that Beam takes them and Dataflow shows them."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        # Beam asks for every known option whenever it parses any.
        declared.declare(parser, tuple(replace(o, required=False) for o in declared.BATCH))


def run_batch(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Run the batch graph and print its summary.

    Args:
        options: the values of the options in `options.BATCH`.
        arguments: the command line behind the command, for Beam.

    Raises:
        OptionError: if an option can't be used; nothing was read.
        RunError, or a runner's error around it: if the run failed; the tables are as before.
    """
    started_at = datetime.now(UTC).replace(tzinfo=None)
    warehouse: Warehouse = open_warehouse(options.warehouse)
    files = find_inputs(options.input)
    warehouse.check()
    beam_options = _beam_options(arguments)
    local = _prepare_runner(beam_options)
    if warehouse.workers_must_be_local and not local:
        raise OptionError(
            f"--warehouse {options.warehouse} is a file on this machine, which the workers of "
            f"{beam_options.view_as(StandardOptions).runner} can't reach"
        )
    temp_location = beam_options.view_as(GoogleCloudOptions).temp_location
    with warehouse.exclusive(temp_location) as staging:
        watched = local and sys.stderr.isatty()
        progress = Progress.in_folder(staging) if watched else None
        job = BatchJob(
            paths=[file.path for file in files],
            warehouse=warehouse,
            staging=staging,
            report_path=options.summary_file or FileSystems.join(staging, "report.json"),
            user_shards=options.user_shards or default_shards(files),
            active_types=tuple(EVENT_TYPES.index(name) for name in options.active_event_types),
            max_dead_letter_pct=options.max_dead_letter_pct,
            started_at=started_at,
            range_bytes=None if _one_worker(beam_options, local) else _RANGE_BYTES,
            progress=progress,
        )
        with show_progress(progress, staging, sum(file.size for file in files)):
            _run(job, beam_options)
        with FileSystems.open(job.report_path) as stream:
            report: dict[str, Any] = json.loads(stream.read())
    show_summary(report, warehouse, files)


def _beam_options(arguments: Sequence[str]) -> PipelineOptions:
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or _LOCAL_RUNNER
    if standard.streaming:
        raise OptionError("--streaming: batch reads files to their end; leave it out")
    if options.view_as(DirectOptions).direct_running_mode == "multi_threading":
        raise OptionError(
            "--direct_running_mode multi_threading crashes in Beam 2.77's GroupByKey: take "
            "in_memory or multi_processing"
        )
    return options


def _prepare_runner(options: PipelineOptions) -> bool:
    """Settle the runner's name; returns whether its workers run on this machine."""
    standard = options.view_as(StandardOptions)
    name = _LOCAL_RUNNERS.get(standard.runner.lower())
    standard.runner = name or standard.runner
    return name is not None


def _one_worker(options: PipelineOptions, local: bool) -> bool:
    return local and options.view_as(DirectOptions).direct_num_workers == 1


def _run(job: BatchJob, options: PipelineOptions) -> None:
    with _quiet_workers():
        pipeline = beam.Pipeline(options=options)
        build(pipeline, job)
        state = pipeline.run().wait_until_finish()
    if state != PipelineState.DONE:
        raise RunError(f"the runner ended the job as {state}; its log says why")


@contextmanager
def _quiet_workers() -> Iterator[None]:
    """Keep workers from logging the traceback of an error that is raised here all the same."""
    logger = logging.getLogger("apache_beam.runners")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
