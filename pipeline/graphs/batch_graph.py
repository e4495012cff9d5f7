"""The batch graph: CSV files to all tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import apache_beam as beam
from apache_beam import pvalue

from pipeline import __version__
from pipeline.graphs.batch_commit import batch_commit
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.read_csv import ReadCsv
from pipeline.inputs.read_sources import ReadSources
from pipeline.sinks import element_coders
from pipeline.sinks.commit_batch import Commit
from pipeline.sinks.stage_rows import StageRows
from transforms.check_rows import CHECKED, CheckRows
from transforms.events import SOURCES, ByUserShard, ParseEvents
from transforms.finished_marts import SUMS
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.marts import dead_letter_events
from transforms.marts.registry import FINISH, TABLES
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.quality.check_counts import CheckCounts
from transforms.shards import UserShards, rows_of_users
from transforms.state.registry import STATE_TABLES
from transforms.totals import FinishMarts, Sum
from transforms.user_tables import CONTRIBUTIONS


class ReadFiles(NamedTuple):
    """Input files on their way.

    Attributes:
        parsed: as `ParseEvents` gives it.
        files: InputFiles.
        sources: SourceCounts of them.
    """

    parsed: pvalue.DoOutputsTuple
    files: beam.PCollection
    sources: beam.PCollection


def build(pipeline: beam.Pipeline, job: BatchJob) -> None:
    """Lay the batch graph into a pipeline."""
    read = read_files(pipeline, job)
    build_tables(read.parsed, job, read.files, read.sources)


def read_files(pipeline: beam.Pipeline, job: BatchJob) -> ReadFiles:
    """Lay the steps that read and parse the input files of a run into a pipeline."""
    element_coders.register()
    files = pipeline | "Input files" >> beam.Create(list(job.files)).with_output_types(InputFile)
    parsed = (
        files
        | _reader(job)
        | "ParseEvents"
        >> ParseEvents(
            job.started_at,
            __version__,
            job.corrections,
            job.max_future_minutes,
            job.forgotten,
            job.figures,
            job.people,
        )
    )
    sources = parsed[SOURCES] | "SumSources" >> beam.CombinePerKey(_added)
    return ReadFiles(parsed, files, sources)


def _reader(job: BatchJob) -> beam.PTransform:
    if job.rules is None:
        return "ReadCsv" >> ReadCsv(job.range_bytes, job.progress)
    return "ReadSources" >> ReadSources(job.rules, job.range_bytes, job.progress)


def _added(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    input_rows, dead_letters = zip(*counts, strict=True)
    return sum(input_rows), sum(dead_letters)


def build_tables(parsed: pvalue.DoOutputsTuple, job: BatchJob, *loaded: beam.PCollection) -> None:
    """Lay all that follows from events into a pipeline, wherever they come from.

    Args:
        parsed: as `ParseEvents` gives it: `events`, and by tag DEAD_LETTERS and COUNTS.
        job: what the run does; its `files` are read already.
        loaded: InputFiles that must be as they were before anything is committed, and SourceCounts
            of them; without them loaded_files stays as it is.
    """
    shards = (
        parsed.events
        | "ByUserShard" >> ByUserShard(job.user_shards, shard_key(job.run))
        | "UserShards"
        >> UserShards(job.figures, job.started_at, __version__, job.checks, job.rates)
    )
    marts = (
        shards[CONTRIBUTIONS]
        | "SumContributions" >> Sum(Counters)
        | "FinishMarts" >> FinishMarts(job.started_at, job.checks, job.figures)
    )
    letters = (parsed[DEAD_LETTERS], shards[DEAD_LETTERS]) | "All dead letters" >> beam.Flatten()
    rows = {
        dead_letter_events.TABLE.name: letters,
        **{name: shards[name] for name in rows_of_users(job.rates)},
        **{name: marts[name] for name in (*FINISH, SUMS)},
    }
    layout = job.warehouse.capabilities.layout
    contracts = {**TABLES, **STATE_TABLES}
    staged = [
        table_rows | f"Stage {name}" >> StageRows(contracts[name], job.staging, layout)
        for name, table_rows in rows.items()
    ] | "All staged files" >> beam.Flatten()
    counts = (
        (parsed[COUNTS], shards[COUNTS])
        | "All counts" >> beam.Flatten()
        | "SumCounts" >> Sum(RunCounts)
    )
    dead_letters = letters | "CheckLetters" >> CheckRows(dead_letter_events.TABLE.name, job.checks)
    checked = (
        (shards[CHECKED], marts[CHECKED], dead_letters)
        | "All checks" >> beam.Flatten()
        | "SumChecks" >> Sum(CheckCounts)
    )
    (staged, counts, checked, *loaded) | "Commit" >> Commit(
        batch_commit(job, replaces_files=bool(loaded)), job.report_paths, job.progress
    )
