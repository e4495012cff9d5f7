"""What checks come to, once all that they look at is counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from transforms.quality.check_counts import CheckCount, CheckCounts
from transforms.quality.compile import Check
from transforms.quality.declaration import AddsUp
from transforms.quality.reported import Reported


@dataclass(frozen=True)
class Result:
    """What one check came to.

    Attributes:
        check: the check.
        failing_rows: rows that fail; of totals 1 where they differ.
        checked_rows: rows that were looked at; of totals 1 where both sides are known.
        sample: some failing keys as a JSON array, of totals both sides; None where nothing fails.
    """

    check: Check
    failing_rows: int
    checked_rows: int
    sample: str | None

    @property
    def passed(self) -> bool:
        """Whether no row fails."""
        return self.failing_rows == 0

    def described(self) -> str:
        """A failed check in one line: what it asks, how many rows fail, and some of them."""
        check = self.check
        return (
            f"{check.check_id} ({check.description}) fails in {self.failing_rows:,} of "
            f"{self.checked_rows:,} {'comparisons' if check.totals else 'rows'}: {self.sample}"
        )

    def reported(self) -> Reported:
        """The result as a report holds it."""
        return Reported(
            self.check.check_id,
            self.check.severity,
            "pass" if self.passed else "fail",
            self.failing_rows,
            self.checked_rows,
            None if self.sample is None else json.loads(self.sample),
            self.check.description,
        )


def errors(results: Iterable[Result]) -> list[Result]:
    """The failed checks whose severity is error."""
    return [r for r in results if not r.passed and r.check.severity == "error"]


def conclude(checks: Iterable[Check], counts: CheckCounts) -> list[Result]:
    """The results of those checks of which everything was counted, in their order."""
    found = []
    for check in checks:
        if isinstance(check.rule, AddsUp):
            if all(total.key in counts.totals for total in check.totals):
                found.append(_compared(check, check.rule, counts))
        elif check.check_id in counts.checks:
            count = counts.checks[check.check_id]
            found.append(Result(check, count.failing, count.checked, _sample(count)))
    return found


def _sample(count: CheckCount) -> str | None:
    return f"[{', '.join(count.samples)}]" if count.failing else None


def _compared(check: Check, rule: AddsUp, counts: CheckCounts) -> Result:
    values = {total.key: counts.totals[total.key] for total in check.totals}
    known = [value for value in values.values() if value is not None]
    if len(known) < len(values):
        return Result(check, 0, 0, None)  # A column's own check reports what is wrong there.
    left, right = (
        sum(values[total.key] or 0 for total in side) for side in (rule.left, rule.right)
    )
    if left == right:
        return Result(check, 0, 1, None)
    return Result(check, 1, 1, json.dumps([values], ensure_ascii=False))
