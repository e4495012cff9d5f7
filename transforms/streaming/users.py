"""Events by user -> rows of events and users, and changes of counters: the one step with the
users' state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    BagStateSpec,
    ReadModifyWriteRuntimeState,
    ReadModifyWriteStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.codecs.head_codec import decode_head, encode_head
from transforms.kernels.codecs.record_codec import Record, decode_records, encode_records
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.seeds import Seed
from transforms.kernels.user_head import UserHead
from transforms.kernels.user_state import advance_user, without_those_before
from transforms.metrics import EVENTS_PER_USER, count
from transforms.parse_step import COUNTS
from transforms.streaming.clock import Clock, arriving, later, microseconds
from transforms.streaming.user_changes import UserChanges
from transforms.user_tables import CONTRIBUTIONS

ROWS: Final = "rows"

# An event that is taken now may be repeated while it is still not too late for it.
_SLACK_DAYS: Final = 1


def kept_us(horizon_days: int) -> int:
    """For how long an event is known, in microseconds."""
    return (horizon_days + _SLACK_DAYS) * US_PER_DAY


class KnownUsers(Protocol):
    """Users whom the tables held when the stream began."""

    def find(self, user_id: str) -> Seed | None:
        """What the stream would have kept of a user by then; None for one who was new."""


@dataclass
class UpdateUsers(beam.PTransform):
    """(user id, encoded records) -> what they change; state: what is known of each user.

    Outputs, by tag, a few elements for each bundle: ROWS, (name of a contract, table of rows), of
    events, users and timelines; CONTRIBUTIONS, Counters; COUNTS, RunCounts of events and
    duplicates.

    A user's rows are written later than all that the user had before, whatever the workers' clocks
    show: so of two versions of a row the one that knows more events is the newer.

    Attributes:
        types: the event types, and which make a user active.
        horizon_days: how long an event may be repeated, or come late.
        clock: processing time.
        known: who was known when the stream began; None for nobody.
    """

    types: FigureSettings
    horizon_days: int
    clock: Clock
    known: KnownUsers | None = None

    def expand(self, by_user: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {ROWS: tuple[str, pa.Table], CONTRIBUTIONS: Counters, COUNTS: RunCounts}
        update = beam.ParDo(UpdateUser(self)).with_output_types(Any, **outputs)
        return by_user | "Advance users" >> update.with_outputs(*outputs)


class UpdateUser(beam.DoFn):
    """One user's events at a time; rows and counters of a bundle together."""

    # All that an event needs that comes in order: read once, written once.
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    # The events of the horizon: appended to, and read for an event that comes out of order.
    RECENT = BagStateSpec("recent", BytesCoder())
    # In processing time it would hold the watermark back until it fires, a week or more.
    DROP = TimerSpec("drop", TimeDomain.WATERMARK)

    def __init__(self, options: UpdateUsers):
        self._options, self._clock = options, options.clock
        self._kept_us = kept_us(options.horizon_days)

    def start_bundle(self) -> None:
        self._changes = UserChanges(self._options.types)
        self._events = self._duplicates = 0

    def process(
        self,
        arrived: tuple[str, bytes],
        head: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(HEAD),
        recent: AccumulatingRuntimeState = beam.DoFn.StateParam(RECENT),
        drop: RuntimeTimer = beam.DoFn.TimerParam(DROP),
    ) -> None:
        user_id, data = arrived
        stored, seed = head.read(), None
        if not stored and (seed := self._seed(user_id)):
            stored = seed.head
        before = decode_head(stored) if stored else None

        def events() -> list[Record]:
            return _records([seed.recent] if seed else recent.read())

        step = advance_user(
            user_id, before, decode_records(data), events, self._options.types.reckoning
        )
        self._events += len(step.new)
        self._duplicates += step.repeated
        if not step.new:
            return
        after = step.head.stamped(
            later(self._clock, step.head.written_at_us),
            step.head.due_us or self._drop_later(drop, step.head),
        )
        head.write(encode_head(after))
        if seed and seed.recent:
            recent.add(seed.recent)
        recent.add(encode_records(event.record.data for event in step.new))
        self._changes.add(user_id, before, after, step)

    def _seed(self, user_id: str) -> Seed | None:
        """What the tables know of a user whom the state does not know."""
        return self._options.known.find(user_id) if self._options.known else None

    def finish_bundle(self) -> Iterator[Any]:
        for name, value in self._changes.outputs():
            tagged = (name, value) if name == CONTRIBUTIONS else (ROWS, (name, value))
            yield pvalue.TaggedOutput(tagged[0], arriving(tagged[1], self._clock))
        EVENTS_PER_USER.observe_sample(self._changes.events_of_users)
        if self._events or self._duplicates:
            counts = RunCounts(events=self._events, duplicates=self._duplicates)
            count(counts)
            yield pvalue.TaggedOutput(COUNTS, arriving(counts, self._clock))

    @on_timer(DROP)
    def drop_events(
        self,
        head: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(HEAD),
        recent: AccumulatingRuntimeState = beam.DoFn.StateParam(RECENT),
        drop: RuntimeTimer = beam.DoFn.TimerParam(DROP),
    ) -> None:
        """Let go of events that are too old to be repeated. It is done once in a horizon, so that
        an event costs no more than to be read and written once again."""
        stored = head.read()
        if not stored:
            return
        known = decode_head(stored)
        # A worker whose clock is days ahead must not forget what the others still take.
        now_us = min(microseconds(self._clock), known.last.time_us)
        events = _records(recent.read())
        after, kept = without_those_before(
            known, events, now_us - self._kept_us, self._options.types.reckoning
        )
        recent.clear()
        if kept:
            recent.add(encode_records(record.data for record in kept))
        # It fires early where the source has ended, and would do so for ever.
        is_due = bool(kept) and microseconds(self._clock) >= known.due_us
        due_us = self._drop_later(drop, known) if is_due else 0
        head.write(encode_head(after._replace(due_us=due_us)))

    def _drop_later(self, drop: RuntimeTimer, head: UserHead) -> int:
        # An event from ahead may be repeated until it is too late for it.
        due_us = max(microseconds(self._clock), head.last.time_us) + self._kept_us
        drop.set(Timestamp(micros=due_us))
        return due_us


def _records(stored: Iterable[bytes]) -> list[Record]:
    return [record for data in stored if data for record in decode_records(data)]
