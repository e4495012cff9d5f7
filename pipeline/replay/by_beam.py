"""Dead letters that pass, put into the tables by the graph of an update."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import apache_beam as beam

from pipeline.display.progress_bar import show_progress
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.read_staged import ReadStaged
from pipeline.graphs.update_graph import NewEvents, build_increment
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.beam_run import run_to_end
from pipeline.launch.run_files import noted, read_report
from pipeline.reports import BatchReport
from pipeline.sinks import element_coders
from pipeline.terminal import is_watched
from pipeline.warehouse.changes import StagedFile
from transforms.parse_step import COUNTS


def take_in_by_beam(job: BatchJob, by_beam: ByBeam, files: Sequence[StagedFile]) -> BatchReport:
    """Put staged events into a run's tables.

    Args:
        job: what the run does.
        by_beam: what runs the graph.
        files: rows of STORED, or of CAME_WITH_ID.

    Raises:
        RunError, or a runner's error around it: if the run failed.
    """
    with (
        noted(by_beam.runner.local and is_watched(sys.stderr)) as progress,
        show_progress(progress, sum(file.bytes for file in files)),
    ):
        job = replace(job, progress=progress)
        run_to_end(partial(_build, job=job, files=files), by_beam.options())
    return read_report(job.report_path)


def _build(pipeline: beam.Pipeline, job: BatchJob, files: Sequence[StagedFile]) -> None:
    """Lay the graph of an increment behind staged events into a pipeline."""
    element_coders.register()
    read = (
        pipeline
        | "Staged rows" >> beam.Create(list(files)).with_output_types(StagedFile)
        | "ReadStaged" >> ReadStaged(False, job.progress, job.figures.known)
    )
    build_increment(NewEvents(read.events, read[COUNTS]), job)
