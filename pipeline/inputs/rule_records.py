"""Files that are read by rules, and the raw records in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.source_ranges import SourceRange, source_ranges, source_rows
from pipeline.inputs.sources import describe
from transforms.kernels.records import RawRecords
from transforms.kernels.source_rows import SourceRows, joined
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.source_fields import refuse_absent

# Each block costs some 10 ms however few rows it has; an archive of a year may have 8,760 files.
_TOGETHER_BYTES: Final = 1 << 20


def ranges_by_rules(
    file: InputFile, rules: Rules, range_bytes: int | None
) -> Iterator[SourceRange]:
    """The ranges of a file; none where it holds nothing but a header.

    Args:
        file: the file.
        rules: how it is read.
        range_bytes: about how large one is, as in `source_ranges`; None for one range.

    Raises:
        DataError: if the file can't be read, is not what the rules say, or lacks a column that they
            name.
    """
    for source in describe(file, rules.input):
        if source.form.kind in ("csv", "parquet"):
            # A wrong guess at a delimiter shows in its columns.
            refuse_absent(rules, source.names, f"{source.path} (read as {source.form.text})")
        yield from source_ranges(source, range_bytes)


def records_by_rules(
    parts: Sequence[SourceRange], rules: Rules, reader: RuleReader
) -> Iterator[tuple[RawRecords, int]]:
    """The records of ranges, block by block, each with how far the stored file has been read.

    Args:
        parts: the ranges, of one file.
        rules: how they are read.
        reader: by these rules.

    Raises:
        DataError: if the file can't be read, or has changed, or lacks a field that rules name.
    """
    blocks = (block for part in parts for block in _rows(part, rules))
    for rows, read in _together(blocks):
        yield reader(rows), read


def _rows(part: SourceRange, rules: Rules) -> Iterator[tuple[SourceRows, int]]:
    names = part.source.names
    wanted, labels = (rules.also_called(each, names) for each in (rules.wanted, rules.labels))
    return source_rows(part, wanted, labels)


def _together(blocks: Iterator[tuple[SourceRows, int]]) -> Iterator[tuple[SourceRows, int]]:
    """Blocks, of which small ones with the same columns are one."""
    held: list[SourceRows] = []
    size, read = 0, 0
    for rows, so_far in blocks:
        if held and (size >= _TOGETHER_BYTES or rows.table.schema != held[0].table.schema):
            yield joined(held), read
            held, size = [], 0
        held.append(rows)
        size, read = size + rows.table.nbytes, so_far
    if held:
        yield joined(held), read
