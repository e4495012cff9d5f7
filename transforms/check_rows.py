"""Checks in a graph: over rows on their way to the warehouse, summed up for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.marts.registry import TABLES
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.buffered_checks import BUFFERED_BYTES
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check

CHECKED: Final = "checked"


@dataclass
class CheckRows(beam.PTransform):
    """Tables of rows of one table -> CheckCounts of the checks that they answer by themselves.

    Attributes:
        table: the table's name.
        checks: all checks.
    """

    table: str
    checks: tuple[Check, ...]

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "Check" >> beam.ParDo(_Check(self)).with_output_types(CheckCounts)


class _Check(beam.DoFn):
    def __init__(self, options: CheckRows):
        self._table, self._checks = options.table, options.checks

    def setup(self) -> None:
        self._over = ArrowChecks(self._checks, TABLES)

    def teardown(self) -> None:
        self._over.close()

    def start_bundle(self) -> None:
        self._rows = [TABLES[self._table].arrow_schema.empty_table()]

    def process(self, rows: pa.Table) -> Iterator[CheckCounts]:
        self._rows.append(rows)
        if sum(part.nbytes for part in self._rows) > BUFFERED_BYTES:
            yield self._counted()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield GlobalWindows.windowed_value(self._counted())

    def _counted(self) -> CheckCounts:
        rows = pa.concat_tables(self._rows)
        self.start_bundle()
        return self._over.evaluate({self._table: rows})
