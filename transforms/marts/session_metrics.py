"""session_metrics: one row per date."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, Partition, Table, nullable, required
from transforms.kernels.arithmetic import percentage, ratio
from transforms.kernels.session_durations import EXACT_BELOW, medians
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, is_complete_of
from transforms.measures import (
    EVENTS_ONCE,
    EVENTS_PER_SESSION,
    SECONDS,
    SESSIONS_ONCE,
    SESSIONS_PER_USER,
    USERS_OF_PERIOD,
    Measure,
    average_of,
    percentage_of,
    quotient,
)
from transforms.quality.declaration import (
    AddsUp,
    Holds,
    Total,
    at_least,
)
from transforms.reckoning import PLAIN

_NAME = "session_metrics"

TABLE = Table(
    name=_NAME,
    description="How many sessions begin on a date, of how many users, and how long they are.",
    columns=(
        required(
            "event_date",
            DATE,
            "Date of the first event of the sessions, UTC or of --timezone; one that goes on after "
            "midnight is of the date on which it began, with all of its events",
            label="Date",
        ),
        required(
            "sessions",
            INTEGER,
            "Sessions: a user's events up to a pause of "
            f"{PLAIN.session_gap_minutes} minutes or more, unless rules say otherwise",
            at_least(0),
            measure=SESSIONS_ONCE,
        ),
        required(
            "users_with_sessions",
            INTEGER,
            "Distinct users who began a session",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "session_events", INTEGER, "Events of these sessions", at_least(0), measure=EVENTS_ONCE
        ),
        required(
            "single_event_sessions",
            INTEGER,
            "Sessions of one event",
            at_least(0),
            label="Sessions of one event",
            measure=SESSIONS_ONCE,
        ),
        required(
            "session_seconds",
            INTEGER,
            "Sum of the sessions' durations: from the first to the last event, in whole seconds, "
            "rounded down; of one event 0",
            at_least(0),
            measure=Measure(SECONDS, "sum"),
        ),
        nullable(
            "sessions_per_user",
            FLOAT,
            "sessions / users_with_sessions",
            at_least(1.0),
            label="Sessions a user",
            measure=quotient("sessions", "users_with_sessions", SESSIONS_PER_USER),
        ),
        nullable(
            "events_per_session",
            FLOAT,
            "session_events / sessions",
            at_least(1.0),
            label="Events a session",
            measure=quotient("session_events", "sessions", EVENTS_PER_SESSION),
        ),
        nullable(
            "single_event_session_pct",
            FLOAT,
            "single_event_sessions in percent of sessions",
            measure=percentage_of("single_event_sessions", "sessions"),
        ),
        nullable(
            "mean_session_seconds",
            FLOAT,
            "session_seconds / sessions, exact",
            at_least(0.0),
            measure=quotient("session_seconds", "sessions", SECONDS),
        ),
        nullable(
            "median_session_seconds",
            FLOAT,
            f"Median duration, from a histogram that is exact below {EXACT_BELOW} s; longer ones "
            "are rounded down to their first 6 binary digits, by less than 3.2 %. Of an even "
            "number of sessions the mean of the middle two",
            at_least(0.0),
            measure=average_of(SECONDS),
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    checks=(
        DATES,
        is_complete_of("growth_metrics"),
        Holds(
            "users_within_sessions",
            "users_with_sessions <= sessions AND (users_with_sessions > 0 OR sessions = 0)",
            "each session is of one user",
        ),
        Holds(
            "events_of_sessions",
            "single_event_sessions <= sessions AND CASE WHEN single_event_sessions = sessions "
            "THEN session_events = sessions "
            "ELSE session_events >= 2 * sessions - single_event_sessions END",
            "sessions that are not of one event have two or more",
        ),
        Holds(
            "seconds_of_sessions",
            "session_seconds = 0 OR single_event_sessions < sessions",
            "a session of one event has no duration",
        ),
        Holds(
            "median_known",
            "(median_session_seconds IS NULL) = (sessions = 0)",
            "there is a median where there is a session",
        ),
        Holds(
            "median_within_sum",
            "median_session_seconds * sessions <= 2 * session_seconds",
            "half of the sessions are as long as the median, or longer",
        ),
        Holds(
            "median_of_single_events",
            "median_session_seconds = 0 OR 2 * single_event_sessions <= sessions",
            "where more than half of the sessions are of one event, the median is 0",
        ),
        AddsUp(
            "session_events_add_up",
            (Total(_NAME, "session_events"),),
            (Total("growth_drivers", "total_daily_events"),),
            "each event is of one session",
        ),
        AddsUp(
            "sessions_add_up",
            (Total(_NAME, "sessions"),),
            (Total("fct_events", "is_session_start"),),
            "each session begins with an event of fct_events",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    first, last = spine.first_day, spine.last_day
    day = spine.counters.session_days.dense(first, last)
    sessions = day["sessions"]
    return TABLE.build(
        {
            "event_date": spine.dates,
            "sessions": sessions,
            "users_with_sessions": day["users"],
            "session_events": day["events"],
            "single_event_sessions": day["single_event"],
            "session_seconds": day["seconds"],
            "sessions_per_user": ratio(sessions, day["users"]),
            "events_per_session": ratio(day["events"], sessions),
            "single_event_session_pct": percentage(day["single_event"], sessions),
            "mean_session_seconds": ratio(day["seconds"], sessions),
            "median_session_seconds": medians(spine.counters.session_durations, first, last),
            "is_complete": spine.complete_dates,
        }
    )
