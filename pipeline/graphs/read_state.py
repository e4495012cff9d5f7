"""What a warehouse holds of some keys, read by all workers; and what else an increment reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa

from pipeline.warehouse import StateReader, TableReader
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import FoundRows, Lookup
from transforms.increment_steps import EVENT_COLUMNS, TIMELINE_COLUMNS
from transforms.kernels.counters import Counters
from transforms.marts import fct_events
from transforms.state import growth_counters, user_timelines
from transforms.touched_dates import TOUCHED


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


def state_of_dates() -> tuple[Lookup, ...]:
    """What is read of the users and dates of TOUCHED: timelines, and the events on these dates."""
    return (
        Lookup(user_timelines.TABLE, TIMELINE_COLUMNS, ("user_id",), TOUCHED),
        Lookup(fct_events.TABLE, EVENT_COLUMNS, TOUCHED.column_names, TOUCHED),
    )


@dataclass(frozen=True)
class EventsOn:
    """Reads the stored events of a few dates; an `EventsOnDates`.

    Attributes:
        warehouse: where they are.
    """

    warehouse: StateReader

    def __call__(self, dates: pa.Table) -> pa.Table:
        """See `EventsOnDates`.

        Raises:
            RunError: if they can't be read.
        """
        return self.warehouse.rows_with(fct_events.TABLE, EVENT_COLUMNS, dates)


@dataclass(frozen=True)
class CountersOf:
    """Reads the sum over all users that a warehouse holds.

    Attributes:
        warehouse: it.
    """

    warehouse: TableReader

    def __call__(self) -> Counters:
        """The sum.

        Raises:
            RunError: if it can't be read.
            DataError: if a later version wrote it.
        """
        return growth_counters.counters_of(self.warehouse.read(growth_counters.TABLE))
