"""Events of user shards -> staged rows and sums: what workers do once all is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline import __version__
from pipeline.graphs.batch_job import BatchJob
from pipeline.local_batch.shuffled_events import ShuffleReader
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.quality.buffered_checks import BufferedChecks
from transforms.quality.check_counts import CheckCounts
from transforms.shard_step import worked_out
from transforms.state.registry import STATE_TABLES
from transforms.user_tables import EVENTS, EXCLUDED_USERS, NEGATIVE, TIMELINES, USERS

_LETTERS: Final = dead_letter_events.TABLE.name
_CHECKED: Final = (EVENTS, USERS, NEGATIVE)


class WorkedShards(NamedTuple):
    """What some shards come to.

    Attributes:
        staged: rows of the tables of users, and dead letters among their events.
        contributions: the sum over their users.
        counts: of events, duplicates and dead letters.
        checked: what the checks of these rows have counted.
    """

    staged: list[StagedFile]
    contributions: Counters
    counts: RunCounts
    checked: CheckCounts


@dataclass(frozen=True)
class WorkShards:
    """Works out shards.

    Attributes:
        job: the run.
        shuffled: all files of events by user shard.
    """

    job: BatchJob
    shuffled: Sequence[str]

    def __call__(self, shards: Sequence[int]) -> WorkedShards:
        """What some shards come to, one at a time.

        Raises:
            RunError: if their events can't be read, or rows staged.
        """
        job = self.job
        contracts, layout = {**TABLES, **STATE_TABLES}, job.warehouse.capabilities.layout
        files = {
            name: StagedFiles(contracts[name], job.staging, layout)
            for name in (*_CHECKED, TIMELINES, EXCLUDED_USERS, _LETTERS)
        }
        reader = ShuffleReader(self.shuffled)
        contributions, counts, checked = Counters.empty(), [], []
        with closing(BufferedChecks(job.checks, TABLES, waiting=(USERS, NEGATIVE))) as over:
            for shard in shards:
                events = reader.events_of(shard)
                found = worked_out(events, job.figures, job.started_at, __version__, job.rates)
                contributions = Counters.total([contributions, found.contributions])
                counts.append(found.counts)
                letters = {_LETTERS: found.letters} if found.letters.num_rows else {}
                rows = {name: found.rows[name] for name in _CHECKED}
                checked.append(over.evaluate({**rows, **letters}))
                for name, its_rows in {**found.rows, **letters}.items():
                    if its_rows.num_rows:
                        files[name].write(its_rows)
            checked.append(over.finish())
        staged = [file for its_files in files.values() for file in its_files.close()]
        return WorkedShards(
            staged, contributions, RunCounts.total(counts), CheckCounts.total(checked)
        )
