"""Checks in a graph: over rows on their way to the warehouse, summed up for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.checking.bound import Check
from transforms.checking.memory import ArrowChecks
from transforms.checking.tallies import Tallies
from transforms.marts.registry import TABLES

CHECKED: Final = "checked"

# Planning a statement takes as long as running it over so many bytes.
_BUFFERED_BYTES: Final = 16 << 20


@dataclass
class CheckRows(beam.PTransform):
    """Tables of rows of one table -> Tallies of the checks that they answer by themselves.

    Attributes:
        table: the table's name.
        checks: all checks.
    """

    table: str
    checks: tuple[Check, ...]

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "Check" >> beam.ParDo(_Check(self)).with_output_types(Tallies)


class _Check(beam.DoFn):
    def __init__(self, options: CheckRows):
        self._table, self._checks = options.table, options.checks

    def setup(self) -> None:
        self._over = ArrowChecks(self._checks, TABLES)

    def teardown(self) -> None:
        self._over.close()

    def start_bundle(self) -> None:
        self._rows = [TABLES[self._table].arrow_schema.empty_table()]

    def process(self, rows: pa.Table) -> Iterator[Tallies]:
        self._rows.append(rows)
        if sum(part.nbytes for part in self._rows) > _BUFFERED_BYTES:
            yield self._tallies()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield GlobalWindows.windowed_value(self._tallies())

    def _tallies(self) -> Tallies:
        rows = pa.concat_tables(self._rows)
        self.start_bundle()
        return self._over.evaluate({self._table: rows})
