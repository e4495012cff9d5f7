"""What people do: their sessions, and the events of a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.sample import world
from pipeline.sample.chance import (
    Ints,
    Lottery,
    Rng,
    happens,
    position_within,
    running_total,
)
from pipeline.sample.people import People

Events = NDArray[np.void]
"""One record of EVENT each."""

EVENT = np.dtype(
    [
        ("time", np.int64),
        ("user", np.int32),
        ("amount", np.int32),
        ("event_type", np.int8),
        ("category", np.int8),
        ("platform", np.int8),
        ("channel", np.int8),
        ("country", np.int8),
    ]
)
"""time: microseconds since the first day. amount: -1 where there is none. The rest are codes."""

_VISIT_PER_MILLE = world.visit_per_mille()
_HOUR = Lottery.weighted(world.HOUR_WEIGHTS.reshape(-1, 24))
_UTC_OFFSET = np.array(world.UTC_OFFSET_MINUTES) * 60 * world.SECOND
_MOST_VISITS = 1000
_EARLY_SHARE = 0.45
"""1 would spread visits evenly over a life; less makes them more frequent at its beginning."""
_OTHER_PLATFORM_PER_MILLE = 300
_OTHER_CHANNEL_PER_MILLE = 30

_EVENTS_PER_SESSION = Lottery.weighted(
    ((0, 34, 28, 17, 10, 6, 3, 2), (0, 37, 28, 17, 9, 5, 3, 1), (0, 30, 25, 18, 12, 7, 5, 3))
)
"""By platform."""
_PAUSE_SECONDS = Lottery.lognormal([45], 1.2, 2, 1500)
_EVENT_TYPE = Lottery.weighted(world.event_type_weights().reshape(-1, len(world.EVENT_TYPES)))
_SALE_DAYS = world.sale_days()
_CATEGORY = Lottery.weighted(world.CATEGORY_WEIGHTS)
_EARNED = Lottery.lognormal(world.EARNED_MEDIANS, 0.75, 50, 5000)
_REDEEMED_HUNDREDS = Lottery.lognormal([9], 0.6, 3, 100)
_OVERDRAFT_PER_MILLE = 240


@dataclass(frozen=True)
class Sessions:
    """Sessions by user and then roughly by time; every array has shape (sessions,)."""

    user: Ints
    start: Ints
    """Microseconds since the first day."""
    age_days: Ints
    """Since the user's first session."""
    platform: Ints
    channel: Ints


