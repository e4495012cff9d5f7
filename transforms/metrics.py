"""Every number that operators watch, declared once: Beam metrics with names that stay.

`python -m transforms.metrics` prints them as the table of docs/operations.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from apache_beam.metrics import Metrics
from numpy.typing import NDArray

from transforms.kernels.dead_letters import KNOWN_ERROR_TYPES
from transforms.kernels.run_counts import RunCounts

NAMESPACE: Final = "growth"

# An update takes 130 ns: for all users of 10 million events 0.1 s. A shard tells of as many.
_SAMPLE: Final = 1_000


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: within NAMESPACE.
        kind: what Beam keeps of it: of a distribution sum, count, least and largest value.
        where: which modes have it.
        meaning: what it counts or measures, with the unit.
        alert: when to be alerted.
    """

    name: str
    kind: Literal["counter", "distribution"]
    where: Literal["batch, streaming", "streaming"]
    meaning: str
    alert: str

    def add(self, number: int) -> None:
        """Count so many more."""
        if number:
            Metrics.counter(NAMESPACE, self.name).inc(number)

    def observe(self, values: NDArray[np.int64]) -> None:
        """Take in values: int64 [n]."""
        update = Metrics.distribution(NAMESPACE, self.name).update
        for value in values.tolist():
            update(value)

    def observe_sample(self, values: NDArray[np.int64]) -> None:
        """Take in values: int64 [n]; of many an even sample, beside the least and the largest."""
        if len(values) > _SAMPLE:
            places = np.linspace(0, len(values) - 1, _SAMPLE - 2).astype(np.int64)
            values = np.concatenate([values[places], [values.min(), values.max()]])
        self.observe(values)


def _counter(name: str, meaning: str, alert: str) -> Metric:
    return Metric(name, "counter", "batch, streaming", meaning, alert)


INPUT_ROWS: Final = _counter(
    "input_rows",
    "records read; of a replay, events and dead letters",
    "none in an hour in which some come as a rule: the source is silent",
)
EVENTS: Final = _counter(
    "events",
    "records that are events, each counted once",
    "falls while input_rows does not: see the two below",
)
DUPLICATES: Final = _counter(
    "duplicates",
    "records that repeat an event",
    "over 5 % of input_rows: a producer sends again, or a file is there twice",
)
DEAD_LETTERS: Final = _counter(
    "dead_letters",
    "records that are no events",
    "over 1 % of input_rows: look at the counters by error type, correct, replay",
)
IGNORED_MILES_AMOUNTS: Final = _counter(
    "ignored_miles_amounts",
    "events with a miles_amount that their type has no use for",
    "over 1 % of events: a producer has changed the meaning of a field",
)
FORGOTTEN: Final = _counter(
    "forgotten",
    "records that were dropped, because their users were forgotten",
    "any in a source from which they were removed: it is another file, or came back",
)
EXCLUDED_ROWS: Final = _counter(
    "excluded",
    "records that [exclude] of the rules leaves out",
    "a share that rises: a pattern fits more than it is meant for, or a robot is at work",
)
EVENTS_PER_USER: Final = Metric(
    "events_per_user",
    "distribution",
    "batch, streaming",
    "events of a user: in batch of all they have, of a sample of users and the extremes of each "
    "shard; in streaming of all they have so far, when some come",
    "largest over 100,000: a robot, or an id that many share",
)
LATENESS: Final = Metric(
    "lateness_seconds",
    "distribution",
    "streaming",
    "seconds from an event's time to its arrival; below 0 where a clock is ahead",
    "mean over 3,600: producers are behind; largest near --late_horizon_days: raise it",
)
FLUSH_DURATION: Final = Metric(
    "flush_duration_ms",
    "distribution",
    "batch, streaming",
    "milliseconds that the warehouse takes for one commit; a batch run has one",
    "mean over half of --flush_seconds: the warehouse can't keep up, flush less often",
)

BY_ERROR_TYPE: Final = {
    name: _counter(
        f"dead_letters_{name}",
        f"dead letters whose error_type is {name}",
        "any rise: what has changed in the input?",
    )
    for name in sorted(KNOWN_ERROR_TYPES)
}

METRICS: Final = (
    INPUT_ROWS,
    EVENTS,
    DUPLICATES,
    DEAD_LETTERS,
    *BY_ERROR_TYPE.values(),
    IGNORED_MILES_AMOUNTS,
    FORGOTTEN,
    EXCLUDED_ROWS,
    EVENTS_PER_USER,
    LATENESS,
    FLUSH_DURATION,
)


def count(counts: RunCounts) -> None:
    """Add counts of a bundle, or of a part of it, to the counters."""
    INPUT_ROWS.add(counts.input_rows)
    EVENTS.add(counts.events)
    DUPLICATES.add(counts.duplicates)
    DEAD_LETTERS.add(counts.rejected)
    IGNORED_MILES_AMOUNTS.add(counts.ignored_amounts)
    FORGOTTEN.add(counts.forgotten)
    EXCLUDED_ROWS.add(counts.left_out)
    for error_type, number in counts.dead_letters.items():
        # Dead letters of another version that are replayed may have a type that this one has not.
        if error_type in BY_ERROR_TYPE:
            BY_ERROR_TYPE[error_type].add(number)


@contextmanager
def timed_flush() -> Iterator[None]:
    """Measure how long the warehouse takes for a commit; one that fails is not measured."""
    started = time.monotonic()
    yield
    FLUSH_DURATION.observe(np.array([round((time.monotonic() - started) * 1_000)], np.int64))


def markdown_table() -> str:
    """The metrics in Markdown; those by error type in one line."""
    shown = [metric for metric in METRICS if metric not in BY_ERROR_TYPE.values()]
    by_type = next(iter(BY_ERROR_TYPE.values()))
    lines = [
        f"| `{metric.name}` | {metric.kind} | {metric.where} | {metric.meaning} | {metric.alert} |"
        for metric in shown
    ]
    names = ", ".join(f"`{name}`" for name in BY_ERROR_TYPE)
    lines.insert(
        shown.index(DEAD_LETTERS) + 1,
        f"| `dead_letters_…` | {by_type.kind} | {by_type.where} | dead letters of one error_type: "
        f"{names} | {by_type.alert} |",
    )
    head = ["| metric | kind | where | what it is | alert when |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    print(markdown_table())
