"""The first rows of input files, by the files' own names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.source_ranges import source_ranges, source_rows
from pipeline.inputs.sources import Source, describe
from transforms.kernels.input_formats import Given
from transforms.kernels.records import NO_REJECTIONS, Origin
from transforms.kernels.source_rows import SourceRows


@dataclass(frozen=True)
class Sample:
    """The beginning of a source.

    Attributes:
        source: the source.
        parts: its first rows.
        is_whole: whether it has no more.
    """

    source: Source
    parts: tuple[SourceRows, ...]
    is_whole: bool

    @property
    def rows(self) -> int:
        """How many rows it has, with those that can't be read."""
        return sum(map(len, self.parts))


def samples(file: InputFile, given: Given, rows: int, most: int | None = None) -> list[Sample]:
    """The first rows of a file; of an archive, of files in it.

    Args:
        file: the file.
        given: what rules say of it.
        rows: how many of each, at most.
        most: of how many files of an archive at most; None for all.

    Raises:
        DataError: if it can't be read, or is not what its name or `given` says.
    """
    return [sample_of(source, rows) for source in describe(file, given, most)]


def sample_of(source: Source, rows: int) -> Sample:
    """The first rows of a source.

    Raises:
        DataError: if it can't be read.
    """
    parts: list[SourceRows] = []
    left = rows
    # Of columns of one name rules can take none.
    names = [name for name in dict.fromkeys(source.names) if source.names.count(name) == 1]
    for found in _rows(source, names):
        if left <= 0:
            return Sample(source, tuple(parts), False)
        cut = found.table.num_rows > left
        if cut:
            parts.append(_beginning(found, left))
            return Sample(source, tuple(parts), False)
        parts.append(found)
        left -= found.table.num_rows
    return Sample(source, tuple(parts), True)


def _beginning(found: SourceRows, rows: int) -> SourceRows:
    """The first rows of others, without what could not be read behind them."""
    return replace(
        found,
        table=found.table.slice(0, rows),
        origin=_Beginning(found.origin, rows),
        unreadable=NO_REJECTIONS,
    )


@dataclass(frozen=True)
class _Beginning:
    """Where the first rows of others came from: their `Origin`."""

    whole: Origin
    rows: int

    def sizes(self) -> NDArray[np.int64]:
        return self.whole.sizes()[: self.rows]

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return self.whole.payloads(rows)

    def position(self, row: int) -> str:
        return self.whole.position(row)

    def attributes(self, row: int) -> str | None:
        return self.whole.attributes(row)


def _rows(source: Source, names: list[str]) -> Iterator[SourceRows]:
    for part in source_ranges(source, None):
        for rows, _ in source_rows(part, names):
            yield rows
