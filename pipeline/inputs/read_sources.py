"""Files of other tools, and rules -> raw records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from pipeline.inputs.rule_records import ranges_by_rules, records_by_rules
from pipeline.inputs.source_ranges import SourceRange
from pipeline.progress import Progress
from transforms.kernels.records import RawRecords
from transforms.prefetch import prefetch
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader


@dataclass
class ReadSources(beam.PTransform):
    """InputFiles -> RawRecords, in blocks of some 16 MiB.

    Attributes:
        rules: how files are read.
        range_bytes: about how large a range one worker reads of a file that can be split, as in
            `ReadCsv`; None to read each file in one piece.
        progress: where workers on this machine note how far they are.
    """

    rules: Rules
    range_bytes: int | None = None
    progress: Progress | None = None

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        found = files | "Find records" >> beam.FlatMap(
            ranges_by_rules, self.rules, self.range_bytes
        ).with_output_types(SourceRange)
        if self.range_bytes is not None:
            found |= "Spread ranges" >> beam.Reshuffle()
        read = beam.ParDo(_Read(self.rules, self.progress)).with_output_types(RawRecords)
        return found | "Read records" >> read


class _Read(beam.DoFn):
    def __init__(self, rules: Rules, progress: Progress | None):
        self._rules = rules
        self._progress = progress

    def setup(self) -> None:
        self._reader = RuleReader(self._rules)

    def process(self, part: SourceRange) -> Iterator[RawRecords]:
        for records, read in prefetch(records_by_rules([part], self._rules, self._reader)):
            yield records
            if self._progress:
                path, begin = part.source.path, part.stored_start
                self._progress.report(path, begin, read, len(records))
