"""Events by user -> new events, changed rows of the user tables, and changes of counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    ReadModifyWriteRuntimeState,
    ReadModifyWriteStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.codecs.arrival_codec import encode_arrivals
from transforms.kernels.codecs.event_codec import decode_events
from transforms.kernels.codecs.recent_codec import decode_recent, encode_recent
from transforms.kernels.codecs.single_timeline import decode_timeline, encode_timeline
from transforms.kernels.codecs.timeline_codec import decode_timelines
from transforms.kernels.counters import Counters
from transforms.kernels.increments import change
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.timelines import Timelines
from transforms.kernels.user_state import RecentEvents, advance_user
from transforms.mart_changes import changed_users
from transforms.marts import dim_users, users_with_negative_miles
from transforms.metrics import EVENTS_PER_USER, count
from transforms.parse_step import COUNTS
from transforms.shards import CONTRIBUTIONS, EVENTS, NEGATIVE, TIMELINES, USERS
from transforms.state import user_timelines
from transforms.streaming.clock import Clock, arriving, later, microseconds

CHANGES: Final = "changes"
RECOVERED: Final = users_with_negative_miles.TABLE.deletes.name

# An event that is taken now may be repeated while it is still not too late for it.
_SLACK_DAYS: Final = 1


class UserChange(NamedTuple):
    """What some events make of a user.

    Attributes:
        user_id: whose.
        before: the encoded timeline before them; empty for a new user.
        after: the encoded timeline with them.
        written_at_us: when, in microseconds since 1970-01-01; later for each change of a user.
    """

    user_id: str
    before: bytes
    after: bytes
    written_at_us: int


@dataclass
class UpdateUser(beam.PTransform):
    """(user id, encoded events) -> what is new in them; state: the user's timeline.

    Outputs, by tag: EVENTS, (user id, an encoded arrival) at its event time, of new events only;
    CHANGES, UserChange; COUNTS, RunCounts of events and duplicates.

    An event arrives later than all that its user had before, whatever the workers' clocks show: so
    of two versions of a row the one that knows more events is the newer.

    Attributes:
        horizon_days: how long an event may be repeated and still be known.
        clock: processing time.
    """

    horizon_days: int
    clock: Clock

    def expand(self, by_user: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {EVENTS: tuple[str, bytes], CHANGES: UserChange, COUNTS: RunCounts}
        update = beam.ParDo(_UpdateUser(self)).with_output_types(Any, **outputs)
        return by_user | "Advance timelines" >> update.with_outputs(*outputs)


class _UpdateUser(beam.DoFn):
    TIMELINE = ReadModifyWriteStateSpec("timeline", BytesCoder())
    RECENT = ReadModifyWriteStateSpec("recent", BytesCoder())
    WRITTEN_AT = ReadModifyWriteStateSpec("written_at", VarIntCoder())
    # In processing time it would hold the watermark back until it fires, a week or more.
    FORGET = TimerSpec("forget", TimeDomain.WATERMARK)

    def __init__(self, options: UpdateUser):
        self._clock = options.clock
        self._kept_us = (options.horizon_days + _SLACK_DAYS) * US_PER_DAY

    def start_bundle(self) -> None:
        self._counts = [0, 0]

    def process(
        self,
        arrived: tuple[str, bytes],
        timeline: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(TIMELINE),
        recent: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(RECENT),
        written_at: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(WRITTEN_AT),
        forget: RuntimeTimer = beam.DoFn.TimerParam(FORGET),
    ) -> Iterator[pvalue.TaggedOutput]:
        user_id, data = arrived
        now_us = microseconds(self._clock)
        before: bytes = timeline.read() or b""
        known = recent.read()
        step = advance_user(
            decode_timeline(user_id, before) if before else None,
            decode_recent(known) if known else RecentEvents.none(),
            decode_events(data),
            now_us,
            self._kept_us,
        )
        new = len(step.new.time_us)
        self._counts[0] += new
        self._counts[1] += step.repeated
        if not new or step.timeline is None:
            return
        after = encode_timeline(step.timeline)
        first = later(self._clock, written_at.read())
        last = first + new - 1
        timeline.write(after)
        recent.write(encode_recent(step.recent))
        written_at.write(last)
        # An event from ahead may be repeated until it is too late for it.
        latest_us = max(now_us, int(step.recent.time_us[-1]))
        forget.set(Timestamp(micros=latest_us + self._kept_us))
        yield pvalue.TaggedOutput(CHANGES, UserChange(user_id, before, after, last))
        events = step.new.table.combine_chunks().to_batches()[0]
        arrivals = encode_arrivals(events, first)
        for arrival, time_us in zip(arrivals, step.new.time_us.tolist(), strict=True):
            event = TimestampedValue((user_id, arrival), Timestamp(micros=time_us))
            yield pvalue.TaggedOutput(EVENTS, event)

    def finish_bundle(self) -> Iterator[pvalue.TaggedOutput]:
        events, duplicates = self._counts
        if events or duplicates:
            counts = RunCounts(events=events, duplicates=duplicates)
            count(counts)
            yield pvalue.TaggedOutput(COUNTS, arriving(counts, self._clock))

    @on_timer(FORGET)
    def forget_events(
        self, recent: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(RECENT)
    ) -> None:
        """All events of the user are too old to be repeated: the last came so long ago."""
        recent.clear()


@dataclass
class Contribute(beam.PTransform):
    """UserChange -> rows and counters, those of a bundle together.

    Outputs, by tag, one element for each bundle: USERS, NEGATIVE and TIMELINES, tables of rows;
    RECOVERED, keys that leave users_with_negative_miles; CONTRIBUTIONS, Counters.

    Attributes:
        active_types: indices in EVENT_TYPES of the event types that make a user active.
        clock: processing time.
    """

    active_types: tuple[int, ...]
    clock: Clock

    def expand(self, changes: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {
            USERS: pa.Table,
            NEGATIVE: pa.Table,
            RECOVERED: pa.Table,
            TIMELINES: pa.Table,
            CONTRIBUTIONS: Counters,
        }
        work = beam.ParDo(_Contribute(self)).with_output_types(Any, **outputs)
        return changes | "Sum up a bundle" >> work.with_outputs(*outputs)


class _Contribute(beam.DoFn):
    def __init__(self, options: Contribute):
        self._active_types, self._clock = options.active_types, options.clock

    def start_bundle(self) -> None:
        self._changes: list[UserChange] = []

    def process(self, change: UserChange) -> None:
        self._changes.append(change)

    def finish_bundle(self) -> Iterator[pvalue.TaggedOutput]:
        for tag, value in contribute(self._changes, self._active_types).items():
            yield pvalue.TaggedOutput(tag, arriving(value, self._clock))
            if tag == USERS:
                EVENTS_PER_USER.observe_sample(dim_users.events_of(value))


def contribute(changes: list[UserChange], active_types: tuple[int, ...]) -> dict[str, Any]:
    """The outputs of `Contribute` for some changes, by tag; empty ones are left out."""
    if not changes:
        return {}
    after = _decoded([(change.user_id, change.after) for change in changes])
    before = _decoded([(change.user_id, change.before) for change in changes if change.before])
    # Of a user who changed more than once the last rows count.
    in_order = sorted(range(len(changes)), key=lambda row: changes[row].written_at_us)
    last = np.array(sorted({changes[row].user_id: row for row in in_order}.values()))
    written_at = pa.array([changes[row].written_at_us for row in last], pa.timestamp("us"))
    rows = changed_users(before, after.take(last), written_at)
    outputs = {
        USERS: rows.users,
        NEGATIVE: rows.negative,
        RECOVERED: rows.recovered,
        # The bytes are there: they are what Beam keeps, too.
        TIMELINES: user_timelines.TABLE.build(
            {
                "user_id": pa.array([changes[row].user_id for row in last]),
                "timeline": pa.array([changes[row].after for row in last], pa.binary()),
                "written_at": written_at,
            }
        ),
        CONTRIBUTIONS: change(before, after, active_types),
    }
    return {
        tag: value
        for tag, value in outputs.items()
        if not isinstance(value, pa.Table) or value.num_rows
    }


def _decoded(encoded: list[tuple[str, bytes]]) -> Timelines:
    ids, data = zip(*encoded, strict=True) if encoded else ((), ())
    return decode_timelines(pa.array(ids, pa.string()), pa.array(data, pa.binary()))
