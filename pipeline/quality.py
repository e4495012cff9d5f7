"""What becomes of a run whose checks have been evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.run_counts import RunCounts
from transforms.marts import data_quality_results
from transforms.marts.registry import RESULTS
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.declaration import RUN, Total
from transforms.quality.results import Result, conclude
from transforms.quality.sql import total_key

Mode: TypeAlias = Literal["enforce", "warn"]


@dataclass(frozen=True)
class Quality:
    """How a run takes its checks.

    Attributes:
        checks: those that it evaluates.
        mode: enforce to commit nothing where an error check fails, warn to commit all the same.
        folder: the staging folder, for the results.
    """

    checks: tuple[Check, ...]
    mode: Mode
    folder: str

    def conclude(self, check_counts: CheckCounts, counts: RunCounts) -> list[Result]:
        """The results of all checks, those of the run's counts among them."""
        of_run = {
            total_key(Total(RUN, "input_rows")): counts.input_rows,
            total_key(Total(RUN, "duplicates")): counts.duplicates,
        }
        return conclude(self.checks, CheckCounts.total([check_counts, CheckCounts(totals=of_run)]))

    def change(self, results: Sequence[Result], run: str, checked_at: datetime) -> Change:
        """The results as a change of data_quality_results."""
        files = StagedFiles(RESULTS, self.folder)
        if results:
            files.write(data_quality_results.rows(results, run, checked_at))
        return Change(RESULTS, WriteDisposition.APPEND, list(files.close()))

    def refuse(self, results: Sequence[Result]) -> None:
        """Raise RunError if an error check failed and the checks are enforced."""
        failed = errors(results)
        if not failed or self.mode == "warn":
            return
        raise RunError(
            f"{told(failed)}. Mend the input and run again, or see what --quality warn commits"
        )


def errors(results: Sequence[Result]) -> list[Result]:
    """The failed checks whose severity is error."""
    return [r for r in results if not r.passed and r.check.severity == "error"]


def told(failed: Sequence[Result]) -> str:
    """Failed checks in one line, the first three in full."""
    count = f"{len(failed):,} check{' fails' if len(failed) == 1 else 's fail'}"
    more = f"; and {len(failed) - 3:,} more" if len(failed) > 3 else ""
    return f"{count}: {'; '.join(result.told() for result in failed[:3])}{more}"


def record_refusal(warehouse: Warehouse, change: Change, run: str, refusal: RunError) -> RunError:
    """Commit the results of a run that commits nothing else; returns what to raise."""
    try:
        warehouse.commit([change], run)
    except RunError as error:
        return RunError(f"{refusal}. The checks' results can't be recorded either: {error}")
    return RunError(
        f"{refusal}. No table was touched but {RESULTS.name}, where run_id '{run}' holds the "
        "results of all checks"
    )


def summary(quality: Quality, results: Sequence[Result]) -> dict[str, Any]:
    """What `--summary_file` holds of the checks."""
    failed = [result for result in results if not result.passed]
    return {
        "mode": quality.mode,
        "passed": len(results) - len(failed),
        "failed": {
            "error": len(errors(failed)),
            "warn": len(failed) - len(errors(failed)),
        },
        "results": [result.to_json() for result in results],
    }
