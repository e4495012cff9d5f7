"""What checks have counted so far, summed up over shards and bundles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

MAX_SAMPLES: Final = 5


@dataclass(frozen=True)
class CheckCount:
    """What a check has counted.

    Attributes:
        failing: rows that fail.
        checked: rows that were looked at.
        samples: the first failing keys, at most MAX_SAMPLES, each a JSON object, in their order.
    """

    failing: int = 0
    checked: int = 0
    samples: tuple[str, ...] = ()

    @classmethod
    def total(cls, parts: Iterable[CheckCount]) -> CheckCount:
        """The sum of any number of counts of rows that are not the same."""
        parts = list(parts)
        samples = sorted({sample for part in parts for sample in part.samples})
        return cls(
            sum(part.failing for part in parts),
            sum(part.checked for part in parts),
            tuple(samples[:MAX_SAMPLES]),
        )


@dataclass(frozen=True)
class CheckCounts:
    """What the checks of some rows have counted.

    Attributes:
        checks: by check_id.
        totals: sums, by `total_key`; None where a row's value is unknown.
    """

    checks: Mapping[str, CheckCount] = field(default_factory=dict)
    totals: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def total(cls, parts: Iterable[CheckCounts]) -> CheckCounts:
        """The sum of any number of counts."""
        checks: dict[str, list[CheckCount]] = {}
        totals: dict[str, int | None] = {}
        for part in parts:
            for check_id, count in part.checks.items():
                checks.setdefault(check_id, []).append(count)
            for key, value in part.totals.items():
                known = totals.get(key, 0)
                totals[key] = None if known is None or value is None else known + value
        return cls(
            {check_id: CheckCount.total(found) for check_id, found in checks.items()}, totals
        )

    def with_samples(self, samples: Mapping[str, Iterable[str]]) -> CheckCounts:
        """The same with these failing keys, by check_id."""
        checks = dict(self.checks)
        for check_id, found in samples.items():
            checks[check_id] = replace(checks[check_id], samples=tuple(found))
        return CheckCounts(checks, self.totals)

    def to_bytes(self) -> bytes:
        """The same bytes for equal counts; `from_bytes` reads them."""
        checks = {
            check_id: [count.failing, count.checked, *count.samples]
            for check_id, count in self.checks.items()
        }
        return json.dumps([checks, dict(self.totals)], sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> CheckCounts:
        """The counts that `to_bytes` wrote."""
        checks, totals = json.loads(data)
        return cls(
            {
                check_id: CheckCount(failing, checked, tuple(samples))
                for check_id, (failing, checked, *samples) in checks.items()
            },
            totals,
        )


def sample_of(row: Mapping[str, Any]) -> str:
    """A failing key as JSON; what JSON has no form for as text."""
    return json.dumps(row, default=str, ensure_ascii=False)
