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

_ONCE_PER_MILLE = np.array([240, 400, 430, 180, 310])
"""By channel: users whose first visit is their last."""
_LIFE_HOURS = Lottery.lognormal([24 * days for days in (105, 52, 42, 140, 65)], 1.25, 24, 40_000)
"""By channel: from the first visit to the last one, breaks left out."""
_LIFE_PERCENT = np.array([120, 100, 75])
"""By platform."""
_PACE_HOURS = Lottery.lognormal([24 * 18], 0.9, 12, 24 * 120)
"""Between one visit and the next; the spread between users is what makes some of them heavy."""
_BREAK_PER_MILLE = 500
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
    break_at_hour: Ints
    """Hours of life before the user's long break."""
    break_hours: Ints
    """0 for a user without one."""


def arrive(rng: Rng, size: int) -> People:
    """`size` users, in no order."""
    channel = _CHANNEL.draw_many(rng, size)
    platform = _PLATFORM.draw(rng, channel)
    life = _LIFE_HOURS.draw(rng, channel) * _LIFE_PERCENT[platform] // 100
    life[happens(rng, _ONCE_PER_MILLE[channel], size)] = 0
    pauses = happens(rng, _BREAK_PER_MILLE, size)
    step = rng.integers(1, len(world.PLATFORMS), size)
    two_platforms = happens(rng, _SECOND_PLATFORM_PER_MILLE, size)
    return People(
        arrival_day=_ARRIVAL_DAY.draw(rng, channel),
        channel=channel,
        country=_COUNTRY.draw_many(rng, size),
        platform=platform,
        other_platform=np.where(two_platforms, (platform + step) % len(world.PLATFORMS), platform),
        life_hours=life,
        pace_hours=_PACE_HOURS.draw_many(rng, size),
        break_at_hour=(life * rng.random(size)).astype(np.int64),
        break_hours=np.where(pauses, _BREAK_HOURS.draw_many(rng, size), 0),
    )
