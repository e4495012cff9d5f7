"""Dead letters of files that were read by rules -> raw records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from transforms.kernels.records import RawRecords
from transforms.kernels.source_records import PayloadFormat, read_payloads
from transforms.rules.model import ISO, Rules
from transforms.rules.read_by_rules import RuleReader

# How times and dates of Parquet are written in the JSON of a dead letter.
_WRITTEN: Final = ("%Y-%m-%d", ISO)


class ReadAgain:
    """Reads payloads of dead letters by the rules by which their files were read."""

    def __init__(self, rules: Rules):
        self._reader = RuleReader(rules)
        formats = tuple(dict.fromkeys((*rules.time.formats, *_WRITTEN)))
        typed = replace(rules, time=replace(rules.time, formats=formats))
        self._of_parquet = RuleReader(typed)

    def __call__(self, payloads: Sequence[bytes], form: PayloadFormat) -> RawRecords:
        """The raw records that payloads of one format are; the position of each is its index."""
        reader = self._of_parquet if form.is_parquet else self._reader
        return reader(read_payloads(payloads, form, ""))
