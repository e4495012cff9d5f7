"""Staged files and sums -> a commit for each flush."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, TupleCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    BagStateSpec,
    ReadModifyWriteRuntimeState,
    ReadModifyWriteStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.flush_state import (
    Finish,
    Gathered,
    Held,
    SealedFlush,
    Sealer,
    Totals,
    decode_part,
    encode_part,
)
from pipeline.sinks.held_counts import held
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.codecs.sum_codecs import (
    decode_counters,
    decode_run_counts,
    encode_counters,
    encode_run_counts,
)
from transforms.metrics import timed_flush
from transforms.quality.compile import Check
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.streaming.clock import Clock, later

_INPUTS: Final = ("Steps", "Sums", "Counts", "Checks")
# The place of the input of which each flush has something.
COUNTS: Final = _INPUTS.index("Counts")
# How often it is looked for files that can go while one is kept.
_REMOVALS: Final = 24


class Start(Protocol):
    """What the tables held when a stream began."""

    @property
    def totals(self) -> Totals:
        """What the first flush adds to."""

    @property
    def held(self) -> Held:
        """How many rows there were."""


@dataclass
class CommitFlushes(beam.PTransform):
    """(StagedSteps, Counters, RunCounts, CheckCounts) -> for each flush a report, a JSON object.

    The last level of the sums is here, so that a flush holds each row of a mart once.

    Attributes:
        warehouse: where to.
        plan: what becomes of the rows that the tables have.
        finish: what becomes of the sum of counters.
        folder: the staging folder.
        run: the run; a flush's id is that of the run and its number.
        flush_seconds: how long a flush is gathered.
        clock: processing time.
        checks: those that a flush can answer are evaluated and reported, and stop nothing.
        start: what the tables held when the run began; None for nothing.
        kept_seconds: how long staged files stay once they are committed: a job that goes back to a
            state from before commits them again, maybe in another flush. 0 for not at all.
    """

    warehouse: Warehouse
    plan: CommitPlan
    finish: Finish
    folder: str
    run: Run
    flush_seconds: float
    clock: Clock
    checks: tuple[Check, ...] = ()
    start: Start | None = None
    kept_seconds: int = 0

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        return (
            self.keyed(inputs)
            | "All parts" >> beam.Flatten()
            | "Merge" >> beam.ParDo(CommitStep(self)).with_output_types(dict[str, Any])
        )

    def keyed(self, inputs: tuple[beam.PCollection, ...]) -> list[beam.PCollection]:
        """All inputs as parts of flushes, under one key."""
        return [part | label >> _Keyed() for label, part in zip(_INPUTS, inputs, strict=True)]


@dataclass
class _Keyed(beam.PTransform):
    """Parts of flushes -> (0, encoded part): one key commits them all."""

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return parts | "To one key" >> beam.Map(
            lambda part: (0, encode_part(part))
        ).with_output_types(tuple[int, tuple[int, bytes]])


class CommitStep(beam.DoFn):
    """Seals what has come as a flush, and can commit it.

    Args:
        options: what it does.
    """

    PARTS = BagStateSpec("parts", TupleCoder([VarIntCoder(), BytesCoder()]))
    # How many steps of each lane are in flushes: a JSON object.
    LANES = ReadModifyWriteStateSpec("lanes", BytesCoder())
    COUNTS = ReadModifyWriteStateSpec("counts", BytesCoder())
    SUM = ReadModifyWriteStateSpec("sum", BytesCoder())
    NUMBER = ReadModifyWriteStateSpec("number", VarIntCoder())
    # When the flush before was written: a row wins a merge by being written later, and the clock
    # may step back, or be another worker's.
    WRITTEN_AT = ReadModifyWriteStateSpec("written_at", VarIntCoder())
    SEALED = ReadModifyWriteStateSpec("sealed", BytesCoder())
    # Files that are kept for a while: when they were committed, and their paths, a line each.
    COMMITTED = BagStateSpec("committed", TupleCoder([VarIntCoder(), BytesCoder()]))
    # When it is looked next whether some of them can go.
    REMOVAL = ReadModifyWriteStateSpec("removal", VarIntCoder())
    SEAL = TimerSpec("seal", TimeDomain.REAL_TIME)
    COMMIT = TimerSpec("commit", TimeDomain.REAL_TIME)

    def __init__(self, options: CommitFlushes):
        self._options = options

    def setup(self) -> None:
        options = self._options
        home = options.warehouse
        self._commit = home.commit_and_keep if options.kept_seconds else home.commit
        tables = list(options.plan.dispositions)
        self._sealer = Sealer(options.run, options.finish, options.checks, tables)

    def teardown(self) -> None:
        self._sealer.close()

    def process(
        self,
        keyed: tuple[int, tuple[int, bytes]],
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        seal: RuntimeTimer = beam.DoFn.TimerParam(SEAL),
    ) -> None:
        if not any(True for _ in parts.read()):
            seal.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))
        parts.add(keyed[1])

    @on_timer(SEAL)
    def seal_flush(
        self,
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        lanes: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(LANES),
        counts: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(COUNTS),
        total: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SUM),
        number: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(NUMBER),
        written_at: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(WRITTEN_AT),
        sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SEALED),
        seal: RuntimeTimer = beam.DoFn.TimerParam(SEAL),
        commit: RuntimeTimer = beam.DoFn.TimerParam(COMMIT),
    ) -> None:
        """Make a flush of what has come.

        It is kept before it is committed, so that a commit that is tried again finds the same one
        under its number, whatever has come meanwhile.
        """
        now = Timestamp.of(self._options.clock())
        stored = list(parts.read())
        if not stored:  # A timer may fire twice.
            return
        if sealed.read():  # The flush before is not committed yet.
            seal.set(now + self._options.flush_seconds)
            return
        parts.clear()
        gathered, waiting, done = Gathered.of(map(decode_part, stored)).in_order(
            json.loads(lanes.read() or b"{}")
        )
        for step in waiting:
            parts.add(encode_part(step))
        if waiting:
            seal.set(now + self._options.flush_seconds)
        lanes.write(json.dumps(done).encode())
        start = self._options.start
        before = start.totals if start else Totals()
        if flushes := number.read():
            sums = decode_counters(total.read()), decode_run_counts(counts.read())
            before = Totals(flushes, *sums, written_at.read())
        moment = later(self._options.clock, before.written_at_us)
        flush = self._sealer.seal(before, gathered, moment)
        number.write(flush.totals.flushes)
        total.write(encode_counters(flush.totals.counters))
        counts.write(encode_run_counts(flush.totals.counts))
        written_at.write(moment)
        sealed.write(flush.sealed(self._stage(flush.rows)).to_bytes())
        self.commit_soon(commit, now)

    def commit_soon(self, commit: RuntimeTimer, now: Timestamp) -> None:
        """See that the flush that is sealed now is committed once this bundle has ended."""
        commit.set(now)

    @on_timer(COMMIT)
    def commit_flush(
        self,
        sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SEALED),
        committed: AccumulatingRuntimeState = beam.DoFn.StateParam(COMMITTED),
        removal: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(REMOVAL),
    ) -> Iterator[dict[str, Any]]:
        """Commit the sealed flush."""
        kept = sealed.read()
        if not kept:
            return
        flush, options = SealedFlush.from_bytes(kept), self._options
        rows = self._change_tables(flush)
        if options.kept_seconds:
            self._remove_later(flush.files, committed, removal)
        sealed.clear()
        before = options.start.held if options.start else Held(0, 0)
        yield flush.reported(rows, held(options.warehouse), before).to_json()

    def _stage(self, rows: Mapping[str, pa.Table]) -> Iterator[StagedFile]:
        options = self._options
        contracts, layout = options.plan.contracts, options.warehouse.capabilities.layout
        for name, its_rows in rows.items():
            files = StagedFiles(contracts[name], options.folder, layout)
            files.write(its_rows)
            yield from files.close()

    def _change_tables(self, flush: SealedFlush) -> dict[str, int]:
        """Commit a flush; the first one creates also tables that nothing is staged for."""
        changes = self._options.plan.changes(flush.files)
        if flush.number > 1:
            changes = [change for change in changes if change.staged]
        if changes:
            with timed_flush():
                self._commit(changes, flush.commit_id(self._options.run.run_id))
        return {
            change.table.name: change.rows
            for change in changes
            if change.table.name not in STATE_TABLES
        }

    def _remove_later(
        self,
        files: Sequence[StagedFile],
        committed: AccumulatingRuntimeState,
        removal: ReadModifyWriteRuntimeState,
    ) -> None:
        """Take note of files that are committed, and remove those of long ago, now and then: to
        look at all that are kept takes longer than a flush."""
        now, kept_seconds = round(self._options.clock()), self._options.kept_seconds
        committed.add((now, "\n".join(file.path for file in files).encode()))
        due = removal.read()
        if due is None or now >= due:
            removal.write(now + kept_seconds // _REMOVALS)
        if due is None or now < due:
            return
        found = list(committed.read())
        committed.clear()
        for at, paths in found:
            if at > now - kept_seconds:
                committed.add((at, paths))
            elif paths:
                self._options.warehouse.remove_staged(paths.decode().split("\n"))
