"""People who turn out to be known: their stored events, moved to the ids that stand for them.

    timelines, events of them -> events of others -> advance -> marts -> checks -> stage -> commit

What is read and written grows with the events of those who are moved, and not with the history.
Steps, checks and commit are those of an update.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.increment_commit import (
    adding_plan,
    increment_checks,
    increment_commit,
    totals_of_run,
)
from pipeline.graphs.known_dead_letters import stage_known
from pipeline.graphs.noted_people import Growth, also_forgotten
from pipeline.graphs.stored_state import CountersOf
from pipeline.micro_batches.excluded_people import ExcludedPeople
from pipeline.micro_batches.steps_here import StepsHere
from pipeline.reports import MovedReport
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import Lookup
from transforms.advance_step import (
    EVENT_COLUMNS,
    IDENTIFIED_COLUMNS,
    TIMELINE_COLUMNS,
    changed_rows,
    checkable,
)
from transforms.contract import STRING, Table, required
from transforms.kernels.counters import Counters
from transforms.kernels.increments import change
from transforms.kernels.keys import plain_strings
from transforms.kernels.person_ids import KnownPeople, under
from transforms.kernels.rates import KEPT_SOURCE, without
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.source_ids import kept_ids
from transforms.kernels.timelines import Timelines
from transforms.leaving_users import LEAVE_BY, keys_of_events, leaving_users
from transforms.left_out import NO_LETTERS, Stamp, counts_of, letters_of
from transforms.mart_changes import finish
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import TABLES
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.state import known_people, user_timelines
from transforms.stored_events import STORED, STORED_WITH_ID, refuse_incomplete, restored
from transforms.touched_dates import TOUCHED
from transforms.user_tables import CONTRIBUTIONS

# Of people whose events are held in memory together, as far as one alone has no more.
_EVENTS_AT_ONCE: Final = 500_000
_LETTERS: Final = dead_letter_events.TABLE
_MOVED: Final = Table(
    name="moved_people",
    description="Ids under which events may be stored that are somebody else's.",
    columns=(required("user_id", STRING, "The id"),),
)


def move_people(job: BatchJob, growth: Growth) -> MovedReport:
    """Put the events of people who are known now under the ids that stand for them, and note that.

    Args:
        job: what the run does: it has no files, nobody else writes to its warehouse, and its
            staging folder is there.
        growth: who is known now.

    Returns:
        How many were moved, once all is committed.

    Raises:
        RunError: if the warehouse can't be read or written, or the run refuses what it has found;
            nothing is committed then.
        DataError: if the tables contradict each other.
    """
    warehouse, moment = job.warehouse, pa.scalar(job.started_at, pa.timestamp("us"))
    gone = also_forgotten(warehouse, growth.admitted, job.run, job.started_at, job.staging)
    known = stage_known(warehouse, [KEPT_SOURCE], job.staging) if job.rates.keep else None
    job = replace(job, beside=(*job.beside, *gone), known_dead_letters=known)
    plan = replace(adding_plan(job), matching={name: (by,) for name, by in LEAVE_BY.items()})
    contracts = {**plan.contracts, _MOVED.name: _MOVED}
    steps = StepsHere(warehouse, job.run, job.staging, contracts)
    checks = increment_checks(job)
    with warehouse.kept_open(), closing(ArrowChecks(checks, TABLES)) as over:
        moving = _Moving(job, steps, growth, over if checks else None)
        found = moving.all()
        before = CountersOf(warehouse)()
        after = Counters.total([before, *found.contributions])
        finished = finish(before, after, moment.value, job.figures)
        if checks:
            found.checked.append(over.evaluate(finished.marts))
    noted = {**_noted(growth, moment), **found.excluded.changes(moment)}
    staged = [*found.staged, *steps.staged({**finished.changed, **noted})]
    counts = RunCounts.total(found.counts)
    checked = CheckCounts.total([totals_of_run(counts), *found.checked])
    commit = replace(increment_commit(job, checks), plan=plan)
    report = commit.commit(staged, counts, checked)
    return MovedReport(len(growth.moved), found.people, counts, report.seconds)


def _noted(growth: Growth, moment: pa.Scalar) -> dict[str, pa.Table]:
    """By the names of contracts, what changes in known_people."""
    table, gone = known_people.TABLE, growth.grown.gone
    deletes = {"anonymous_id": gone, "learnt_at": pa.repeat(moment, len(gone))}
    return {
        table.name: known_people.rows(growth.grown.changed, moment.as_py()),
        table.deletes.name: table.deletes.build(deletes),
    }


@dataclass
class _Found:
    """What is staged and counted so far.

    Attributes:
        people: how many ids had events.
        staged: rows of tables of users, and values by which rows leave them.
        contributions: what is added to the sums over all users.
        counts: of the events.
        checked: what the checks of changed rows have counted.
        excluded: who is left out by the id that stands for them now.
    """

    people: int = 0
    staged: list[StagedFile] = field(default_factory=list)
    contributions: list[Counters] = field(default_factory=list)
    counts: list[RunCounts] = field(default_factory=list)
    checked: list[CheckCounts] = field(default_factory=list)
    excluded: ExcludedPeople = field(default_factory=ExcludedPeople.nobody)


@dataclass(frozen=True)
class _Moving:
    """Moves people.

    Attributes:
        job: the run.
        steps: those of an increment.
        growth: who is known now.
        over: evaluates checks; None for none.
    """

    job: BatchJob
    steps: StepsHere
    growth: Growth
    over: ArrowChecks | None

    def all(self) -> _Found:
        """Stage all of them, some at a time."""
        people, found = KnownPeople.of(self.growth.moved), _Found()
        if self.job.rates.is_any:
            found.excluded = ExcludedPeople.of(self.growth, _MOVED, self._looked_up)
            self._leave_out(found)
        keys = _MOVED.build({"user_id": self.growth.moved.anonymous_ids})
        wanted = Lookup(user_timelines.TABLE, TIMELINE_COLUMNS, ("user_id",), _MOVED)
        lives = user_timelines.timelines_of(self._looked_up(wanted, keys))
        found.people = len(lives)
        for users in _portions(people.known(lives.user_id), lives.per_user(lives.events)):
            self._move(lives.take(users), people, found)
        return found

    def _leave_out(self, found: _Found) -> None:
        """Stage that who is left out now leaves the tables."""
        users = found.excluded.users
        keys = _MOVED.build({"user_id": users["user_id"]})
        wanted = Lookup(user_timelines.TABLE, TIMELINE_COLUMNS, ("user_id",), _MOVED)
        lives = user_timelines.timelines_of(self._looked_up(wanted, keys))
        stored = [self._events_of(lives)] if self.job.rates.keep and len(lives) else []
        found.staged += self.steps.staged(leaving_users(lives))
        figures = self.job.figures
        found.contributions.append(
            change(lives, Timelines.none(), figures.codes, figures.reckoning)
        )
        self._count(found, users, [], stored, lives)

    def _count(
        self,
        found: _Found,
        users: pa.Table,
        came: list[pa.RecordBatch],
        stored: list[pa.RecordBatch],
        lives: Timelines,
    ) -> None:
        """Count events that are left out, and stage them where they are kept.

        Args:
            found: where they are counted.
            users: whose they are, as `counts_of` takes them.
            came: events that are moved.
            stored: events that leave the tables, where they are kept.
            lives: the timelines of those who leave.
        """
        job, letters = self.job, NO_LETTERS
        if job.rates.keep:
            stamp = Stamp(job.started_at, __version__)
            letters = letters_of([*stored, *came], users, job.figures, stamp)
        found.counts.append(counts_of(came, lives, users, letters))
        self._stage_letters(found, letters)

    def _stage_letters(self, found: _Found, letters: pa.Table) -> None:
        """Stage dead letters that the warehouse lacks."""
        if self.job.known_dead_letters is not None:
            letters, known = self.job.known_dead_letters.parted(letters)
            found.counts.append(known)
        found.staged += self.steps.staged({_LETTERS.name: letters})
        if self.over is not None and letters.num_rows:
            found.checked.append(self.over.evaluate({_LETTERS.name: letters}))

    def _move(self, lives: Timelines, people: KnownPeople, found: _Found) -> None:
        """Stage what becomes of some people, to be counted in `found`."""
        job = self.job
        events = self._events_of(lives)
        moved = len(events)
        if job.identified:
            events = kept_ids(events, job.figures.known)
        events = under(events, people.known(events["user_id"]))
        arrives = ~_among(events["user_id"], self.growth.admitted.forgotten.user_ids)
        events = events.filter(pa.array(arrives))
        others, theirs = without([events], found.excluded.users)
        if theirs:
            self._count(found, found.excluded.users, theirs, [], Timelines.none())
        step = self.steps.advanced(others, job.figures, job.started_at, job.identified, job.rates)
        for changed in (dict(changed_rows(step)), leaving_users(lives)):
            found.staged += self.steps.staged(changed)
        left = change(lives, Timelines.none(), job.figures.codes, job.figures.reckoning)
        found.contributions += [left, step[CONTRIBUTIONS]]
        gone = int(np.count_nonzero(~arrives))
        found.counts += [RunCounts(input_rows=moved, forgotten=gone), step[COUNTS]]
        self._stage_letters(found, step[DEAD_LETTERS])
        if self.over is not None:
            found.checked.append(self.over.evaluate(checkable(step)))

    def _events_of(self, lives: Timelines) -> pa.RecordBatch:
        """All events that users have."""
        job = self.job
        columns = IDENTIFIED_COLUMNS if job.identified else EVENT_COLUMNS
        wanted = Lookup(fct_events.TABLE, columns, TOUCHED.column_names, TOUCHED)
        rows = self._looked_up(wanted, keys_of_events(lives))
        refuse_incomplete(rows, lives)
        stored = STORED_WITH_ID if job.identified else STORED
        came = pa.table({name: plain_strings(rows[name]) for name in stored.column_names})
        return restored(came, job.figures.known).events

    def _looked_up(self, lookup: Lookup, keys: pa.Table) -> pa.Table:
        """The rows of a lookup."""
        found = self.steps.found([lookup], lookup.keys, [keys])
        return pa.concat_tables([lookup.schema.empty_table(), *found])


def _among(user_ids: pa.Array, others: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.is_in(user_ids, value_set=others).to_numpy(zero_copy_only=False)
    return found


def _portions(targets: pa.Array, events: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Ids in portions of so many events, by their indices: all that become one person together.

    Args:
        targets: the id that stands for each: [n].
        events: how many each has: int64 [n].
    """
    codes = targets.dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    before = np.cumsum(events[order]) - events[order]
    first = np.searchsorted(codes[order], codes[order])
    number = before[first] // _EVENTS_AT_ONCE
    for portion in np.unique(number):
        yield order[number == portion]
