"""Who arrives, when, and with which habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.sample import world
from pipeline.sample.chance import Ints, Lottery, Rng, happens

_CHANNEL = Lottery.weighted(world.CHANNEL_WEIGHTS)
_ARRIVAL_DAY = Lottery.weighted(world.arrival_weights(), slots=1 << 16)
_PLATFORM = Lottery.weighted(world.PLATFORM_WEIGHTS)
_COUNTRY = Lottery.weighted(world.COUNTRY_WEIGHTS)

_ONCE_PER_MILLE = np.array([560, 670, 690, 460, 600])
"""By channel: users whose first visit is their last."""
_LIFE_HOURS = Lottery.lognormal([24 * days for days in (30, 15, 13, 42, 20)], 1.4, 24, 40_000)
"""By channel: from the first visit to the last one, breaks left out."""
_ERA_OF_DAY = world.era_of_day()
_ONCE_OF_ERA = np.array([era.once_percent for era in world.ERAS])
_LIFE_OF_ERA = np.array([era.life_percent for era in world.ERAS])
_LIFE_PERCENT = np.array([120, 100, 75])
"""By platform."""
_PACE_HOURS = Lottery.lognormal([46], 0.85, 9, 24 * 60)
"""Between one visit and the next; the spread between users is what makes some of them heavy."""
_CYCLE_HOURS = Lottery.lognormal([24 * 12], 0.5, 24 * 5, 24 * 45)
"""From the beginning of a busy time to that of the next one."""
_LEAST_BUSY_PERCENT = 14
_MOST_BUSY_PERCENT = 70
_BREAK_PER_MILLE = 650
_BREAK_HOURS = Lottery.lognormal([24 * 45], 1.2, 24 * 4, 24 * 400)
_SECOND_PLATFORM_PER_MILLE = 180


@dataclass(frozen=True)
class People:
    """Users and their habits; every array has shape (users,)."""

    arrival_day: Ints
    channel: Ints
    country: Ints
    platform: Ints
    other_platform: Ints
    """The same as `platform` for most."""
    life_hours: Ints
    """0 for a user who comes once."""
    pace_hours: Ints
    cycle_hours: Ints
    busy_percent: Ints
    """Of a cycle: visits come in streaks, with pauses between them."""
    break_at_hour: Ints
    """Hours of life before the user's long break."""
    break_hours: Ints
    """0 for a user without one."""


def arrive(rng: Rng, size: int) -> People:
    """`size` users, in no order."""
    channel = _CHANNEL.draw_many(rng, size)
    arrival_day = _ARRIVAL_DAY.draw(rng, channel)
    era = _ERA_OF_DAY[arrival_day]
    platform = _PLATFORM.draw(rng, channel)
    life = _LIFE_HOURS.draw(rng, channel) * _LIFE_PERCENT[platform] // 100
    life = life * _LIFE_OF_ERA[era] // 100
    once = _ONCE_PER_MILLE[channel] * _ONCE_OF_ERA[era] // 100
    life[happens(rng, once, size)] = 0
    pauses = happens(rng, _BREAK_PER_MILLE, size)
    step = rng.integers(1, len(world.PLATFORMS), size)
    two_platforms = happens(rng, _SECOND_PLATFORM_PER_MILLE, size)
    return People(
        arrival_day=arrival_day,
        channel=channel,
        country=_COUNTRY.draw_many(rng, size),
        platform=platform,
        other_platform=np.where(two_platforms, (platform + step) % len(world.PLATFORMS), platform),
        life_hours=life,
        pace_hours=_PACE_HOURS.draw_many(rng, size),
        cycle_hours=_CYCLE_HOURS.draw_many(rng, size),
        busy_percent=rng.integers(_LEAST_BUSY_PERCENT, _MOST_BUSY_PERCENT, size),
        break_at_hour=(life * rng.random(size)).astype(np.int64),
        break_hours=np.where(pauses, _BREAK_HOURS.draw_many(rng, size), 0),
    )
