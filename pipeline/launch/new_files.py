"""What an update has to do: which files are new to a warehouse, and whether its state stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError, RunError
from pipeline.graphs.batch_graph import BatchJob
from pipeline.inputs.input_versions import InputFile, fingerprint
from pipeline.inputs.listing import default_shards
from pipeline.launch.tables_built import types_of_tables
from pipeline.paths import typed_program
from pipeline.warehouse import Warehouse
from pipeline.warehouse.run_ids import is_stream
from transforms.active_event_types import ActiveEventTypes
from transforms.marts import dead_letter_events, fct_events
from transforms.state import growth_counters, loaded_files, user_timelines
from transforms.state.growth_counters import counters_of
from transforms.state.loaded_files import LoadedFile, files_of

_STATE: Final = (user_timelines.TABLE, growth_counters.TABLE, loaded_files.TABLE)
_TICK: Final = timedelta(microseconds=1)
_SHOWN: Final = 3


@dataclass(frozen=True)
class Increment:
    """What an update has to do.

    Attributes:
        job: the run, over the files that are new.
        known: how many of the files were loaded before.
        is_first: whether the warehouse holds nothing yet.
    """

    job: BatchJob
    known: int
    is_first: bool = False


@dataclass(frozen=True)
class Asked:
    """What the command line says of an update, beside its files.

    Attributes:
        active_types: the event types that it names; None for those of the tables.
        user_shards: in how many shards users are processed; None to go by the new files.
        stream_stopped: whether the stream that wrote the tables last is stopped for good.
    """

    active_types: ActiveEventTypes | None = None
    user_shards: int | None = None
    stream_stopped: bool = False


def increment_of(job: BatchJob, asked: Asked) -> Increment:
    """What an update has to do in its warehouse as it is now.

    Args:
        job: the run, over all files that are named.
        asked: what else the command line says.

    Raises:
        OptionError: if the tables were built with other event types, or a stream may be at work.
        RunError: if a file has changed since it was loaded, the warehouse has no state that fits
            its tables, or can't be read.
    """
    warehouse = job.warehouse
    present = warehouse.present() or set()
    if not _holds_anything(warehouse, present):
        # Should another run have come first meanwhile, nothing of it may go.
        first = replace(
            job, active_types=asked.active_types or ActiveEventTypes(), max_shrink_pct=0.0
        )
        return Increment(first, 0, is_first=True)
    _refuse_stream(warehouse, asked)
    types = types_of_tables(warehouse, asked.active_types)
    written_at = _last_written(warehouse, present)
    new = new_files(job.files, files_of(warehouse.read(loaded_files.TABLE)), warehouse.url)
    if types is None:
        raise _without_state(warehouse, "does not say which event types make a user active")
    changed = replace(
        job,
        files=new,
        active_types=types,
        user_shards=asked.user_shards or default_shards(new),
        # A row replaces one that was written earlier, and the clock may have stepped back.
        started_at=max(job.started_at, written_at + _TICK),
    )
    return Increment(changed, len(job.files) - len(new))


def new_files(
    files: Sequence[InputFile], loaded: Mapping[str, LoadedFile], url: str
) -> list[InputFile]:
    """The files that were not loaded.

    Args:
        files: those that are there.
        loaded: those that were loaded, by path.
        url: of the warehouse.

    Raises:
        RunError: if one was loaded and has changed since.
    """
    changed = [
        file
        for file in files
        if file.path in loaded
        and (file.size, fingerprint(file))
        != (loaded[file.path].size, loaded[file.path].fingerprint)
    ]
    if changed:
        raise RunError(_of_changed(changed, loaded, url))
    return [file for file in files if file.path not in loaded]


def _of_changed(changed: Sequence[InputFile], loaded: Mapping[str, LoadedFile], url: str) -> str:
    shown = [
        f"{file.path} ({loaded[file.path].size:,} bytes then, {file.size:,} now)"
        for file in changed[:_SHOWN]
    ]
    more = f" and {len(changed) - _SHOWN:,} more" if len(changed) > _SHOWN else ""
    one = len(changed) == 1
    return (
        f"--input: {', '.join(shown)}{more} {'has' if one else 'have'} changed since "
        f"{'it was' if one else 'they were'} loaded into {url}, and an update takes nothing out of "
        "the tables. If rows were added, name a copy of the file: those that are there already are "
        "duplicates. If dead letters were corrected, put the file back and correct them with "
        f"{typed_program()} replay. If rows were changed or removed, build all tables from all "
        f"files with {typed_program()} batch. No table was touched"
    )


def _holds_anything(warehouse: Warehouse, present: set[str]) -> bool:
    tables = (fct_events.TABLE, dead_letter_events.TABLE, loaded_files.TABLE)
    return any(warehouse.count(table) for table in tables if table.name in present)


def _last_written(warehouse: Warehouse, present: set[str]) -> datetime:
    """When the counters were written last, once it is certain that they are those of fct_events."""
    missing = [table.name for table in _STATE if table.name not in present]
    if missing:
        raise _without_state(warehouse, f"has no table {missing[0]}")
    rows = warehouse.read(growth_counters.TABLE)
    counted, events = counters_of(rows).events, warehouse.count(fct_events.TABLE) or 0
    if counted != events:
        raise _without_state(
            warehouse, f"has {events:,} events in fct_events and counts {counted:,} in its state"
        )
    found = pc.max(rows["written_at"]).cast(pa.timestamp("us")).as_py()
    return found or datetime(1970, 1, 1)


def _without_state(warehouse: Warehouse, what: str) -> RunError:
    return RunError(
        f"{warehouse.url} {what}: an earlier version of the pipeline, or another program, has "
        f"written its tables. Build them from its stored events with {typed_program()} rebuild "
        f"--warehouse {warehouse.url}, and update then"
    )


def _refuse_stream(warehouse: Warehouse, asked: Asked) -> None:
    last = warehouse.last_run()
    if last is not None and is_stream(last) and not asked.stream_stopped:
        raise OptionError(
            f"--warehouse {warehouse.url} was last written by the stream {last}. While it is at "
            "work it knows nothing of what an update puts into its tables, and fails at its next "
            "flush: drain it first, and once it is stopped for good add --stream_stopped"
        )
