"""What a run has staged -> the tables, all at once, unless a check stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile, refuse_any_changed
from pipeline.moments import utc_now
from pipeline.reports import BatchReport, QualityReport
from pipeline.sinks.check_results import record_refusal, staged_results
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_notes import NOTED, record_failure, staged_run, staged_state
from pipeline.sinks.run_rows import SourceCounts, how_far, rows_of_files, rows_of_run
from pipeline.sinks.shrinking import History
from pipeline.warehouse import Warehouse
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, StagedFile
from transforms.kernels.parse import EXCLUDED
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import TABLES
from transforms.quality.check_counts import CheckCounts
from transforms.quality.policy import Policy
from transforms.quality.results import Result
from transforms.state.pipeline_runs import Run


@dataclass(frozen=True)
class RunCommit:
    """The one commit of a run over files or stored rows.

    Attributes:
        warehouse: where to.
        plan: what becomes of the rows that the tables have.
        max_dead_letter_pct: above this share of rejected input rows nothing is committed.
        run: the run.
        staging: the folder of staged files, for the results of checks.
        quality: the checks that are evaluated; None for none.
        beside: changes of other tables, which are committed with those of the run.
        max_shrink_pct: how many percent of its events, users or dates the warehouse may lose;
            None for all.
    """

    warehouse: Warehouse
    plan: CommitPlan
    max_dead_letter_pct: float
    run: Run
    staging: str
    quality: Policy | None = None
    beside: tuple[Change, ...] = ()
    max_shrink_pct: float | None = None

    def commit(
        self,
        staged: Sequence[StagedFile],
        counts: RunCounts,
        check_counts: CheckCounts,
        files: Sequence[InputFile] = (),
        sources: Sequence[SourceCounts] = (),
        writing: AbstractContextManager[object] | None = None,
        about_to: Callable[[BatchReport], None] | None = None,
    ) -> BatchReport:
        """Replace the tables, unless a file has changed since it was listed, too many input rows
        were rejected, too much of what the tables hold would be lost, or a check failed.

        The checks' results are appended, and the run is noted, in every case.

        Args:
            staged: all rows that it commits.
            counts: what became of all input rows.
            check_counts: what the checks have counted of the rows.
            files: those that were read.
            sources: what became of the rows of each.
            writing: is entered while the warehouse writes.
            about_to: is told before it does what will be reported.

        Raises:
            RunError: if it is so, the counts don't add up, or the warehouse can't be written; the
                tables are as before.
        """
        staged, beside = self._parted(staged)
        added = {
            change.table.name: change.rows - was.rows
            for change, was in zip(beside, self.beside, strict=True)
        }
        rows = {
            change.table.name: change.rows
            for change in self.plan.changes(staged)
            if change.table.name in TABLES
        }
        results = self.quality.conclude(check_counts, counts) if self.quality else []
        try:
            refuse_any_changed(files)
            check_dead_letters(counts, self.max_dead_letter_pct)
            check_sum(counts, {**added, **self.plan.arrived(staged)})
            self._refuse(counts, rows, results)
        except RunError as refusal:
            raise self._refused(counts, rows, results, refusal) from refusal
        noted = rows_of_run(how_far(self.run, "done", counts))
        if files:
            noted |= rows_of_files(self.run, files, sources)
        changes = self.plan.changes([*staged, *staged_state(noted, self.staging, self._layout)])
        recorded = [self._staged(results)] if self.quality else []
        if about_to is not None:
            about_to(self._report(counts, rows, results))
        with writing or nullcontext():
            self.warehouse.commit([*changes, *recorded, *beside], self.run.run_id)
        # On Dataflow this line in the workers' log is the run's summary.
        logging.getLogger(__name__).info(
            "tables %s: %s input rows = %s events + %s duplicates + %s dead letters + "
            "%s of forgotten users + %s excluded",
            self.plan.verb,
            *(counts.input_rows, counts.events, counts.duplicates, counts.rejected),
            counts.forgotten,
            counts.left_out,
        )
        return self._report(counts, rows, results)

    def _report(
        self, counts: RunCounts, rows: Mapping[str, int], results: Sequence[Result]
    ) -> BatchReport:
        now = utc_now()
        # The clock may have stepped.
        seconds = max((now - self.run.started_at).total_seconds(), 0.0)
        return BatchReport(counts, rows, seconds, self._quality(results))

    def _parted(self, staged: Sequence[StagedFile]) -> tuple[list[StagedFile], tuple[Change, ...]]:
        """The files of the plan's tables, and the changes beside it with the files of theirs."""
        theirs = {change.table.name for change in self.beside}
        beside = tuple(
            replace(
                change,
                files=[
                    *change.files,
                    *(file for file in staged if file.table == change.table.name),
                ],
            )
            for change in self.beside
        )
        return [file for file in staged if file.table not in theirs], beside

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
    # What rules leave out, and keep, is meant to be there.
    rejected = counts.rejected - counts.dead_letters.get(EXCLUDED, 0)
    if not counts.input_rows or 100 * rejected <= max_pct * counts.input_rows:
        return
    reasons = [
        f"{number:,} {name}, e.g. {found.source} at byte {found.position}: {found.message}"
        for name, number in sorted(counts.dead_letters.items(), key=lambda item: -item[1])
        if name != EXCLUDED
        for found in (counts.examples[name],)
    ]
    raise RunError(
        f"{rejected:,} of {counts.input_rows:,} input rows are dead letters "
        f"({100 * rejected / counts.input_rows:.1f} %), more than --max_dead_letter_pct "
        f"{max_pct:g} allows: {'; '.join(reasons)}. Correct the input or raise the limit"
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
    if counts.processed != counts.expected or staged != expected:
        taken_back = f" and {counts.taken_back:,} stored events" if counts.taken_back else ""
        raise RunError(
            f"{counts.input_rows:,} input rows{taken_back} became {counts.events:,} events, "
            f"{counts.duplicates:,} duplicates, {counts.forgotten:,} rows of forgotten users, "
            f"{counts.left_out:,} excluded rows and "
            f"{counts.rejected:,} dead letters, and {staged[0]:,} events and {staged[1]:,} dead "
            "letters are staged: rows were lost or counted twice; "
            "please report this as a bug"
        )
