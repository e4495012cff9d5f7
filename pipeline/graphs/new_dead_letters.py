"""Dead letters on their way, without those that a warehouse has already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue

from pipeline.graphs.known_dead_letters import KnownDeadLetters
from transforms.kernels.run_counts import RunCounts

LETTERS: Final = "letters"
COUNTS: Final = "counts"


@dataclass
class NewDeadLetters(beam.PTransform):
    """Tables of dead_letter_events -> those of their rows that are not known.

    Outputs, by tag: LETTERS, tables; COUNTS, RunCounts of those that are known.

    Attributes:
        known: those that are known.
    """

    known: KnownDeadLetters

    def expand(self, letters: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {LETTERS: pa.Table, COUNTS: RunCounts}
        part = beam.FlatMap(self._parted).with_output_types(Any, **outputs)
        return letters | "Part" >> part.with_outputs(*outputs)

    def _parted(self, letters: pa.Table) -> Iterator[pvalue.TaggedOutput]:
        new, counts = self.known.parted(letters)
        yield pvalue.TaggedOutput(LETTERS, new)
        yield pvalue.TaggedOutput(COUNTS, counts)
