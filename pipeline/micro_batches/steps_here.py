"""The steps of an increment that need its warehouse, in this process, without a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.graphs.stored_state import EventsOn, state_of_dates
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.advance_step import advanced
from transforms.contract import Table
from transforms.kernels.user_dates import touched_dates
from transforms.touched_dates import TOUCHED, rows


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
        self, events: Sequence[pa.RecordBatch], active_types: Sequence[int], written_at: datetime
    ) -> dict[str, Any]:
        """What events change, as `advanced` gives it, with what the tables hold of their users.

        Raises:
            RunError: if the warehouse can't be read.
            DataError: if its tables contradict each other.
        """
        warehouse = self.warehouse
        touched = [rows(touched_dates(batch)) for batch in events]
        keys = self.staged({TOUCHED.name: pa.concat_tables(touched)}) if touched else []
        shares = warehouse.look_up([found.of(keys) for found in state_of_dates()], self.run)
        state = [
            batch
            for share in shares
            for table in warehouse.found(share)
            for batch in table.to_batches()
        ]
        return advanced([*events, *state], active_types, written_at, EventsOn(warehouse))

    def staged(self, tables: Mapping[str, pa.Table]) -> list[StagedFile]:
        """The files in which rows of tables are staged; none of those without a row.

        Raises:
            RunError: if they can't be written.
        """
        contracts = {**self.contracts, TOUCHED.name: TOUCHED}
        found: list[StagedFile] = []
        for name, its_rows in tables.items():
            if its_rows.num_rows:
                layout = self.warehouse.capabilities.layout
                files = StagedFiles(contracts[name], self.staging, layout)
                files.write(its_rows)
                found += files.close()
        return found
