"""What an update has to do: which files are new to a warehouse, and whether its state stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.errors import RunError
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.noted_people import Growth
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import default_shards
from pipeline.inputs.loaded_inputs import compare
from pipeline.launch.found_types import with_types_of_files
from pipeline.launch.people_of_run import people_to_add
from pipeline.launch.rules_of_run import rules_to_add, with_own_types
from pipeline.launch.state_of_tables import state_of, without_state
from pipeline.launch.tables_built import first_types, refuse_stream, types_of_tables
from pipeline.paths import typed_command
from pipeline.warehouse import Warehouse
from transforms.figure_settings import AskedFigures
from transforms.kernels.counters import Counters
from transforms.marts import dead_letter_events, fct_events
from transforms.state import loaded_files
from transforms.state.loaded_files import LoadedFile, files_of

_SHOWN: Final = 3


@dataclass(frozen=True)
class Increment:
    """What an update has to do.

    Attributes:
        job: the run, over the files that are new.
        known: how many of the files were loaded before.
        written_anew: those of them that were written since, and hold the same.
        is_first: whether the warehouse holds nothing yet.
        counters: the sum over all users before; None until the state is seen to fit the tables.
        people: who is known now, and was not; None for nobody.
    """

    job: BatchJob
    known: int
    written_anew: Sequence[InputFile] = ()
    is_first: bool = False
    counters: Counters | None = None
    people: Growth | None = None

    @property
    def changes_tables(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.job.files or self.people)


@dataclass(frozen=True)
class Asked:
    """What the command line says of an update, beside its files.

    Attributes:
        types: what it says of event types; None for those of the tables.
        user_shards: in how many shards users are processed; None to go by the new files.
        stream_stopped: whether the stream that wrote the tables last is stopped for good.
        rules: what --rules says; None for those that are noted.
    """

    types: AskedFigures | None = None
    user_shards: int | None = None
    stream_stopped: bool = False
    rules: str | None = None


def increment_of(job: BatchJob, asked: Asked) -> Increment:
    """What an update has to do in its warehouse as it is now, whose state fits its tables.

    Args:
        job: the run, over all files that are named.
        asked: what else the command line says.

    Raises:
        OptionError: if the tables were built with other event types, rules or people, or a stream
            may be at work.
        RunError: if a file has changed since it was loaded, the warehouse has no state that fits
            its tables, or can't be read.
    """
    with job.warehouse.kept_open():
        return with_state(files_to_load(job, asked))


def with_state(increment: Increment) -> Increment:
    """What an update has to do, once the state is seen to fit the tables; as it is without any.

    Raises:
        RunError: if it does not fit, or can't be read.
    """
    if increment.is_first:
        return increment
    job, state = increment.job, state_of(increment.job.warehouse)
    job = replace(job, started_at=state.later(job.started_at))
    return replace(increment, job=job, counters=state.counters)


def files_to_load(job: BatchJob, asked: Asked) -> Increment:
    """What an update has to do if the state fits the tables, for a third of what it takes to see
    that.

    Args, raises: as `increment_of`, but for the state.
    """
    warehouse = job.warehouse
    with warehouse.kept_open():
        if not holds_anything(warehouse):
            # Should another run have come first meanwhile, nothing of it may go.
            rules = with_types_of_files(job.rules, job.files)
            types = first_types(with_own_types(asked.types, rules))
            first = replace(job, rules=rules, figures=types, max_shrink_pct=0.0)
            return Increment(first, 0, is_first=True)
        refuse_stream(warehouse, asked.stream_stopped)
        rules = rules_to_add(warehouse, job.rules, asked.rules)
        people = people_to_add(warehouse, job.asked_people)
        known = types_of_tables(warehouse, asked.types)
        loaded = files_of(warehouse.read(loaded_files.TABLE))
    written_anew = written_since(job.files, loaded, warehouse.url)
    new = [file for file in job.files if file.path not in loaded]
    if known is None:
        raise without_state(warehouse, "does not say which event types make a user active")
    rules = with_types_of_files(rules, new, known.own)
    types = known.adding(rules.own_event_types if rules is not None else ())
    changed = replace(
        job,
        files=new,
        rules=rules,
        figures=types,
        asked_people=None,
        user_shards=asked.user_shards or default_shards(new),
    )
    return Increment(changed, len(job.files) - len(new), written_anew, people=people)


def written_since(
    files: Sequence[InputFile], loaded: Mapping[str, LoadedFile], url: str
) -> list[InputFile]:
    """The files that were written since they were loaded, and hold the same.

    Args:
        files: those that are there.
        loaded: those that were loaded, by path.
        url: of the warehouse.

    Raises:
        RunError: if one has changed, or can't be read.
    """
    known = [file for file in files if file.path in loaded]
    found = {file: compare(file, loaded[file.path]) for file in known}
    changed = [file for file in known if found[file] == "changed"]
    if changed:
        raise RunError(_of_changed(changed, loaded, url))
    return [file for file in known if found[file] == "written anew"]


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
        "the tables. If rows were added, or the same was uploaded again, rename it: rows that "
        "are there already are duplicates (and dead letters that were mended come back as such: "
        "they are known by path and byte). If dead letters were corrected, put the file back and "
        f"correct them with {typed_command('replay', url)}. If rows were changed or removed, build "
        f"all tables from all files with {typed_command('batch', url)}"
    )


def holds_anything(warehouse: Warehouse) -> bool:
    """Whether a run has brought anything into a warehouse.

    Raises:
        RunError: if it can't be read.
    """
    present = warehouse.present() or set()
    tables = (fct_events.TABLE, dead_letter_events.TABLE, loaded_files.TABLE)
    return any(warehouse.count(table) for table in tables if table.name in present)
