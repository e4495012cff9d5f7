"""What a run makes of its checks: whether it may commit, and what its report says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from transforms.kernels.run_counts import RunCounts
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.declaration import RUN, Total
from transforms.quality.results import Result, conclude, errors

Mode: TypeAlias = Literal["enforce", "warn"]


@dataclass(frozen=True)
class Policy:
    """How a run takes its checks.

    Attributes:
        checks: those that it evaluates.
        mode: enforce to commit nothing where an error check fails, warn to commit all the same.
    """

    checks: tuple[Check, ...]
    mode: Mode

    def conclude(self, of_rows: CheckCounts, of_run: RunCounts) -> list[Result]:
        """The results of all checks, those of the run's counts among them."""
        totals = {
            Total(RUN, "input_rows").key: of_run.input_rows,
            Total(RUN, "taken_back").key: of_run.taken_back,
            Total(RUN, "duplicates").key: of_run.duplicates,
            Total(RUN, "forgotten").key: of_run.forgotten,
            Total(RUN, "excluded").key: of_run.left_out,
        }
        return conclude(self.checks, CheckCounts.total([of_rows, CheckCounts(totals=totals)]))

    def refusal(self, results: Sequence[Result]) -> str | None:
        """Why nothing may be committed: an error check failed and the checks are enforced."""
        failed = errors(results)
        if not failed or self.mode == "warn":
            return None
        return (
            f"{_failures(failed)}. Correct the input and run again, or see what --quality warn "
            "commits"
        )


def _failures(failed: Sequence[Result]) -> str:
    """Failed checks in one line, the first three in full."""
    count = f"{len(failed):,} check{' fails' if len(failed) == 1 else 's fail'}"
    more = f"; and {len(failed) - 3:,} more" if len(failed) > 3 else ""
    return f"{count}: {'; '.join(result.described() for result in failed[:3])}{more}"
