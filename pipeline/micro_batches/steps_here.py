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

from pipeline.graphs.stored_state import EventsOn, state_of_dates
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import stage
from transforms.advance_step import advanced, together
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_dates import touched_dates
from transforms.kernels.user_shards import by_user_shard, shard_key
from transforms.parse_step import ParsedPart
from transforms.touched_dates import TOUCHED, rows

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
        self, events: Sequence[pa.RecordBatch], types: FigureSettings, written_at: datetime
    ) -> dict[str, Any]:
        """What events change, as `advanced` gives it, with what the tables hold of their users.

        Raises:
            RunError: if the warehouse can't be read.
            DataError: if its tables contradict each other.
        """
        warehouse = self.warehouse
        touched = [rows(touched_dates(batch, types.reckoning)) for batch in events]
        keys = self.staged({TOUCHED.name: pa.concat_tables(touched)}) if touched else []
        shares = warehouse.look_up([found.of(keys) for found in state_of_dates()], self.run)
        state = [
            batch
            for share in shares
            for table in warehouse.found(share)
            for batch in table.to_batches()
        ]
        shards = self._shards([*events, *state])
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            steps = executor.map(
                lambda shard: advanced(shard, types, written_at, EventsOn(warehouse)), shards
            )
            return together(list(steps))

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
        contracts = {**self.contracts, TOUCHED.name: TOUCHED}
        layout = self.warehouse.capabilities.layout
        return [
            file
            for name, its_rows in tables.items()
            if its_rows.num_rows
            for file in stage(contracts[name], its_rows, self.staging, layout)
        ]
