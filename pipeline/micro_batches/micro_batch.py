"""Some messages -> what they change in all tables, in one commit.

    parse -> read state -> advance -> marts -> checks -> stage -> commit

The tables themselves are the state, so that a stream begins warm, and any event may come at any
time. Kernels, checks and commit are those of an update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import __version__
from pipeline.errors import RunError
from pipeline.graphs.increment_commit import PARTS, with_leaving
from pipeline.graphs.streaming_graph import STREAMED, StreamJob
from pipeline.micro_batches.steps_here import Came, StepsHere
from pipeline.reports import FlushReport
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.flush_state import Gathered, Held, Sealer, Totals, flush_run
from pipeline.sinks.run_commit import check_sum
from pipeline.sinks.run_rows import settings_of_run
from pipeline.terminal import print_error, printable
from pipeline.warehouse.changes import Change
from transforms.advance_step import changed_rows, checkable
from transforms.kernels.calendar import as_datetime
from transforms.kernels.messages import Message
from transforms.kernels.parse import Limits
from transforms.kernels.run_counts import RunCounts
from transforms.mart_changes import Finishing
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.parse_step import COUNTS, DEAD_LETTERS, parse_part
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.planning import plan_of_increment
from transforms.rules.message_names import MessageNames
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.read_messages import read_messages
from transforms.state.registry import STATE_TABLES
from transforms.streaming.clock import later
from transforms.user_tables import CONTRIBUTIONS

_LETTERS: Final = dead_letter_events.TABLE
_LETTER_ID: Final = "dead_letter_id"
# Of the messages that are parsed together: a message may have 10 MB.
_PART_BYTES: Final = 16 << 20
# Of ids that are looked up by one query.
_KEYS: Final = 5_000
# Before another attempt at a commit that failed: somebody has the file open, the network is down.
PAUSES_SECONDS: Final = (2.0, 10.0, 30.0)


class MicroBatches:
    """Takes messages into the tables of a warehouse, which nobody else writes meanwhile.

    In memory is what its own last commit has left: the sum over all users, and what the run has
    counted. A commit that fails leaves both as they were.

    Args:
        job: what the stream does; its staging folder is made, and its tables are there.
        before: the sum over all users, and when the tables were written last.
        publish: takes new dead letters, rows of dead_letter_events, before they are committed.
        sleep: waits for so many seconds.

    Attributes:
        job: see above.
    """

    def __init__(
        self,
        job: StreamJob,
        before: Totals,
        publish: Callable[[pa.Table], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.job, self._totals = job, before
        self._publish, self._sleep = publish, sleep
        self._plan = with_leaving(CommitPlan.adding(STREAMED), job.rates)
        self._here = StepsHere(job.warehouse, job.run, job.staging, self._plan.contracts)
        rules = job.rules
        self._reader = None if rules is None else RuleReader(rules)
        takes_all = rules is not None and rules.takes_all_types
        self._names = MessageNames(rules, job.subscription) if rules and takes_all else None
        self._settings: dict[str, pa.Table] = {}
        self._prepare()

    def _prepare(self) -> None:
        checks = plan_of_increment(self.job.checks, PARTS)
        self._over = ArrowChecks(checks, TABLES)
        finishing, tables = Finishing(self.job.figures), list(self._plan.dispositions)
        self._sealer = Sealer(self.job.noted, finishing, checks, tables)

    def close(self) -> None:
        """Let go of what the evaluation of checks needs."""
        self._over.close()
        self._sealer.close()

    def take_in(self, messages: Sequence[Message]) -> FlushReport:
        """Commit all that some messages bring; repeated ones bring nothing.

        Returns:
            What has become of all messages of the run so far.

        Raises:
            RunError: if the warehouse can't be read or written: nothing is committed then, or it
                is not known whether all is. The same messages may come again.
            DataError: if the tables contradict each other.
        """
        self._learn(messages)
        moment_us = later(self.job.clock, self._totals.written_at_us)
        came = self._parsed(messages, as_datetime(moment_us))
        with self.job.warehouse.kept_open():
            types, moment = self.job.figures, as_datetime(moment_us)
            step = self._here.advanced(
                came.events, types, moment, self.job.identified, self.job.rates
            )
            letters, known = self._new_letters([*came.letters, step[DEAD_LETTERS]])
        counts = RunCounts.total([*came.counts, known, step[COUNTS]])
        checked = [self._over.evaluate(checkable(step)), self._over.evaluate(letters)]
        gathered = Gathered([], [step[CONTRIBUTIONS]], [counts], checked)
        flush = self._sealer.seal(self._totals, gathered, moment_us)
        changed = dict(changed_rows(step))
        staged = self._here.staged({**changed, **letters, **flush.rows, **self._settings})
        check_sum(counts, self._plan.arrived(staged))
        changes = [change for change in self._plan.changes(staged) if change.staged]
        for new in letters.values():
            self._publish(new)
        self._commit(changes, flush_run(self.job.run, flush.totals.flushes))
        self._totals, self._settings = flush.totals, {}
        so_far = flush.totals.counts
        return flush.sealed(staged).reported(
            {
                change.table.name: change.rows
                for change in changes
                if change.table.name not in STATE_TABLES
            },
            Held(so_far.events - so_far.taken_back, so_far.rejected),
        )

    def _learn(self, messages: Sequence[Message]) -> None:
        """Know the event types that messages bring, where the rules take all names."""
        if self._names is None:
            return
        own = self._names.types(_parts(messages), self.job.figures.own)
        if own == self.job.figures.own:
            return
        self.close()
        self.job = replace(self.job, figures=self.job.figures.adding(own))
        self._settings = settings_of_run(self.job.noted)
        self._prepare()

    def _parsed(self, messages: Sequence[Message], now: datetime) -> Came:
        job, came = self.job, Came()
        limits = Limits.of(job.figures, job.max_future_minutes)
        for some in _parts(messages):
            for records in read_messages(some, job.subscription, self._reader):
                part = parse_part(
                    records, now, limits, __version__, None, job.forgotten, job.people
                )
                came.add(part)
        return came

    def _new_letters(self, parts: Sequence[pa.Table]) -> tuple[dict[str, pa.Table], RunCounts]:
        """Dead letters by the name of their table, but for those that came before: messages that
        were committed and not acknowledged come again. Without any there is no table."""
        letters = pa.concat_tables([_LETTERS.arrow_schema.empty_table(), *parts])
        if not letters.num_rows:
            return {}, RunCounts()
        ids = letters[_LETTER_ID].combine_chunks()
        stored = pa.chunked_array(
            [
                self.job.warehouse.rows_with(_LETTERS, (_LETTER_ID,), pa.table({_LETTER_ID: keys}))[
                    _LETTER_ID
                ].combine_chunks()
                for keys in (ids.slice(at, _KEYS) for at in range(0, len(ids), _KEYS))
            ]
        )
        is_first = np.zeros(len(ids), np.bool_)
        is_first[np.unique(ids.to_numpy(zero_copy_only=False), return_index=True)[1]] = True
        new = pc.and_(pa.array(is_first), pc.invert(pc.is_in(ids, value_set=stored)))
        kept = letters.filter(new)
        known = RunCounts(known_dead_letters=letters.num_rows - kept.num_rows)
        return ({_LETTERS.name: kept} if kept.num_rows else {}), known

    def _commit(self, changes: Sequence[Change], run: str) -> None:
        """Commit; where that fails, the same again under the same id: what was done is not done
        twice."""
        for pause in PAUSES_SECONDS:
            try:
                self.job.warehouse.commit(changes, run)
                return
            except RunError as error:
                print_error(
                    f"warning: a flush can't be committed and is tried again in {pause:.0f} s: "
                    f"{printable(str(error))}"
                )
                self._sleep(pause)
        self.job.warehouse.commit(changes, run)


def _parts(messages: Sequence[Message]) -> Iterator[list[Message]]:
    part: list[Message] = []
    size = 0
    for message in messages:
        part.append(message)
        size += message.size
        if size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
