"""Staged files -> the tables, all at once, unless a check stops it; and the run's report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from pipeline import summary_file
from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile, refuse_any_changed
from pipeline.moments import utc_now
from pipeline.progress import Progress
from pipeline.reports import BatchReport, QualityReport
from pipeline.sinks.check_results import record_refusal, staged_results
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_notes import NOTED, record_failure, staged_run, staged_state
from pipeline.sinks.run_rows import SourceCounts, how_far, rows_of_files, rows_of_run
from pipeline.sinks.shrinking import History
from pipeline.terminal import printable
from pipeline.warehouse import Warehouse
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, StagedFile
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import TABLES
from transforms.metrics import timed_flush
from transforms.quality.check_counts import CheckCounts
from transforms.quality.policy import Policy
from transforms.quality.results import Result
from transforms.state.pipeline_runs import Run


@dataclass
class Commit(beam.PTransform):
    """(staged files, RunCounts, CheckCounts, InputFiles, SourceCounts) -> the run's report, a JSON
    object, once the tables are replaced. The last two may be missing.

    Attributes:
        warehouse: where to.
        plan: what becomes of the rows that the tables have.
        max_dead_letter_pct: above this share of rejected input rows nothing is committed.
        report_paths: where the report is written, local or gs://.
        run: the run.
        progress: where local workers note that the tables are being replaced.
        staging: the folder of staged files, for the results of checks.
        quality: the checks that CheckCounts are of; None for none.
        beside: changes of other tables, which are committed with those of the run.
        max_shrink_pct: how many percent of its events, users or dates the warehouse may lose;
            None for all.
    """

    warehouse: Warehouse
    plan: CommitPlan
    max_dead_letter_pct: float
    report_paths: Sequence[str]
    run: Run
    progress: Progress | None = None
    staging: str = ""
    quality: Policy | None = None
    beside: tuple[Change, ...] = ()
    max_shrink_pct: float | None = None

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        staged, counts, check_counts, *loaded = inputs
        return (
            staged
            | "Gather files" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Replace tables"
            >> beam.Map(
                self.committed,
                pvalue.AsSingleton(counts),
                pvalue.AsSingleton(check_counts),
                *map(pvalue.AsList, loaded),
            )
            | "Report" >> beam.Map(_write, self.report_paths, self.plan.verb)
        )

    def commit(
        self,
        staged: Sequence[StagedFile],
        counts: RunCounts,
        check_counts: CheckCounts,
        files: Sequence[InputFile] = (),
        sources: Sequence[SourceCounts] = (),
    ) -> BatchReport:
        """Replace the tables, unless a file has changed since it was listed, too many input rows
        were rejected, too much of what the tables hold would be lost, or a check failed.

        The checks' results are appended, and the run is noted, in every case.

        Raises:
            RunError: if it is so, the counts don't add up, or the warehouse can't be written; the
                tables are as before.
        """
        rows = {
            change.table.name: change.rows
            for change in self.plan.changes(staged)
            if change.table.name in TABLES
        }
        results = self.quality.conclude(check_counts, counts) if self.quality else []
        try:
            refuse_any_changed(files)
            check_dead_letters(counts, self.max_dead_letter_pct)
            check_sum(counts, self.plan.arrived(staged))
            self._refuse(counts, rows, results)
        except RunError as refusal:
            raise self._refused(counts, rows, results, refusal) from refusal
        noted = rows_of_run(how_far(self.run, "done", counts))
        if files:
            noted |= rows_of_files(self.run, files, sources)
        changes = self.plan.changes([*staged, *staged_state(noted, self.staging, self._layout)])
        recorded = [self._staged(results)] if self.quality else []
        if self.progress:
            self.progress.enter_commit()
        with timed_flush():
            self.warehouse.commit([*changes, *recorded, *self.beside], self.run.run_id)
        # On Dataflow this line in the workers' log is the run's summary.
        logging.getLogger(__name__).info(
            "tables %s: %s input rows = %s events + %s duplicates + %s dead letters + "
            "%s of forgotten users",
            self.plan.verb,
            *(counts.input_rows, counts.events, counts.duplicates, counts.rejected),
            counts.forgotten,
        )
        now = utc_now()
        # The clock may have stepped.
        seconds = max((now - self.run.started_at).total_seconds(), 0.0)
        return BatchReport(counts, rows, seconds, self._quality(results))

    def committed(
        self,
        staged: Sequence[StagedFile],
        counts: RunCounts,
        check_counts: CheckCounts,
        files: Sequence[InputFile] = (),
        sources: Sequence[SourceCounts] = (),
    ) -> dict[str, Any]:
        """What `commit` reports, as JSON."""
        return self.commit(staged, counts, check_counts, files, sources).to_json()

    @property
    def _layout(self) -> FileLayout:
        return self.warehouse.capabilities.layout

    def _quality(self, results: Sequence[Result]) -> QualityReport | None:
        if self.quality is None:
            return None
        return QualityReport(self.quality.mode, tuple(result.reported() for result in results))

    def _refuse(
        self, counts: RunCounts, rows: Mapping[str, int], results: Sequence[Result]
    ) -> None:
        if self.max_shrink_pct is not None:
            self._history(counts, rows).refuse(self.max_shrink_pct)
        refusal = self.quality.refusal(results) if self.quality else None
        if refusal:
            raise RunError(refusal)

    def _staged(self, results: Sequence[Result]) -> Change:
        run = self.run
        return staged_results(results, self.staging, self._layout, run.run_id, run.started_at)

    def _history(self, counts: RunCounts, rows: Mapping[str, int]) -> History:
        return History.of(self.warehouse, rows, counts.input_rows)

    def _refused(
        self,
        counts: RunCounts,
        rows: Mapping[str, int],
        results: Sequence[Result],
        refusal: RunError,
    ) -> RunError:
        """What to raise once a refusal is recorded: in data_quality_results where the run keeps
        results, and in pipeline_runs."""
        state = how_far(self.run, "failed", counts, str(refusal))
        if self.quality is None:
            refused = RunError(f"{refusal}. No table was touched")
            noted = record_failure(self.warehouse, state, self.staging, refused)
            return RunError(f"{refusal}. {NOTED}") if noted else refused
        limit = self.max_shrink_pct
        losses = [] if limit is None else self._history(counts, rows).losses(limit)
        found = [*results, *(loss.result(limit or 0) for loss in losses)]
        changes = [self._staged(found), staged_run(state, self.staging, self._layout)]
        return record_refusal(self.warehouse, changes, self.run.run_id, refusal)


def check_dead_letters(counts: RunCounts, max_pct: float) -> None:
    """Raise RunError if more than `max_pct` percent of the input rows are dead letters."""
    if not counts.input_rows or 100 * counts.rejected <= max_pct * counts.input_rows:
        return
    worst = max(counts.dead_letters, key=lambda name: counts.dead_letters[name])
    example = counts.examples[worst]
    raise RunError(
        f"{counts.rejected:,} of {counts.input_rows:,} input rows are dead letters "
        f"({100 * counts.rejected / counts.input_rows:.1f} %), more than --max_dead_letter_pct "
        f"{max_pct:g} allows. Most are {worst}, e.g. {example.source} at "
        f"byte {example.position}: {example.message}. Correct the input or raise the limit"
    )


def check_sum(counts: RunCounts, arrived: Mapping[str, int]) -> None:
    """Raise RunError unless every input row is an event, a duplicate, a dead letter or of a
    forgotten user.

    Args:
        counts: of the run.
        arrived: by the name of a table how many staged rows are new to it.
    """
    staged = arrived[fct_events.TABLE.name], arrived.get(dead_letter_events.TABLE.name, 0)
    expected = counts.events, counts.rejected - counts.known_dead_letters
    if counts.processed != counts.input_rows or staged != expected:
        raise RunError(
            f"{counts.input_rows:,} input rows became {counts.events:,} events, "
            f"{counts.duplicates:,} duplicates, {counts.forgotten:,} rows of forgotten users and "
            f"{counts.rejected:,} dead letters, and {staged[0]:,} events and {staged[1]:,} dead "
            "letters are staged: rows were lost or counted twice; "
            "please report this as a bug"
        )


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
