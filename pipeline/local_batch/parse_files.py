"""Input files -> events by user shard, dead letters and counts: what workers do first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline import __version__
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.staged_parts import staged_parts
from pipeline.inputs.csv_ranges import FileRange, blocks, ranges
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import text_bytes
from pipeline.inputs.rule_records import ranges_by_rules, records_by_rules
from pipeline.inputs.source_ranges import SourceRange
from pipeline.local_batch.shuffled_events import ShuffleWriter
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.parse import Limits
from transforms.kernels.records import RawRecords
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.parse_step import ParsedPart, parse_part
from transforms.quality.buffered_checks import BufferedChecks
from transforms.quality.check_counts import CheckCounts
from transforms.rules.read_by_rules import RuleReader

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

    def __call__(self, parts: Sequence[FileRange | SourceRange]) -> ParsedFiles:
        """What some ranges hold; with rules they are those of sources.

        Raises:
            DataError: if a file can't be read, or has changed, or lacks what the rules name.
            RunError: if what it holds can't be written.
        """
        found = ((_path(part), parsed) for part in parts for parsed in self._parsed(part))
        return _gathered(self.job, self.folder, found)

    def _parsed(self, part: FileRange | SourceRange) -> Iterator[ParsedPart]:
        job = self.job
        limits = Limits(job.max_future_minutes, event_types=job.active_types.known)
        path, begin = _path(part), _stored_start(part)
        for records, read in self._records(part):
            yield parse_part(
                records, job.started_at, limits, __version__, job.corrections, job.forgotten
            )
            if job.progress:
                job.progress.report(path, begin, read, len(records))

    def _records(self, part: FileRange | SourceRange) -> Iterator[tuple[RawRecords, int]]:
        rules = self.job.rules
        if isinstance(part, SourceRange) and rules is not None:
            yield from records_by_rules(part, rules, RuleReader(rules))
        elif isinstance(part, FileRange):
            yield from blocks(part)


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
        for part in staged_parts(file, job.active_types.known):
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


def ranges_of(job: BatchJob, range_bytes: int | None) -> Iterator[list[FileRange | SourceRange]]:
    """The ranges of a run's files: those of small files some together.

    Args:
        job: the run.
        range_bytes: about how large one is; None for one range a file.

    Raises:
        DataError: if a file can't be read, or is no CSV of events, or not what the rules say.
    """
    together: list[FileRange | SourceRange] = []
    text = 0
    for file in job.files:
        size = text_bytes(file)
        if together and text + size > _TOGETHER_BYTES:
            yield together
            together, text = [], 0
        if size > _TOGETHER_BYTES:
            yield from ([part] for part in _ranges(job, file, range_bytes))
        else:
            together += _ranges(job, file, range_bytes)
            text += size
    if together:
        yield together


def _ranges(
    job: BatchJob, file: InputFile, range_bytes: int | None
) -> Iterator[FileRange | SourceRange]:
    if job.rules is None:
        yield from ranges(file, range_bytes)
    else:
        yield from ranges_by_rules(file, job.rules, range_bytes)


def _path(part: FileRange | SourceRange) -> str:
    return part.path if isinstance(part, FileRange) else part.source.file.path


def _stored_start(part: FileRange | SourceRange) -> int:
    if isinstance(part, SourceRange):
        return part.stored_start
    return part.start if part.start > part.header_bytes else 0
