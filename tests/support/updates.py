"""Updates, batches and streams without a runner: their functions, called one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pipeline.graphs.stored_state import EventsOn, state_of_dates
from pipeline.graphs.streaming_graph import StreamJob
from pipeline.launch.stream_start import note_beginning, warm
from pipeline.micro_batches.micro_batch import MicroBatches
from pipeline.reports import BatchReport, FlushReport
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_commit import RunCommit
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from tests.support.runs import comparable, contents
from tests.support.tables import NOW, WRITTEN_AT, codes, compute, csv_text, parse
from tests.support.thorough import THOROUGH
from transforms.advance_step import CHANGES, advanced
from transforms.contract import Table
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.messages import Message
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.kernels.user_dates import touched_dates
from transforms.kernels.user_shards import by_user_shard, shard_key
from transforms.leaving_users import LEAVING
from transforms.mart_changes import finish
from transforms.marts.registry import TABLES
from transforms.parse_step import COUNTS
from transforms.quality.check_counts import CheckCounts
from transforms.state import growth_counters, user_timelines
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import noted_figures
from transforms.touched_dates import TOUCHED, rows
from transforms.user_tables import CONTRIBUTIONS
from transforms.vocabulary import EVENT_TYPES

Rows = Sequence[Mapping[str, str]]
ACTIVE = codes(EVENT_TYPES)
SUBSCRIPTION: Final = "projects/p/subscriptions/s"
_ALL = (*TABLES.values(), *STATE_TABLES.values())
_ADDING = CommitPlan.adding(_ALL)


def events_of(source: Rows, own: Sequence[str] = ()) -> list[pa.RecordBatch]:
    """The events of source rows, all of which are sound."""
    return [part.events for part in parse(csv_text(source), own=own)]


@dataclass
class Home:
    """A warehouse that is written without a runner, at a later time each time.

    Attributes:
        warehouse: it.
        shards: in how many shards users are processed.
        runs: how many have written it.
        types: the event types that its runs know.
    """

    warehouse: Warehouse
    shards: int = 2
    runs: int = 0
    types: FigureSettings = FigureSettings()

    @classmethod
    def at(cls, path: Path, types: FigureSettings = FigureSettings()) -> Home:
        """A DuckDB file."""
        return cls(open_warehouse(f"duckdb:///{path}"), types=types)

    def batch(self, source: Rows) -> None:
        """Replace all tables by those of source rows."""
        own, active = self.types.own, self.types.names
        made = {
            **compute(events_of(source, own), active, own, self.types.reckoning),
            **state_of(source, self.types),
        }
        with self.warehouse.lock(_ALL, None, self._next()) as folder:
            staged = self._staged(
                ((_ADDING.contracts[name], table) for name, table in made.items()), folder
            )
            events = made["fct_events"].num_rows
            counts = RunCounts(len(source), events, len(source) - events)
            replaced = {*TABLES.values(), *(STATE_TABLES[name] for name in state_of([]))}
            plan = CommitPlan(
                {
                    **CommitPlan.replacing(replaced).dispositions,
                    **CommitPlan.adding(set(_ALL) - replaced).dispositions,
                }
            )
            self._commit(plan, staged, counts, folder)

    def update(self, source: Rows) -> BatchReport:
        """Take source rows in, as an update does."""
        events, run = events_of(source, self.types.own), self._next()
        with self.warehouse.lock(_ALL, None, run) as folder:
            touched = [touched_dates(batch, self.types.reckoning) for batch in events]
            dates = [(TOUCHED, rows(found)) for found in touched]
            keys = self._staged(dates, folder)
            shares = self.warehouse.look_up([found.of(keys) for found in state_of_dates()], run)
            state = [
                batch
                for share in shares
                for table in self.warehouse.found(share)
                for batch in table.to_batches()
            ]
            shards: dict[int, list[pa.RecordBatch]] = {}
            for batch in (*events, *state):
                for number, part in by_user_shard(batch, shard_key(run), self.shards):
                    shards.setdefault(number, []).append(part)
            read = EventsOn(self.warehouse)
            made = [
                advanced(parts, self.types, self._moment, read, "0") for parts in shards.values()
            ]
            staged = self._staged(
                (
                    (CHANGES[tag], part[tag])
                    for part in made
                    for tag in CHANGES
                    if CHANGES[tag] not in LEAVING
                ),
                folder,
            )
            before = growth_counters.counters_of(self.warehouse.read(growth_counters.TABLE))
            after = Counters.total([before, *(part[CONTRIBUTIONS] for part in made)])
            moment = pa.scalar(self._moment, pa.timestamp("us")).value
            changed = finish(before, after, moment, self.types).changed
            staged += self._staged(
                ((_ADDING.contracts[name], table) for name, table in changed.items()), folder
            )
            counts = [RunCounts(len(source)), *(part[COUNTS] for part in made)]
            return self._commit(_ADDING, staged, RunCounts.total(counts), folder)

    @contextmanager
    def streaming(
        self,
        publish: Callable[[pa.Table], None] = lambda _: None,
        asked: AskedFigures | None = None,
        **options: Any,
    ) -> Iterator[MicroBatches]:
        """A stream that has begun, as on one machine, and reads from nowhere.

        Args:
            publish: takes dead letters.
            asked: the event types that a command line would name.
            options: other fields of its job.
        """
        run, seconds = self._next(), (self._moment - datetime(1970, 1, 1)).total_seconds()
        with self.warehouse.lock(_ALL, None, run) as folder:
            job = StreamJob(
                **{
                    "subscription": SUBSCRIPTION,
                    "warehouse": self.warehouse,
                    "run": run,
                    "figures": self.types,
                    "started_at": self._moment,
                    "staging": folder,
                    "clock": lambda: seconds,
                    "quality": "warn" if THOROUGH else "off",
                    **options,
                }
            )
            job, before = warm(job, asked or AskedFigures(own=self.types.own))
            note_beginning(job)
            with closing(MicroBatches(job, before, publish, lambda _: None)) as batches:
                yield batches

    def stream(self, parts: Sequence[Rows], **options: Any) -> FlushReport:
        """Take parts in, each as a micro-batch of one stream; gives the last one's report."""
        report = FlushReport()
        with self.streaming(**options) as batches:
            for part in parts:
                report = batches.take_in(messages_of(part))
        return report

    def _next(self) -> str:
        self.runs += 1
        return f"run_{self.runs}"

    @property
    def _moment(self) -> datetime:
        return NOW + timedelta(hours=self.runs)

    def _staged(self, parts: Iterable[tuple[Table, pa.Table]], folder: str) -> list[StagedFile]:
        staged: list[StagedFile] = []
        for table, its_rows in parts:
            files = StagedFiles(table, folder, self.warehouse.capabilities.layout)
            if its_rows.num_rows:
                files.write(its_rows)
            staged += files.close()
        return staged

    def _commit(
        self, plan: CommitPlan, staged: Sequence[StagedFile], counts: RunCounts, folder: str
    ) -> BatchReport:
        settings = noted_figures(self.types)
        run = Run(f"run_{self.runs}", "update", "0", self._moment, settings)
        return RunCommit(self.warehouse, plan, 100.0, run, folder).commit(
            staged, counts, CheckCounts()
        )


