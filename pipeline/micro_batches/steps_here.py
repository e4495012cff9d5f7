"""The steps of an increment that need its warehouse, in this process, without a runner."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from pipeline import __version__
from pipeline.graphs.stored_state import EventsOn, dates_of_ids, state_of_dates
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import Lookup
from pipeline.warehouse.staged_files import stage
from transforms.advance_step import advanced, together
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.rates import NO_RATES, Rates
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_dates import touched_dates
from transforms.kernels.user_shards import by_user_shard, shard_key
from transforms.marts import dead_letter_events
from transforms.parse_step import ParsedPart
from transforms.touched_dates import NEW_IDS, TOUCHED, ids_of, rows

# Of new events, timelines and stored events: fewer are not worth a shard of their own, whose rows
# stay in the cache, and which another core may take.
_SHARD_ROWS: Final = 30_000
_MOST_SHARDS: Final = 16


@dataclass
class Came:
    """What files or messages are, before anybody has looked into the tables.

    Attributes:
        events: with the schema EVENT_BATCH.
        letters: tables of dead_letter_events.
        counts: of records, dead letters and forgotten ones.
    """

    events: list[pa.RecordBatch] = field(default_factory=list)
    letters: list[pa.Table] = field(default_factory=list)
    counts: list[RunCounts] = field(default_factory=list)

    def add(self, part: ParsedPart) -> None:
        """Take in what some records are."""
        self.events += [parsed.events for parsed in part.parsed if len(parsed.events)]
        self.letters.append(part.dead_letters)
        self.counts.append(part.counts)


@dataclass(frozen=True)
class StepsHere:
    """Reads state and stages rows as one run.

    Attributes:
        warehouse: where the state is.
        run: the run's id.
        staging: its folder for staged files.
        contracts: of all rows that are staged, by name.
    """

    warehouse: Warehouse
    run: str
    staging: str
    contracts: Mapping[str, Table]

    def advanced(
        self,
        events: Sequence[pa.RecordBatch],
        types: FigureSettings,
        written_at: datetime,
        identified: bool,
        rates: Rates = NO_RATES,
    ) -> dict[str, Any]:
        """What events change, as `advanced` gives it, with what the tables hold of their users.

        Args:
            events: with the schema EVENT_BATCH or IDENTIFIED_BATCH.
            types, written_at: as `advanced` takes them.
            identified: whether the rules name an event_id.
            rates: how many events a user may have.

        Raises:
            RunError: if the warehouse can't be read.
            DataError: if its tables contradict each other.
        """
        touched = [rows(touched_dates(batch, types.reckoning)) for batch in events]
        if identified:
            touched += self.found([dates_of_ids()], NEW_IDS, [ids_of(batch) for batch in events])
        found = self.found(state_of_dates(identified, rates.is_any), TOUCHED, touched)
        state = [batch for table in found for batch in table.to_batches()]
        shards = self._shards([*events, *state])
        events_on = EventsOn(self.warehouse, identified)
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            steps = executor.map(
                lambda shard: advanced(shard, types, written_at, events_on, __version__, rates),
                shards,
            )
            return together(list(steps))

    def found(
        self, lookups: Sequence[Lookup], contract: Table, keys: Sequence[pa.Table]
    ) -> list[pa.Table]:
        """What lookups find by some keys of a contract, in no order.

        Raises:
            RunError: if the keys can't be staged, or the warehouse can't be read.
        """
        if not keys:
            return []
        files = self.staged({contract.name: pa.concat_tables(keys)})
        shares = self.warehouse.look_up([each.of(files) for each in lookups], self.run)
        return [table for share in shares for table in self.warehouse.found(share)]

    def _shards(self, batches: Sequence[pa.RecordBatch]) -> list[list[pa.RecordBatch]]:
        """The rows of some users each, for a thread each; one shard without a row where none is."""
        count = max(1, min(sum(map(len, batches)) // _SHARD_ROWS, _MOST_SHARDS))
        if count == 1:
            return [list(batches)]
        shards: dict[int, list[pa.RecordBatch]] = defaultdict(list)
        for batch in batches:
            for number, part in by_user_shard(batch, shard_key(self.run), count):
                shards[number].append(part)
        return list(shards.values())

    def staged(self, tables: Mapping[str, pa.Table]) -> list[StagedFile]:
        """The files in which rows of tables are staged; none of those without a row.

        Raises:
            RunError: if they can't be written.
        """
        known = (TOUCHED, NEW_IDS, dead_letter_events.TABLE)
        contracts = {**{table.name: table for table in known}, **self.contracts}
        layout = self.warehouse.capabilities.layout
        return [
            file
            for name, its_rows in tables.items()
            if its_rows.num_rows
            for file in stage(contracts[name], its_rows, self.staging, layout)
        ]
