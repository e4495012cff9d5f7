"""The files of a run, read by rules or as CSV of events: their ranges, and the records in these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import TypeAlias

from pipeline.inputs.csv_ranges import FileRange, blocks, ranges
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.rule_records import ranges_by_rules, records_by_rules
from pipeline.inputs.source_ranges import SourceRange
from transforms.kernels.records import RawRecords
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader

# With rules a range is one of a source.
Range: TypeAlias = FileRange | SourceRange


def ranges_of_file(
    file: InputFile, rules: Rules | None, range_bytes: int | None
) -> Iterator[Range]:
    """The ranges of a file; none where it holds nothing but a header.

    Args:
        file: the file.
        rules: how it is read; None for CSV with the source columns.
        range_bytes: about how large one is; None for one range.

    Raises:
        DataError: if the file can't be read, or is no CSV of events, or not what the rules say.
    """
    if rules is None:
        yield from ranges(file, range_bytes)
    else:
        yield from ranges_by_rules(file, rules, range_bytes)


class RangeReader:
    """Reads ranges of files, as `ranges_of_file` gives them.

    Args:
        rules: how they are read; None for CSV with the source columns.
    """

    def __init__(self, rules: Rules | None):
        self._by_rules = None if rules is None else (rules, RuleReader(rules))

    def __call__(self, parts: Sequence[Range]) -> Iterator[tuple[RawRecords, int]]:
        """The records of ranges, block by block, each with how far the stored file has been read.

        Args:
            parts: as `together` gives them.

        Raises:
            DataError: if the file can't be read, or has changed, or lacks what the rules name.
        """
        sources = [part for part in parts if isinstance(part, SourceRange)]
        if not sources:
            return chain.from_iterable(
                blocks(part) for part in parts if isinstance(part, FileRange)
            )
        assert self._by_rules is not None, "a source is read by rules"
        return records_by_rules(sources, *self._by_rules)


def together(parts: Iterable[Range]) -> Iterator[list[Range]]:
    """The ranges that are read together: of files in one archive some at a time, others alone."""
    for _, found in groupby(parts, _archive):
        yield list(found)


def _archive(part: Range) -> object:
    """What ranges of one archive share; something else for each other range."""
    if isinstance(part, FileRange) or not part.source.member:
        return object()
    return part.source.file
