"""What a flush of a stream has gathered, and what it comes to once it is sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

import pyarrow as pa

from pipeline.reports import FlushReport
from pipeline.sinks.run_rows import rows_of_run, rows_of_state
from pipeline.sinks.staged_steps import StagedStep, in_order
from pipeline.warehouse.changes import StagedFile
from transforms.contract import Table
from transforms.kernels.codecs.sum_codecs import (
    decode_counters,
    decode_run_counts,
    encode_counters,
    encode_run_counts,
)
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.mart_changes import Finished
from transforms.marts import data_quality_results
from transforms.marts.registry import RESULTS
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.reported import Reported
from transforms.quality.results import Result, conclude
from transforms.state.pipeline_runs import Run, RunState

Part: TypeAlias = StagedStep | Counters | RunCounts | CheckCounts


class _PartCodec(NamedTuple):
    type: type
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Part]


# The state of running jobs names a part by its place here.
_CODECS: Final = (
    _PartCodec(StagedStep, StagedStep.to_bytes, StagedStep.from_bytes),
    _PartCodec(Counters, encode_counters, decode_counters),
    _PartCodec(RunCounts, encode_run_counts, decode_run_counts),
    _PartCodec(CheckCounts, CheckCounts.to_bytes, CheckCounts.from_bytes),
)


def encode_part(part: Part) -> tuple[int, bytes]:
    """A part as a job's state holds it: which type it has, and its bytes."""
    number = next(at for at, codec in enumerate(_CODECS) if isinstance(part, codec.type))
    return number, _CODECS[number].encode(part)


def decode_part(stored: tuple[int, bytes]) -> Part:
    """The part that `encode_part` wrote.

    Raises:
        DataError: if a later version wrote it.
    """
    number, data = stored
    return _CODECS[number].decode(data)


@dataclass(frozen=True)
class Gathered:
    """What has come for a flush, in any order.

    Attributes:
        steps: staged rows.
        counters: what the sum of counters grows by.
        counts: what the run's counts grow by.
        checked: what checks have counted of the staged rows.
    """

    steps: list[StagedStep] = field(default_factory=list)
    counters: list[Counters] = field(default_factory=list)
    counts: list[RunCounts] = field(default_factory=list)
    checked: list[CheckCounts] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Gathered:
        """Parts, each where it belongs."""
        found = cls()
        for part in parts:
            match part:
                case StagedStep():
                    found.steps.append(part)
                case Counters():
                    found.counters.append(part)
                case RunCounts():
                    found.counts.append(part)
                case CheckCounts():
                    found.checked.append(part)
        return found

    def in_order(
        self, done: Mapping[str, int]
    ) -> tuple[Gathered, list[StagedStep], dict[str, int]]:
        """What can be committed; the steps that wait for one before them; how many steps of each
        lane are done then.

        Args:
            done: how many steps of each lane are done.
        """
        ready, waiting, after = in_order(self.steps, done)
        return replace(self, steps=ready), waiting, after

    @property
    def files(self) -> list[StagedFile]:
        """All that is staged."""
        return [file for step in self.steps for file in step.files]


@dataclass(frozen=True)
class Totals:
    """What all flushes so far come to.

    Attributes:
        flushes: how many there are.
        counters: the sum over all users.
        counts: the run's counts.
        written_at_us: when the last one was written, in microseconds since 1970-01-01; None before
            the first.
    """

    flushes: int = 0
    counters: Counters = field(default_factory=Counters.empty)
    counts: RunCounts = field(default_factory=RunCounts)
    written_at_us: int | None = None

    def plus(self, gathered: Gathered, written_at_us: int) -> Totals:
        """The totals with one flush more."""
        return Totals(
            self.flushes + 1,
            Counters.total([self.counters, *gathered.counters]),
            RunCounts.total([self.counts, *gathered.counts]),
            written_at_us,
        )


# Of the sum before, the sum after, and the moment of writing in microseconds since 1970-01-01.
Finish = Callable[[Counters, Counters, int], Finished]


@dataclass(frozen=True)
class Flush:
    """What a flush comes to, before its own rows are staged.

    Attributes:
        totals: what all flushes come to with it.
        files: what is staged already.
        rows: by the name of a contract, the rows that are to be staged: of marts and sums that
            change, of the run, and of checks that fail.
        results: what the checks come to that the flush answers.
    """

    totals: Totals
    files: list[StagedFile]
    rows: Mapping[str, pa.Table]
    results: list[Result]

    def sealed(self, staged: Iterable[StagedFile]) -> SealedFlush:
        """The flush as it is committed, once its rows are staged in these files."""
        return SealedFlush(
            self.totals.flushes,
            sorted([*self.files, *staged]),
            self.totals.counts,
            self.totals.counters.events,
            len(self.results),
            tuple(result.reported() for result in self.results if not result.passed),
        )


