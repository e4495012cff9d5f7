"""Files that are read by rules, and the raw records in them."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.source_ranges import SourceRange, source_ranges, source_rows
from pipeline.inputs.sources import describe
from transforms.kernels.records import RawRecords
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.source_fields import refuse_absent


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
    part: SourceRange, rules: Rules, reader: RuleReader
) -> Iterator[tuple[RawRecords, int]]:
    """The range's records, block by block, each with how far the stored file has been read.

    Args:
        part: the range.
        rules: how it is read.
        reader: by these rules.

    Raises:
        DataError: if the file can't be read, or has changed, or lacks a field that rules name.
    """
    for rows, read in source_rows(part, rules.wanted, rules.labels):
        yield reader(rows), read
