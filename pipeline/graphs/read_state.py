"""What a warehouse holds of some keys, read by all workers; and what else an increment reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam import pvalue

from pipeline.sinks.stage_rows import StageRows
from pipeline.warehouse import StateReader, Warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import FoundRows, Lookup
from transforms.contract import STRING, Table, required
from transforms.increment_steps import EVENT_COLUMNS, TIMELINE_COLUMNS
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events, fct_events
from transforms.state import growth_counters, user_timelines
from transforms.touched_dates import TOUCHED

LETTERS: Final = "letters"
COUNTS: Final = "counts"
_LETTER_ID: Final = "dead_letter_id"
_LETTER_IDS: Final = Table(
    name="dead_letter_ids",
    description="Ids of dead letters.",
    columns=(required(_LETTER_ID, STRING, "An id"),),
)


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
            | "Gather keys" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
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


@dataclass
class ReadCounters(beam.PTransform):
    """The pipeline's begin -> the sum over all users that the warehouse holds, Counters.

    Attributes:
        warehouse: where it is.
    """

    warehouse: Warehouse

    def expand(self, begin: pvalue.PBegin) -> beam.PCollection:
        return (
            begin
            | "Once" >> beam.Create([None])
            | "Read" >> beam.Map(lambda _: self._read()).with_output_types(Counters)
        )

    def _read(self) -> Counters:
        return growth_counters.counters_of(self.warehouse.read(growth_counters.TABLE))


@dataclass
class NewDeadLetters(beam.PTransform):
    """Tables of dead_letter_events -> those of their rows that the warehouse has not.

    Outputs, by tag: LETTERS, tables; COUNTS, RunCounts of those that it has: a letter comes again
    where a file is loaded again that no longer stands in loaded_files.

    Attributes:
        warehouse: where the table is.
        run: the run's id.
        staging: the staging folder.
    """

    warehouse: Warehouse
    run: str
    staging: str

    def expand(self, letters: beam.PCollection) -> pvalue.DoOutputsTuple:
        table = dead_letter_events.TABLE
        lookup = Lookup(table, (_LETTER_ID,), (_LETTER_ID,), _LETTER_IDS)
        layout = self.warehouse.capabilities.layout
        known = (
            letters
            | "Ids" >> beam.Map(lambda rows: rows.select([_LETTER_ID])).with_output_types(pa.Table)
            | "Stage ids" >> StageRows(_LETTER_IDS, self.staging, layout)
            | "Find them" >> ReadRows(self.warehouse, self.run, [lookup])
        )
        outputs = {LETTERS: pa.Table, COUNTS: RunCounts}
        part = beam.ParDo(_part, pvalue.AsList(known)).with_output_types(Any, **outputs)
        return letters | "Part" >> part.with_outputs(*outputs)


def _part(letters: pa.Table, known: Sequence[pa.Table]) -> Any:
    ids = pa.concat_tables([_LETTER_IDS.arrow_schema.empty_table(), *known])[_LETTER_ID]
    new = letters.filter(pc.invert(pc.is_in(letters[_LETTER_ID], value_set=ids.combine_chunks())))
    yield pvalue.TaggedOutput(LETTERS, new)
    counts = RunCounts(known_dead_letters=letters.num_rows - new.num_rows)
    yield pvalue.TaggedOutput(COUNTS, counts)
