"""What every run over input files is checked for, before Beam is imported, and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from pipeline import summary_file
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import (
    CSV_NAMES,
    NAMES_OF_RULES,
    default_shards,
    find_inputs,
    unseen_inputs,
)
from pipeline.launch.absent_fields import warn_of_absent_fields
from pipeline.launch.dry_run import DryRun, dry_run_of
from pipeline.launch.found_types import with_types_of_files
from pipeline.launch.people_of_run import asked_people
from pipeline.launch.rules_of_run import (
    NO_RULES,
    asked_rules,
    note_of,
    rules_of_run,
    with_own_types,
)
from pipeline.launch.runners import (
    Runner,
    choose_runner,
    refuse_alert,
    refuse_local_input,
    refuse_lost,
)
from pipeline.options.beam_options import BeamArguments
from pipeline.storage import check_storage
from pipeline.warehouse import Warehouse, WarehouseOptions, open_warehouse
from pipeline.warehouse.run_ids import new_run
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.kernels.person_ids import Pairs
from transforms.marts.registry import ALL_TABLES, CORRECTIONS
from transforms.rules.model import Rules
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import RULES

# How large a part of a file one of several workers reads.
_RANGE_BYTES: Final = 64 << 20


class FileOptions(Protocol):
    """What the options of a command over files have in common."""

    @property
    def input(self) -> tuple[str, ...]: ...
    @property
    def rules(self) -> str | None: ...
    @property
    def asked_rules(self) -> str | None: ...
    @property
    def people(self) -> str | None: ...
    @property
    def warehouse(self) -> str: ...
    @property
    def location(self) -> str | None: ...
    @property
    def require_partition_filter(self) -> bool | None: ...
    @property
    def user_shards(self) -> int | None: ...
    @property
    def max_dead_letter_pct(self) -> float: ...
    @property
    def max_future_minutes(self) -> int: ...
    @property
    def quality(self) -> Any: ...
    @property
    def summary_file(self) -> str | None: ...
    @property
    def alert(self) -> Webhook | None: ...
    @property
    def beam(self) -> BeamArguments: ...


@dataclass(frozen=True)
class FileRun:
    """A run over files whose options are sound.

    Attributes:
        options: they.
        warehouse: where the run writes.
        runner: what runs the graph.
        dry_run: whether it is a dry one.
        files: all files that the globs match, as they are now.
        rules: by which they are read; None for CSV with the source columns.
        people: the pairs of --people; None where it is not given.
    """

    options: FileOptions
    warehouse: Warehouse
    runner: Runner
    dry_run: DryRun
    files: Sequence[InputFile]
    rules: Rules | None = None
    people: Pairs | None = None

    @property
    def waits(self) -> bool:
        """Whether this process is there until the run ends.

        A template's launcher writes the job down, and Dataflow starts it.
        """
        return _waits(self.options, self.dry_run)

    def with_types_of_files(self) -> FileRun:
        """It, knowing the event types of its files, where its rules take all of them.

        Raises:
            OptionError: if there are too many.
            DataError: if a file can't be read.
        """
        if self.dry_run.offline:
            return self
        return replace(self, rules=with_types_of_files(self.rules, self.files))

    def event_types(self, asked: AskedFigures | None) -> AskedFigures | None:
        """What is asked of event types, with the own ones of the rules."""
        return with_own_types(asked, self.rules)

    def job(self, started_at: datetime, figures: FigureSettings, **more: Any) -> BatchJob:
        """What the run does.

        Args:
            started_at: its moment, in UTC without a zone.
            figures: the event types that make a user active.
            more: other fields of the job.
        """
        options = self.options
        if self.rules is not None or options.rules == NO_RULES:
            more["settings"] = {**more.get("settings", {}), RULES: note_of(self.rules)}
        return BatchJob(
            files=self.files,
            warehouse=self.warehouse,
            run=new_run(started_at),
            started_at=started_at,
            user_shards=options.user_shards or default_shards(self.files),
            figures=figures,
            max_dead_letter_pct=options.max_dead_letter_pct,
            max_future_minutes=options.max_future_minutes,
            summary_path=None if self.waits else options.summary_file,
            # One worker reads every file to its end.
            range_bytes=None if self.runner.workers == 1 else _RANGE_BYTES,
            quality=options.quality,
            rules=self.rules,
            asked_people=self.people,
            **more,
        )


def prepare(options: FileOptions) -> FileRun:
    """See that a run over files can be as its options say, as far as that shows beforehand.

    Raises:
        OptionError: if an option can't be right.
        RunError: if what it names can't be reached.
    """
    beam = options.beam
    warehouse = open_warehouse(
        options.warehouse, WarehouseOptions(options.location, options.require_partition_filter)
    )
    runner = choose_runner(beam.values, warehouse)
    dry_run = dry_run_of(beam.values, runner)
    refuse_alert(options.alert is not None, _waits(options, dry_run) or dry_run.asked)
    refuse_lost(options.summary_file, _waits(options, dry_run) or dry_run.asked)
    summary_file.refuse_taken(options.summary_file, [warehouse.location], options.input)
    refuse_local_input(options.input, runner)
    warehouse.check_staging(beam.temp_location)
    if not dry_run.offline:
        paths = [
            *options.input,
            options.rules,
            options.people,
            beam.temp_location,
            options.summary_file,
        ]
        check_storage(paths, beam.own)
    if not dry_run.asked:
        summary_file.clear(options.summary_file)
    dry_run.check(warehouse, (*ALL_TABLES, CORRECTIONS, *STATE_TABLES.values()), beam.temp_location)
    if dry_run.offline:
        asked = options.asked_rules
        rules = None if asked is None else asked_rules(asked)
        return FileRun(options, warehouse, runner, dry_run, unseen_inputs(options.input), rules)
    rules = rules_of_run(warehouse, options.asked_rules)
    files = find_inputs(options.input, CSV_NAMES if rules is None else NAMES_OF_RULES)
    if rules is not None:
        warn_of_absent_fields(files, rules)
    people = asked_people(options.people, warehouse)
    return FileRun(options, warehouse, runner, dry_run, files, rules, people)


def _waits(options: FileOptions, dry_run: DryRun) -> bool:
    return not dry_run.asked and "template_location" not in options.beam.values
