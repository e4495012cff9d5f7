"""Input files -> events by user shard, dead letters and counts: what workers do first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.staged_parts import staged_parts
from pipeline.inputs.csv_ranges import FileRange
from pipeline.inputs.listing import text_bytes
from pipeline.inputs.run_records import Range, RangeReader, ranges_of_file, together
from pipeline.inputs.source_ranges import SourceRange
from pipeline.local_batch.shuffled_events import ShuffleWriter
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.parse_step import ParsedPart
from transforms.quality.buffered_checks import BufferedChecks
from transforms.quality.check_counts import CheckCounts

_LETTERS = dead_letter_events.TABLE
# Text of small files: with dead letters each alone costs 25 ms of staging and checks.
_TOGETHER_BYTES: Final = 4 << 20


class ParsedFiles(NamedTuple):
    """What became of some parts of the input.

    Attributes:
        shuffled: the files in which their events are, by user shard.
        letters: staged rows of dead_letter_events.
        counts: by file, of input rows, dead letters and forgotten rows.
        checked: what the checks of dead letters have counted.
    """

    shuffled: list[str]
    letters: list[StagedFile]
    counts: dict[str, RunCounts]
    checked: CheckCounts


@dataclass(frozen=True)
class ParseRange:
    """Parses ranges of files.

    Attributes:
        job: the run.
        folder: of this machine, for the events.
    """

    job: BatchJob
    folder: str

    def __call__(self, parts: Sequence[Range]) -> ParsedFiles:
        """What some ranges hold.

        Raises:
            DataError: if a file can't be read, or has changed, or lacks what the rules name.
            RunError: if what it holds can't be written.
        """
        read = RangeReader(self.job.rules)
        found = (
            (_path(some[0]), parsed)
            for some in together(parts)
            for parsed in self._parsed(some, read)
        )
        return _gathered(self.job, self.folder, found)

    def _parsed(self, parts: Sequence[Range], read: RangeReader) -> Iterator[ParsedPart]:
        job = self.job
        path, begin = _path(parts[0]), _stored_start(parts[0])
        for records, position in read(parts):
            yield job.parsed(records)
            if job.progress:
                job.progress.report(path, begin, position, len(records))


@dataclass(frozen=True)
class ReadStagedFile:
    """Reads staged rows of STORED and of dead_letter_events.

    Attributes:
        job: the run.
        folder: of this machine, for the events.
    """

    job: BatchJob
    folder: str

    def __call__(self, file: StagedFile) -> ParsedFiles:
        """What a staged file holds.

        Raises:
            DataError: if it can't be read.
            RunError: if what it holds can't be written.
        """
        found = ((file.path, part) for part in self._read(file))
        return _gathered(self.job, self.folder, found)

    def _read(self, file: StagedFile) -> Iterator[ParsedPart]:
        done, job = 0, self.job
        for part in staged_parts(file, job.figures.known):
            yield part
            done += part.counts.input_rows
            if job.progress:
                read = file.bytes * done // file.rows
                job.progress.report(file.path, 0, read, part.counts.input_rows)


def _gathered(job: BatchJob, folder: str, parts: Iterable[tuple[str, ParsedPart]]) -> ParsedFiles:
    """What parsed parts come to, each with its file."""
    events = ShuffleWriter(folder, job.user_shards, shard_key(job.run))
    letters = StagedFiles(_LETTERS, job.staging, job.warehouse.capabilities.layout)
    counts: dict[str, RunCounts] = {}
    checked = []
    with closing(BufferedChecks(job.checks, TABLES, waiting=(_LETTERS.name,))) as over:
        for path, part in parts:
            for parsed in part.parsed:
                events.add(parsed.events)
            counts[path] = RunCounts.total([counts.get(path, RunCounts()), part.counts])
            if part.dead_letters.num_rows:
                letters.write(part.dead_letters)
                checked.append(over.evaluate({_LETTERS.name: part.dead_letters}))
        checked.append(over.finish())
    return ParsedFiles(events.close(), list(letters.close()), counts, CheckCounts.total(checked))


def ranges_of(job: BatchJob, range_bytes: int | None) -> Iterator[list[Range]]:
    """The ranges of a run's files: those of small files some together.

    Args:
        job: the run.
        range_bytes: about how large one is; None for one range a file.

    Raises:
        DataError: if a file can't be read, or is no CSV of events, or not what the rules say.
    """
    small: list[Range] = []
    text = 0
    for file in job.files:
        size = text_bytes(file)
        if small and text + size > _TOGETHER_BYTES:
            yield small
            small, text = [], 0
        if size > _TOGETHER_BYTES:
            yield from _of_large_file(ranges_of_file(file, job.rules, range_bytes), size)
        else:
            small += ranges_of_file(file, job.rules, range_bytes)
            text += size
    if small:
        yield small


def _of_large_file(parts: Iterator[Range], size: int) -> Iterator[list[Range]]:
    """The ranges of a file, each alone, but for the files of an archive, which may be small."""
    for some in together(parts):
        count = max(len(some) * _TOGETHER_BYTES // size, 1)
        for first in range(0, len(some), count):
            yield some[first : first + count]


def _path(part: Range) -> str:
    return part.path if isinstance(part, FileRange) else part.source.file.path


def _stored_start(part: Range) -> int:
    if isinstance(part, SourceRange):
        return part.stored_start
    return part.start if part.start > part.header_bytes else 0