def messages_of(source: Rows) -> list[Message]:
    """Source rows as messages of JSON; a row is the same message whenever it comes."""
    found = (json.dumps(dict(item)).encode() for item in source)
    return [Message(data, {}, hashlib.blake2b(data).hexdigest()[:16]) for data in found]


def state_of(source: Rows, types: FigureSettings = FigureSettings()) -> dict[str, pa.Table]:
    """The state tables that follow from source rows."""
    events = sort_events(events_of(source, types.own), types.known, types.reckoning)
    lives = timelines(events)
    counters = contributions(lives, types.codes, types.reckoning)
    return {
        user_timelines.TABLE.name: user_timelines.rows(lives, WRITTEN_AT),
        growth_counters.TABLE.name: growth_counters.rows(counters, WRITTEN_AT),
    }


def differing(path: Path, source: Rows, types: FigureSettings = FigureSettings()) -> list[str]:
    """The tables of a DuckDB file that are not those of one batch over source rows."""
    warehouse, made_of = open_warehouse(f"duckdb:///{path}"), state_of(source, types)
    with warehouse.kept_open():
        ours = contents(path)
        states = {name: warehouse.read(STATE_TABLES[name]) for name in made_of}
    made = compute(events_of(source, types.own), types.names, types.own, types.reckoning)
    theirs = {name: comparable(name, table) for name, table in made.items()}
    found = [name for name, table in theirs.items() if not _plain(table).equals(ours[name])]
    for name, table in made_of.items():
        contract = STATE_TABLES[name]
        kept = [column for column in contract.column_names if column != contract.written_at]
        order = [(column, "ascending") for column in contract.primary_key]
        read, made = (_plain(part).select(kept).sort_by(order) for part in (states[name], table))
        if not read.equals(made):
            found.append(name)
    return found


def _plain(table: pa.Table) -> pa.Table:
    """The same with plain strings."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
