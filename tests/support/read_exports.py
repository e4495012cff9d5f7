"""Exports as rules read them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.inputs.input_versions import local_file
from pipeline.inputs.sample_rows import samples
from tests.support.made_exports import Read
from transforms.kernels.parse import Limits, parse_records
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader

# Behind all events that are made.
NOW: Final = datetime(2026, 11, 27)


def read_by(path: Path, rules: Rules) -> list[Read]:
    """What the parser makes of a whole file by rules, none of whose rows may fail."""
    found = []
    for sample in samples(local_file(str(path)), rules.input, 10_000):
        for part in sample.parts:
            records = RuleReader(rules)(part)
            parsed = parse_records(records, NOW, Limits(event_types=rules.event_types))
            assert [*parsed.rejections] == []
            rows = parsed.events.to_pylist()
            found += [
                Read(
                    row["event_time"].isoformat(timespec="microseconds"),
                    row["user_id"],
                    rules.event_types[row["event_type"]],
                    ("iOS", "Android", "Web")[row["platform"]],
                    row["utm_source"] or "",
                    row["country"] or "",
                )
                for row in rows
            ]
    return found
