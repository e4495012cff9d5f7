"""The graph of a rebuild: stored events and dead letters to all tables."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from pipeline.graphs.batch_graph import build_tables
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.read_staged import ReadStaged
from pipeline.sinks import element_coders
from pipeline.warehouse.changes import StagedFile


def build(pipeline: beam.Pipeline, job: BatchJob, files: Sequence[StagedFile]) -> None:
    """Lay the graph of a rebuild into a pipeline.

    Args:
        pipeline: the pipeline.
        job: what the run does; with `range_bytes` several workers share the files.
        files: staged rows of STORED, and of dead_letter_events.
    """
    element_coders.register()
    read = (
        pipeline
        | "Staged rows" >> beam.Create(list(files)).with_output_types(StagedFile)
        | "ReadStaged" >> ReadStaged(job.range_bytes is not None, job.progress, job.figures.known)
    )
    build_tables(read, job)
