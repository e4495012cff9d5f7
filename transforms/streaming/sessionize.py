"""New events -> the rows of fct_events that they make or change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, Repeatedly
from apache_beam.transforms.window import GlobalWindows, Sessions
from apache_beam.utils.timestamp import Duration

from transforms.kernels.calendar import US_PER_SECOND
from transforms.kernels.codecs.arrival_codec import decode_arrivals
from transforms.kernels.sessions import SESSION_GAP_US, number_sessions, sort_events
from transforms.marts import fct_events
from transforms.streaming.clock import Clock, arriving

# Beam's windows travel in milliseconds: with a gap of exactly 30 minutes, two events 1 us less
# apart could fall into two windows. The kernel cuts what the wider gap holds together too long.
_GAP_SECONDS: Final = SESSION_GAP_US / US_PER_SECOND + 0.002
_SLACK_DAYS: Final = 1
_SECONDS_PER_DAY: Final = 86_400


@dataclass
class Sessionize(beam.PTransform):
    """(user id, an encoded arrival) at its event time -> tables of rows of fct_events.

    Beam's session windows gather a user's events. Every new event fires its session again, with
    all its events, so a late one renumbers its session, and joins two where it bridges them. A
    session's rows are written at the moment when its latest event arrived.

    Attributes:
        horizon_days: how late an event may be; a window is kept a day longer, so that none that
            is taken is ever dropped.
        clock: processing time.
    """

    horizon_days: int
    clock: Clock

    def expand(self, events: beam.PCollection) -> beam.PCollection:
        lateness = (self.horizon_days + _SLACK_DAYS) * _SECONDS_PER_DAY
        return (
            events
            | "Session windows"
            >> beam.WindowInto(
                Sessions(_GAP_SECONDS),
                trigger=Repeatedly(AfterCount(1)),
                accumulation_mode=AccumulationMode.ACCUMULATING,
                allowed_lateness=Duration(lateness),
            )
            | "Group by session" >> beam.GroupByKey()
            | "Leave the windows" >> beam.WindowInto(GlobalWindows())
            | "Number sessions" >> beam.ParDo(_Number(self.clock)).with_output_types(pa.Table)
        )


class _Number(beam.DoFn):
    """Numbers a bundle's sessions together."""

    def __init__(self, clock: Clock):
        self._clock = clock

    def start_bundle(self) -> None:
        self._arrivals: set[bytes] = set()

    def process(self, session: tuple[str, Iterable[bytes]]) -> None:
        # Of a session that fires twice the later events include the earlier ones.
        self._arrivals.update(session[1])

    def finish_bundle(self) -> Iterator[Any]:
        if self._arrivals:
            yield arriving(_rows(self._arrivals), self._clock)


def _rows(arrivals: Iterable[bytes]) -> pa.Table:
    batch, arrived = decode_arrivals(arrivals)
    events = sort_events([batch])
    sessions = number_sessions(events)
    latest = np.maximum.reduceat(arrived[events.rows], np.flatnonzero(sessions.starts))
    written_at = pa.array(latest[sessions.session]).cast(pa.timestamp("us"))
    return fct_events.rows(events, sessions, written_at)
