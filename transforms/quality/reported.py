"""Results of checks as a report holds them, in JSON, and the words that people read of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transforms.quality.declaration import Severity


@dataclass(frozen=True)
class Reported:
    """What one check came to.

    Attributes:
        check_id: the check's name.
        severity: error or warn.
        status: pass or fail.
        failing_rows: rows that fail; of totals 1 where they differ.
        checked_rows: rows that were looked at; of totals 1 where both sides are known.
        sample: some failing keys, of totals both sides; None where nothing fails.
        description: what the check asks.
    """

    check_id: str
    severity: Severity
    status: str
    failing_rows: int
    checked_rows: int
    sample: Sequence[Mapping[str, Any]] | None
    description: str

    @property
    def failed(self) -> bool:
        """Whether a row fails."""
        return self.status == "fail"

    @property
    def figures(self) -> str:
        """How many rows fail, and of how many."""
        severity = "" if self.severity == "error" else ", a warning"
        return f"fails in {self.failing_rows:,} of {self.checked_rows:,}{severity}"

    @property
    def keys(self) -> str:
        """Some of the failing keys."""
        return "; ".join(
            ", ".join(f"{name} {value}" for name, value in key.items()) for key in self.sample or ()
        )

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, results: Iterable[Mapping[str, Any]]) -> list[Reported]:
        """The results of what `to_json` has made of them."""
        return [cls(**result) for result in results]


def counted(results: Sequence[Reported]) -> list[str]:
    """How many checks passed, and by severity how many failed, if some did."""
    failed = [result.severity for result in results if result.failed]
    return [
        f"{len(results) - len(failed):,} passed",
        *(
            f"{failed.count(severity):,} failed ({severity})"
            for severity in ("error", "warn")
            if severity in failed
        ),
    ]