class Held(NamedTuple):
    """What the tables hold of what a flush has counted.

    Attributes:
        events: rows of fct_events.
        dead_letters: rows of dead_letter_events.
    """

    events: int
    dead_letters: int


_NOTHING: Final = Held(0, 0)


@dataclass(frozen=True)
class SealedFlush:
    """A flush that nothing changes any more; a commit that is tried again finds the same one.

    Attributes:
        number: which of the run it is, from 1.
        files: all that it commits.
        counts: what became of all messages so far.
        in_marts: the events in the marts.
        evaluated: how many checks it has answered.
        failed: what those came to that failed.
    """

    number: int
    files: list[StagedFile]
    counts: RunCounts
    in_marts: int
    evaluated: int
    failed: tuple[Reported, ...]

    def commit_id(self, run: str) -> str:
        """The id of its commit, by what it holds: an engine that goes back to an earlier state
        may seal another flush under the same number, and that one is not committed yet.

        Args:
            run: the id of the run.
        """
        content = "\n".join(file.path for file in self.files).encode()
        digest = hashlib.blake2b(content, digest_size=6).hexdigest()
        return f"{flush_run(run, self.number)}_{digest}"

    def to_bytes(self) -> bytes:
        """It as a job's state holds it."""
        failed = [result.to_json() for result in self.failed]
        report = {
            "flush": self.number,
            "counts": self.counts.to_json(),
            "in_marts": self.in_marts,
            "checks": {"evaluated": self.evaluated, "failed": failed},
        }
        return json.dumps([self.files, report]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> SealedFlush:
        """The flush that `to_bytes` wrote, here or in an earlier version.

        Raises:
            DataError: if a later version wrote it.
        """
        files, report = json.loads(data)
        counts, checks = RunCounts.from_json(report["counts"]), report["checks"]
        return cls(
            report["flush"],
            [StagedFile(*file) for file in files],
            counts,
            # Before 0.2.0 it was missing.
            report.get("in_marts", counts.events),
            checks["evaluated"],
            tuple(Reported.from_json(checks["failed"])),
        )

    def reported(self, rows: Mapping[str, int], held: Held, before: Held = _NOTHING) -> FlushReport:
        """What a stream says of it.

        Args:
            rows: how many it has committed, by table.
            held: what the tables hold then.
            before: what they held when the stream began.
        """
        counts = self.counts
        return FlushReport(
            flush=self.number,
            counts=counts,
            rows=rows,
            events=held.events,
            dead_letters=held.dead_letters,
            in_marts=self.in_marts,
            pending=(
                counts.input_rows
                - (counts.duplicates + counts.dropped)
                - (held.events - before.events + held.dead_letters - before.dead_letters)
            ),
            evaluated=self.evaluated,
            failed=self.failed,
        )


class Sealer:
    """Makes flushes of what has come.

    Args:
        run: the run.
        finish: what becomes of the sum of counters.
        checks: those that a flush can answer are evaluated; they stop nothing.
        tables: the contracts of all tables.
    """

    def __init__(self, run: Run, finish: Finish, checks: tuple[Check, ...], tables: list[Table]):
        self._run, self._finish, self._checks = run, finish, checks
        self._over = ArrowChecks(checks, {table.name: table for table in tables})

    def close(self) -> None:
        """Let go of what the evaluation of checks needs."""
        self._over.close()

    def seal(self, before: Totals, gathered: Gathered, written_at_us: int) -> Flush:
        """A flush of what has come.

        Args:
            before: what the flushes before come to.
            gathered: what has come since.
            written_at_us: the moment of writing, later than that of the flush before.
        """
        after = before.plus(gathered, written_at_us)
        finished = self._finish(before.counters, after.counters, written_at_us)
        results = self._evaluate(gathered.checked, finished.marts)
        failed = [result for result in results if not result.passed]
        checked_at = pa.scalar(written_at_us, pa.timestamp("us")).as_py()
        state = RunState(self._run, "running", checked_at, after.counts)
        # Settings stay as they are, and each table costs a commit some jobs.
        noted = rows_of_run(state) if after.flushes == 1 else rows_of_state(state)
        rows = {**finished.changed, **noted}
        if failed:
            run = flush_run(self._run.run_id, after.flushes)
            rows[RESULTS.name] = data_quality_results.rows(failed, run, checked_at)
        return Flush(after, gathered.files, rows, results)

    def _evaluate(
        self, of_rows: Iterable[CheckCounts], marts: Mapping[str, pa.Table]
    ) -> list[Result]:
        """What a flush's rows and all marts come to, of those checks that they answer."""
        if not self._checks:
            return []
        return conclude(self._checks, CheckCounts.total([*of_rows, self._over.evaluate(marts)]))


def flush_run(run: str, flush: int) -> str:
    """The id under which a flush of a run is committed."""
    return f"{run}_{flush}"