def visit(rng: Rng, people: People) -> Sessions:
    """The sessions of all users; each has at least one, on the day of arrival."""
    wanted = np.minimum(1 + people.life_hours // people.pace_hours, _MOST_VISITS)
    user = np.repeat(np.arange(len(wanted)), wanted)
    number = position_within(wanted)
    first = number == 0
    age = np.where(first, 0, _age_hours(rng, people, user, number, wanted) // 24)
    day = people.arrival_day[user] + age
    platform = np.where(
        happens(rng, _OTHER_PLATFORM_PER_MILLE, len(user)),
        people.other_platform[user],
        people.platform[user],
    )
    takes_place = happens(rng, _VISIT_PER_MILLE[platform, day % world.DAYS], len(user))
    kept = np.flatnonzero(first | (takes_place & (day < world.DAYS)))
    user, platform, first = user[kept], platform[kept], first[kept]
    strays = ~first & happens(rng, _OTHER_CHANNEL_PER_MILLE, len(user))
    other_channel = rng.integers(0, len(world.CHANNELS), len(user))
    return Sessions(
        user=user,
        start=_start(rng, day[kept], platform, people.country[user]),
        age_days=age[kept],
        platform=platform,
        channel=np.where(strays, other_channel, people.channel[user]),
    )


def _age_hours(rng: Rng, people: People, user: Ints, number: Ints, wanted: Ints) -> Ints:
    """How long after the first visit each visit comes, shape (visits,).

    Each visit has a stretch of the life to itself, so that visits come at a personal pace
    rather than at random, but crowded into the busy part of each cycle; the long break then pushes
    the later ones back.
    """
    place = (number - 1 + rng.random(len(user))) / np.maximum(wanted - 1, 1)[user]
    spread = place * (_EARLY_SHARE + (1 - _EARLY_SHARE) * place)
    hours = (people.life_hours[user] * spread).astype(np.int64)
    cycle = people.cycle_hours[user]
    hours = hours // cycle * cycle + hours % cycle * people.busy_percent[user] // 100
    after_break = hours >= people.break_at_hour[user]
    return hours + np.where(after_break, people.break_hours[user], 0)


def _start(rng: Rng, day: Ints, platform: Ints, country: Ints) -> Ints:
    """Local habits in UTC, wrapped round inside the day so that its weekday stays as drawn."""
    weekend = (day % 7 >= world.SATURDAY).astype(np.int64)
    hour = _HOUR.draw(rng, platform * 2 + weekend)
    local = hour * world.HOUR + rng.integers(0, world.HOUR, len(day))
    since_midnight: Ints = (local - _UTC_OFFSET[country]) % world.DAY
    return day * world.DAY + since_midnight


def act(rng: Rng, people: People, sessions: Sessions) -> Events:
    """The events of all sessions, by user and session, within the calendar."""
    lengths = _EVENTS_PER_SESSION.draw(rng, sessions.platform)
    session = np.repeat(np.arange(len(lengths)), lengths)
    pause = _PAUSE_SECONDS.draw_many(rng, len(session)) * world.SECOND
    pause += rng.integers(0, world.SECOND, len(session))
    pause[position_within(lengths) == 0] = 0
    time = sessions.start[session] + running_total(pause, lengths)
    session, time = session[time < world.HORIZON], time[time < world.HORIZON]

    events = np.empty(len(session), EVENT)
    events["time"] = time
    events["user"] = sessions.user[session]
    events["platform"] = sessions.platform[session]
    events["channel"] = sessions.channel[session]
    events["country"] = people.country[sessions.user[session]]
    _choose_actions(rng, events, sessions.age_days[session])
    return events


def _choose_actions(rng: Rng, events: Events, age_days: Ints) -> None:
    """Fills in type, category and amount, given the users' age in days, shape (events,)."""
    age_group = np.searchsorted(np.array([8, 61]), age_days, side="right")
    case = events["platform"].astype(np.int64) * len(world.CHANNELS) + events["channel"]
    sale = _SALE_DAYS[events["time"] // world.DAY]
    event_type = _EVENT_TYPE.draw(rng, (case * 3 + age_group) * 2 + sale)
    category = _CATEGORY.draw(rng, event_type)
    amount = np.full(len(events), -1)
    earned, redeemed = event_type == world.EARNED, event_type == world.REDEEMED
    amount[earned] = _EARNED.draw(rng, category[earned])
    amount[redeemed] = 100 * _REDEEMED_HUNDREDS.draw_many(rng, int(redeemed.sum()))

    unaffordable = redeemed & (_balance_after(events["user"], event_type, amount) < 0)
    refused = unaffordable & ~happens(rng, _OVERDRAFT_PER_MILLE, len(events))
    events["event_type"] = np.where(refused, world.SEARCH, event_type)
    events["category"] = np.where(refused, 0, category)
    events["amount"] = np.where(refused, -1, amount)


def _balance_after(user: Ints, event_type: Ints, amount: Ints) -> Ints:
    """Each user's miles after each event, had everything been granted, shape (events,)."""
    change = np.where(event_type == world.EARNED, amount, 0)
    change -= np.where(event_type == world.REDEEMED, amount, 0)
    first = np.flatnonzero(np.diff(user, prepend=-1))
    return running_total(change, np.diff(first, append=len(user)))
