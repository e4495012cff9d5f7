"""What a warehouse holds of some keys, read by all workers; and what else an increment reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa

from pipeline.warehouse import StateReader
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import FoundRows, Lookup


@dataclass
class ReadRows(beam.PTransform):
    """StagedFiles of keys -> tables of the rows that have them.

    One step asks for all of them, and every worker reads a share of what is found.

    Attributes:
        warehouse: where the tables are.
        run: the run's id.
        lookups: what is looked up; their files come from the step before.
    """

    warehouse: StateReader
    run: str
    lookups: Sequence[Lookup]

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        return (
            files
            | "Gather keys"
            >> beam.CombineGlobally(beam.combiners.ToListCombineFn()).without_defaults()
            | "Look up" >> beam.FlatMap(self._look_up).with_output_types(FoundRows)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(self.warehouse.found).with_output_types(pa.Table)
        )

    def _look_up(self, files: Sequence[StagedFile]) -> list[FoundRows]:
        # In another process a file has the fields of its class, and nothing else of it.
        staged = sorted(map(StagedFile._make, files))
        return self.warehouse.look_up([each.of(staged) for each in self.lookups], self.run)
