"""Writes the sample file."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.sample import world
from pipeline.sample.activity import EVENT, Events, act, visit
from pipeline.sample.chance import Ints, Rng
from pipeline.sample.csv_rows import HEADER, csv_chunks
from pipeline.sample.flaws import Log, arrange, flaw_counts
from pipeline.sample.people import arrive

_EVENTS_PER_USER = 44
_MOST_USERS_AT_ONCE = 1 << 14
"""Some 800,000 events: enough to keep NumPy busy, little enough not to matter in memory."""


@dataclass(frozen=True)
class SampleReport:
    """What was written. Users and event times are those of the rows that aren't broken."""

    path: Path
    rows: int
    """Data rows, the broken and repeated ones included."""
    users: int
    broken: int
    repeated: int
    first_event_time: datetime | None
    """None in an empty file."""
    last_event_time: datetime | None


def write_sample(output: str | Path, events: int, seed: int) -> SampleReport:
    """Writes a CSV file of `events` data rows, compressed if `output` ends in .gz.

    The file appears under its name only once it is complete. The same events and seed give the
    same rows; how gzip packs them may differ between versions of zlib.

    Raises:
        ValueError: `events` or `seed` is negative.
    """
    if events < 0:
        raise ValueError(f"events must be 0 or more, not {events}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    path = Path(output)
    rng = np.random.Generator(np.random.PCG64(seed))
    broken, repeated = flaw_counts(events)
    book = _simulate(rng, events - repeated)
    log = arrange(rng, np.ascontiguousarray(book["time"]), broken, repeated)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file:
        file.write(HEADER)
        file.writelines(csv_chunks(book, log))
    return _report(path, book, log, repeated)


def _simulate(rng: Rng, size: int) -> Events:
    """Exactly `size` events of as many users as it takes, numbered by their arrival from 1."""
    events = np.empty(size, EVENT)
    joined: list[Ints] = []
    filled = users = 0
    while filled < size:
        likely = (size - filled) // _EVENTS_PER_USER
        people = arrive(rng, min(max(likely, 64), _MOST_USERS_AT_ONCE))
        sessions = visit(rng, people)
        block = act(rng, people, sessions)[: size - filled]
        block["user"] += users
        events[filled : filled + len(block)] = block
        joined.append(sessions.start[np.diff(sessions.user, prepend=-1) > 0])
        filled += len(block)
        users += len(people.channel)
    if size:
        events["user"] = _numbers_by_arrival(np.concatenate(joined), events)[events["user"]]
    return events


def _numbers_by_arrival(joined: Ints, events: Events) -> Ints:
    """The number of each user, shape (users,); those whose events were cut off get none."""
    count = int(events["user"][-1]) + 1
    number = np.empty(count, np.int64)
    number[np.argsort(joined[:count], kind="stable")] = np.arange(1, count + 1)
    return number


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A file under another name in the same folder, which takes `path`'s place at the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as plain:
            if path.suffix == ".gz":
                # No file name and no time in the header: they would differ from run to run.
                with gzip.GzipFile("", "wb", 6, plain, mtime=0) as packed:
                    yield packed
            else:
                yield plain
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _report(path: Path, events: Events, log: Log, repeated: int) -> SampleReport:
    sound = np.ones(len(events), np.bool_)
    sound[log.broken] = False
    times = events["time"][sound]
    return SampleReport(
        path=path,
        rows=len(log.event),
        users=int(np.count_nonzero(np.bincount(events["user"][sound]))),
        broken=len(log.broken),
        repeated=repeated,
        first_event_time=_moment(times.min()) if len(times) else None,
        last_event_time=_moment(times.max()) if len(times) else None,
    )


def _moment(time_since_first_day: np.int64) -> datetime:
    start = datetime.combine(world.FIRST_DAY, time(), UTC)
    return start + timedelta(microseconds=int(time_since_first_day))
