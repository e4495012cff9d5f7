"""What a person sees of checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from pipeline.terminal import printable


def checks_line(results: Sequence[Mapping[str, Any]]) -> str:
    """How many checks passed and failed."""
    failed = [result["severity"] for result in results if result["status"] == "fail"]
    parts = [f"{len(results) - len(failed):,} passed"]
    parts += [
        f"[bold]{failed.count(severity):,} failed ({severity})[/]"
        for severity in ("error", "warn")
        if severity in failed
    ]
    return f"checks  {', '.join(parts)}"


def failed_lines(results: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Each failed check: how many rows fail, what it asks, and the first keys."""
    for result in results:
        if result["status"] == "fail":
            figures = f"{result['failing_rows']:,} of {result['checked_rows']:,}"
            severity = "" if result["severity"] == "error" else ", a warning"
            yield Text.assemble((result["check_id"], "bold"), f"  fails in {figures}{severity}")
            yield Text(f"  {result['description']}", "dim")
            keys = "; ".join(_key(sample) for sample in result["sample"])
            yield Text(f"  e.g. {keys}", "dim")


def _key(sample: Mapping[str, Any]) -> str:
    return printable(", ".join(f"{name} {value}" for name, value in sample.items()))
