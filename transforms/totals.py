"""The sums over all users, and the marts that are finished from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue

from transforms.check_rows import CHECKED
from transforms.figure_settings import FigureSettings
from transforms.finished_marts import SUMS, finished
from transforms.kernels.counters import Counters
from transforms.marts.registry import FINISH, TABLES
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check


class _Summable(Protocol):
    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self: ...


class _Total(beam.CombineFn):
    """Adds up objects whose class has `total`."""

    def __init__(self, kind: type[_Summable]):
        self._kind = kind

    def get_accumulator_coder(self) -> beam.coders.Coder:
        return beam.coders.registry.get_coder(self._kind)

    def create_accumulator(self) -> _Summable:
        return self._kind.total([])

    def add_input(self, accumulator: _Summable, element: _Summable) -> _Summable:
        return self._kind.total([accumulator, element])

    def merge_accumulators(self, accumulators: Iterable[_Summable]) -> _Summable:
        return self._kind.total(accumulators)

    def extract_output(self, accumulator: _Summable) -> _Summable:
        return accumulator


@dataclass
class Sum(beam.PTransform):
    """Counters, RunCounts or CheckCounts -> their one sum; without an element, the sum of none.

    Attributes:
        kind: Counters, RunCounts or CheckCounts.
    """

    kind: type[_Summable]

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return parts | "Sum" >> beam.CombineGlobally(_Total(self.kind)).with_input_types(
            self.kind
        ).with_output_types(self.kind)


@dataclass
class FinishMarts(beam.PTransform):
    """The sum of all Counters -> by the name of each mart a table of its rows.

    Two further outputs: rows of growth_counters by that name, and CHECKED, CheckCounts of the
    checks that the marts answer among themselves.

    Attributes:
        written_at: the moment of writing, in UTC without a zone.
        checks: to be evaluated on the rows; none for no CHECKED.
        figures: the settings by which they are made.
    """

    written_at: datetime
    checks: tuple[Check, ...] = ()
    figures: FigureSettings = FigureSettings()

    def expand(self, totals: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {**dict.fromkeys((*FINISH, SUMS), pa.Table), CHECKED: CheckCounts}
        finish = beam.ParDo(_Finish(self)).with_output_types(Any, **outputs)
        return totals | "Finish" >> finish.with_outputs(*outputs)


class _Finish(beam.DoFn):
    def __init__(self, options: FinishMarts):
        self._written_at, self._checks = options.written_at, options.checks
        self._figures = options.figures

    def process(self, totals: Counters) -> Iterator[pvalue.TaggedOutput]:
        rows = finished(totals, self._written_at, self._figures)
        for name, its_rows in rows.items():
            yield pvalue.TaggedOutput(name, its_rows)
        if self._checks:
            marts = {name: rows[name] for name in FINISH}
            yield pvalue.TaggedOutput(CHECKED, ArrowChecks(self._checks, TABLES).evaluate(marts))
