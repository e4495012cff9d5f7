"""Checks of the marts, which are planned while workers are at work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipeline.graphs.batch_job import BatchJob
from transforms.finished_marts import finished
from transforms.kernels.counters import Counters
from transforms.marts import dead_letter_events
from transforms.marts.registry import FINISH, TABLES
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts

_LETTERS: Final = dead_letter_events.TABLE


@dataclass(frozen=True)
class MartChecks:
    """Evaluates the checks of the marts.

    Attributes:
        over: what evaluates them.
        planned: ends once their statements are planned.
    """

    over: ArrowChecks
    planned: Future[CheckCounts]

    def evaluate(self, rows: Mapping[str, pa.Table]) -> CheckCounts:
        """What the checks count of rows, as `finished` gives them.

        Raises:
            DataError: if a check can't be evaluated.
        """
        self.planned.result()
        return _evaluated(self.over, rows)


@contextmanager
def planned_checks(job: BatchJob) -> Iterator[MartChecks]:
    """The checks of a run's marts: to plan their statements takes 0.2 s, to ask them 0.05.

    They are planned by asking them of marts without rows, in a thread of this process.
    """
    with ThreadPoolExecutor(1) as pool, closing(ArrowChecks(job.checks, TABLES)) as over:
        yield MartChecks(over, pool.submit(_without_rows, over, job))


def _without_rows(over: ArrowChecks, job: BatchJob) -> CheckCounts:
    return _evaluated(over, finished(Counters.empty(), job.started_at, job.figures))


def _evaluated(over: ArrowChecks, rows: Mapping[str, pa.Table]) -> CheckCounts:
    marts = {name: rows[name] for name in FINISH}
    # Of dead letters no row: where there are none, their checks are answered here.
    letters = {_LETTERS.name: _LETTERS.arrow_schema.empty_table()}
    return over.evaluate({**letters, **marts})
