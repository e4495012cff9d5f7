"""Staged files and sums -> a commit for each flush."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

from pipeline.reports import FlushReport
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
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
from transforms.marts import (
    data_quality_results,
    dead_letter_events,
    dim_users,
    fct_events,
    users_with_negative_miles,
)
from transforms.marts.registry import RESULTS
from transforms.metrics import timed_flush
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.results import Result, conclude
from transforms.streaming.clock import Clock, as_datetime, later

# Of the sum before, the sum after, and the moment of writing in microseconds since 1970-01-01.
Finish = Callable[[Counters, Counters, int], Finished]


@dataclass
class CommitFlushes(beam.PTransform):
    """(staged files, Counters, RunCounts, CheckCounts) -> for each flush a report, a JSON object.

    The last level of the sums is here, so that a flush holds each row of a mart once.

    Attributes:
        warehouse: where to.
        tables: the contracts of all tables; those with a primary key are merged, the others
            appended to.
        finish: what becomes of the sum of counters.
        folder: the staging folder.
        run: the run's id; a flush's is that and its number.
        flush_seconds: how long a flush is gathered.
        clock: processing time.
        checks: those that a flush can answer are evaluated and reported, and stop nothing.
        awaited: whether somebody waits for all that is counted to be in all tables: then a report
            tells so by `complete`, for which dim_users is read now and then.
    """

    warehouse: Warehouse
    tables: tuple[Table, ...]
    finish: Finish
    folder: str
    run: str
    flush_seconds: float
    clock: Clock
    checks: tuple[Check, ...] = ()
    awaited: bool = False

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        staged, counters, counts, checked = inputs
        parts = (
            staged | "Files" >> _Keyed(_FILE, _file_to_bytes),
            counters | "Sums" >> _Keyed(_SUM, encode_counters),
            counts | "Counts" >> _Keyed(_COUNTS, encode_run_counts),
            checked | "Checks" >> _Keyed(_CHECKED, CheckCounts.to_bytes),
        )
        return (
            parts
            | "All parts" >> beam.Flatten()
            | "Merge" >> beam.ParDo(_Commit(self)).with_output_types(dict[str, Any])
        )


_FILE, _SUM, _COUNTS, _CHECKED = range(4)


@dataclass
class _Keyed(beam.PTransform):
    """Elements -> (0, (kind, encoded element)): one key commits them all."""

    kind: int
    encode: Callable[[Any], bytes]

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return elements | "To one key" >> beam.Map(
            lambda element: (0, (self.kind, self.encode(element)))
        ).with_output_types(tuple[int, tuple[int, bytes]])


def _of_users(home: Warehouse) -> str:
    """SQL for how many events the users of dim_users have, and how many of them are in debt."""
    events = " + ".join(dim_users.COUNT_COLUMNS.values())
    in_debt = "CASE WHEN has_negative_balance THEN 1 ELSE 0 END"
    return (
        f"SELECT COALESCE(SUM({events}), 0) AS events, COALESCE(SUM({in_debt}), 0) AS in_debt "
        f"FROM {home.source(dim_users.TABLE)}"
    )


def _file_to_bytes(file: StagedFile) -> bytes:
    return json.dumps(file).encode()


class _Commit(beam.DoFn):
    PARTS = BagStateSpec("parts", TupleCoder([VarIntCoder(), BytesCoder()]))
    COUNTS = ReadModifyWriteStateSpec("counts", BytesCoder())
    SUM = ReadModifyWriteStateSpec("sum", BytesCoder())
    NUMBER = ReadModifyWriteStateSpec("number", VarIntCoder())
    # When the flush before was written: a row wins a merge by being written later, and the clock
    # may step back, or be another worker's.
    WRITTEN_AT = ReadModifyWriteStateSpec("written_at", VarIntCoder())
    SEALED = ReadModifyWriteStateSpec("sealed", BytesCoder())
    SEAL = TimerSpec("seal", TimeDomain.REAL_TIME)
    COMMIT = TimerSpec("commit", TimeDomain.REAL_TIME)

    def __init__(self, options: CommitFlushes):
        self._options = options

    def setup(self) -> None:
        options = self._options
        self._over = ArrowChecks(options.checks, {table.name: table for table in options.tables})

    def teardown(self) -> None:
        self._over.close()

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
        by_kind: dict[int, list[bytes]] = {_FILE: [], _SUM: [], _COUNTS: [], _CHECKED: []}
        for kind, data in parts.read():
            by_kind[kind].append(data)
        if not any(by_kind.values()):  # A timer may fire twice.
            return
        if sealed.read():  # The flush before is not committed yet.
            seal.set(now + self._options.flush_seconds)
            return
        parts.clear()
        flush = (number.read() or 0) + 1
        number.write(flush)
        known = total.read()
        before = decode_counters(known) if known else Counters.empty()
        after = Counters.total([before, *map(decode_counters, by_kind[_SUM])])
        total.write(encode_counters(after))
        sums = [counts.read()] if flush > 1 else []
        counted = RunCounts.total(map(decode_run_counts, [*sums, *by_kind[_COUNTS]]))
        counts.write(encode_run_counts(counted))
        written_at_us = later(self._options.clock, written_at.read())
        written_at.write(written_at_us)
        finished = self._options.finish(before, after, written_at_us)
        results = self._evaluate(map(CheckCounts.from_bytes, by_kind[_CHECKED]), finished.marts)
        failed = [result for result in results if not result.passed]
        changed = dict(finished.changed)
        if failed:
            moment = as_datetime(written_at_us)
            changed[RESULTS.name] = data_quality_results.rows(failed, self._run(flush), moment)
        files = [StagedFile(*json.loads(data)) for data in by_kind[_FILE]]
        files += self._stage(changed)
        report = {
            "flush": flush,
            "counts": counted.to_json(),
            "in_marts": after.events,
            "checks": {
                "evaluated": len(results),
                "failed": [result.reported().to_json() for result in failed],
            },
        }
        sealed.write(json.dumps([sorted(files), report]).encode())
        commit.set(now)

    @on_timer(COMMIT)
    def commit_flush(
        self, sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SEALED)
    ) -> Iterator[dict[str, Any]]:
        """Merge the sealed flush."""
        kept = sealed.read()
        if not kept:
            return
        files, report = json.loads(kept)
        rows = self._merge(report["flush"], [StagedFile(*file) for file in files])
        sealed.clear()
        yield FlushReport.from_json({**report, "rows": rows, **self._held(report)}).to_json()

    def _run(self, flush: int) -> str:
        return f"{self._options.run}_{flush}"

    def _evaluate(
        self, of_rows: Iterable[CheckCounts], marts: Mapping[str, pa.Table]
    ) -> list[Result]:
        """What a flush's rows and all marts come to, of those checks that they answer."""
        checks = self._options.checks
        if not checks:
            return []
        return conclude(checks, CheckCounts.total([*of_rows, self._over.evaluate(marts)]))

    def _stage(self, changed: Mapping[str, pa.Table]) -> Iterator[StagedFile]:
        tables = {table.name: table for table in self._options.tables}
        tables.update({table.deletes.name: table.deletes for table in self._options.tables})
        layout = self._options.warehouse.capabilities.layout
        for name, rows in changed.items():
            files = StagedFiles(tables[name], self._options.folder, layout)
            files.write(rows)
            yield from files.close()

    def _held(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """What the tables hold of what a flush has counted.

        `events` and `dead_letters` are rows of their tables; `pending` says how many messages are
        read that are no duplicates and not in the tables yet, less than 0 where rows have come
        before their counts; `complete` whether all is in all tables.
        """
        counted = RunCounts.from_json(report["counts"])
        events, letters = (
            self._options.warehouse.count(table) or 0
            for table in (fct_events.TABLE, dead_letter_events.TABLE)
        )
        found = {
            "events": events,
            "dead_letters": letters,
            "pending": counted.input_rows - counted.duplicates - events - letters,
        }
        if self._options.awaited:
            # Of a state from before this version `in_marts` is missing.
            seen = (events, letters, report.get("in_marts", counted.events), counted.processed)
            counts = (counted.events, counted.rejected, counted.events, counted.input_rows)
            found["complete"] = seen == counts and self._users_hold(events)
        return found

    def _users_hold(self, events: int) -> bool:
        """Whether the tables of users hold so many events."""
        home = self._options.warehouse
        ((of_users,),) = home.ask([_of_users(home)])
        in_debt = home.count(users_with_negative_miles.TABLE)
        return (of_users["events"], of_users["in_debt"]) == (events, in_debt)

    def _merge(self, flush: int, files: Sequence[StagedFile]) -> dict[str, int]:
        options = self._options
        changes = _changes(options.tables, files)
        if flush > 1:
            changes = [change for change in changes if change.files or change.deletes]
        if changes:
            with timed_flush():
                options.warehouse.commit(changes, self._run(flush))
        return {change.table.name: change.rows for change in changes}


def _changes(tables: Sequence[Table], staged: Sequence[StagedFile]) -> list[Change]:
    """A change for each table; the first commit creates also those that nothing is staged for."""
    by_table: dict[str, list[StagedFile]] = {}
    for file in staged:
        by_table.setdefault(file.table, []).append(file)
    return [
        Change(
            table,
            WriteDisposition.MERGE if table.primary_key else WriteDisposition.APPEND,
            by_table.get(table.name, []),
            by_table.get(table.deletes.name, []),
        )
        for table in tables
    ]
