"""Events by user -> rows of events and users, and changes of counters: the one step with the
users' state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

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
from transforms.kernels.calendar import US_PER_DAY, as_datetime
from transforms.kernels.codecs.arrival_codec import Names, decode_arrivals, values_of
from transforms.kernels.codecs.head_codec import decode_head, encode_head
from transforms.kernels.codecs.record_codec import Record, decode_records, encode_records
from transforms.kernels.counters import Counters
from transforms.kernels.records import Rejection, Rejections
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.seeds import Seed
from transforms.kernels.source_ids import contradiction
from transforms.kernels.user_head import UserHead
from transforms.kernels.user_state import advance_user, without_those_before
from transforms.marts import dead_letter_events
from transforms.metrics import EVENTS_PER_USER, count
from transforms.parse_step import COUNTS, DEAD_LETTERS, count_dead_letters
from transforms.streaming.clock import Clock, arriving, later, microseconds
from transforms.streaming.user_changes import UserChanges
from transforms.user_tables import CONTRIBUTIONS

ROWS: Final = "rows"

# An event that is taken now may be repeated while it is still not too late for it.
_SLACK_DAYS: Final = 1


def kept_us(horizon_days: int) -> int:
    """For how long an event is known, in microseconds."""
    return (horizon_days + _SLACK_DAYS) * US_PER_DAY


class Origin(NamedTuple):
    """What dead letters say of where they come from: the subscription, the pipeline's version."""

    source: str
    version: str


class KnownUsers(Protocol):
    """Users whom the tables held when the stream began."""

    def find(self, user_id: str) -> Seed | None:
        """What the stream would have kept of a user by then; None for one who was new."""


@dataclass
class UpdateUsers(beam.PTransform):
    """(user id, encoded records) -> what they change; state: what is known of each user.

    Outputs, by tag, a few elements for each bundle: ROWS, (name of a contract, table of rows), of
    events, users and timelines; CONTRIBUTIONS, Counters; COUNTS, RunCounts of events, duplicates
    and events that have the id of another one; DEAD_LETTERS, tables of dead_letter_events of these.

    A user's rows are written later than all that the user had before, whatever the workers' clocks
    show: so of two versions of a row the one that knows more events is the newer.

    Attributes:
        types: the event types, and which make a user active.
        horizon_days: how long an event may be repeated, or come late.
        clock: processing time.
        known: who was known when the stream began; None for nobody.
        identified: where messages come from whose rules name an event_id; None where they do not.
    """

    types: FigureSettings
    horizon_days: int
    clock: Clock
    known: KnownUsers | None = None
    identified: Origin | None = None

    def expand(self, by_user: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {
            ROWS: tuple[str, pa.Table],
            CONTRIBUTIONS: Counters,
            COUNTS: RunCounts,
            **({DEAD_LETTERS: pa.Table} if self.identified else {}),
        }
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
        self._conflicting: list[Rejection] = []

    def process(
        self,
        arrived: tuple[str, bytes],
        head: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(HEAD),
        recent: AccumulatingRuntimeState = beam.DoFn.StateParam(RECENT),
        drop: RuntimeTimer = beam.DoFn.TimerParam(DROP),
    ) -> None:
        user_id, data = arrived
        names: Names = {}
        if self._options.identified:
            data, names = decode_arrivals(data)
        stored, seed = head.read(), None
        if not stored and (seed := self._seed(user_id)):
            stored = seed.head
        before = decode_head(stored) if stored else None

        def events() -> list[Record]:
            return _records([seed.recent] if seed else recent.read())

        step = advance_user(
            user_id,
            before,
            decode_records(data),
            events,
            self._options.types.reckoning,
            bool(names),
        )
        for record, first in step.conflicting:
            self._conflicting.append(self._rejection(user_id, record, first, names))
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

    def _rejection(self, user_id: str, record: Record, first: Record, names: Names) -> Rejection:
        event = {**values_of(user_id, record), **names[record[1:3]]._asdict()}
        return contradiction(event, values_of(user_id, first), self._options.types.known)

    def _letters(self) -> Iterator[Any]:
        """The dead letters of events that have the id of another one, and how many they are."""
        origin = self._options.identified
        if origin is None or not self._conflicting:
            return
        found = Rejections.of(self._conflicting)
        now = as_datetime(microseconds(self._clock))
        letters = dead_letter_events.rows(found, origin.source, now, origin.version)
        for tag, value in ((DEAD_LETTERS, letters), (COUNTS, count_dead_letters(letters))):
            yield pvalue.TaggedOutput(tag, arriving(value, self._clock))

    def _seed(self, user_id: str) -> Seed | None:
        """What the tables know of a user whom the state does not know."""
        return self._options.known.find(user_id) if self._options.known else None

    def finish_bundle(self) -> Iterator[Any]:
        for name, value in self._changes.outputs():
            tagged = (name, value) if name == CONTRIBUTIONS else (ROWS, (name, value))
            yield pvalue.TaggedOutput(tagged[0], arriving(tagged[1], self._clock))
        EVENTS_PER_USER.observe_sample(self._changes.events_of_users)
        yield from self._letters()
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
