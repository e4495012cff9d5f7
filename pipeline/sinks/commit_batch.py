"""The last step of a graph over files: staged files -> the tables, and the run's report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from pipeline import summary_file
from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile
from pipeline.progress import Progress
from pipeline.sinks.committed_earlier import committed_earlier, keep
from pipeline.sinks.run_commit import RunCommit
from pipeline.sinks.run_rows import SourceCounts
from pipeline.terminal import printable
from pipeline.warehouse.changes import StagedFile
from transforms.kernels.run_counts import RunCounts
from transforms.metrics import timed_flush
from transforms.quality.check_counts import CheckCounts


@dataclass
class Commit(beam.PTransform):
    """(staged files, RunCounts, CheckCounts, InputFiles, SourceCounts) -> the run's report, a JSON
    object, once the tables are replaced. The last two may be missing.

    Attributes:
        commit: what it does with them.
        report_paths: where the report is written, local or gs://.
        progress: where local workers note that the tables are being replaced.
    """

    commit: RunCommit
    report_paths: Sequence[str]
    progress: Progress | None = None

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        staged, counts, check_counts, *loaded = inputs
        return (
            staged
            | "Gather files" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Replace tables"
            >> beam.Map(
                self._committed,
                pvalue.AsSingleton(counts),
                pvalue.AsSingleton(check_counts),
                *map(pvalue.AsList, loaded),
            )
            | "Report" >> beam.Map(_write, self.report_paths, self.commit.plan.verb)
        )

    def _committed(
        self,
        staged: Sequence[StagedFile],
        counts: RunCounts,
        check_counts: CheckCounts,
        files: Sequence[InputFile] = (),
        sources: Sequence[SourceCounts] = (),
    ) -> dict[str, Any]:
        """What the commit reports, as JSON."""
        commit = self.commit
        report = committed_earlier(commit.warehouse, commit.run.run_id, commit.staging)
        if report is None:
            report = commit.commit(
                *(staged, counts, check_counts, files, sources, _writing(self.progress)),
                about_to=lambda report: keep(report, commit.staging),
            )
        return report.to_json()


@contextmanager
def _writing(progress: Progress | None) -> Iterator[None]:
    if progress:
        progress.enter_commit()
    with timed_flush():
        yield


def _write(content: dict[str, Any], paths: Sequence[str], verb: str) -> dict[str, Any]:
    """Write a report, and give it back; the tables are written, so nothing fails any more."""
    for path in paths:
        try:
            summary_file.write(content, path)
        except RunError as error:
            logging.getLogger(__name__).warning(
                "the tables are %s, but %s", verb, printable(str(error))
            )
    return content
