"""The facts of the made-up world: calendar, vocabularies, and how groups of users differ.

A day is a whole number counted from FIRST_DAY, a Monday. Vocabularies are coded by position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIRST_DAY = date(2024, 7, 1)
LAST_DAY = date(2025, 12, 31)
DAYS = (LAST_DAY - FIRST_DAY).days + 1
SATURDAY = 5

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
HORIZON = DAYS * DAY
"""Microseconds from the start of the first day to the end of the last one."""

CHANNELS = ("organic", "paid", "social", "referral", "")
ORGANIC, PAID, SOCIAL, REFERRAL, UNKNOWN = range(5)
CHANNEL_WEIGHTS = (44, 25, 19, 10, 2)
CHANNEL_GROWTH = (2.5, 2.5, 5.0, 7.0, 3.0)
"""Arrivals a day on the last day, as a multiple of the first day's, less one."""

PLATFORMS = ("iOS", "Android", "Web")
IOS, ANDROID, WEB = range(3)
PLATFORM_WEIGHTS = ((40, 34, 26), (48, 38, 14), (38, 54, 8), (46, 36, 18), (20, 20, 60))
"""By channel."""

COUNTRIES = ("US", "GB", "DE", "FR", "CA", "BR", "IN", "ES", "AU", "JP", "")
COUNTRY_WEIGHTS = (33, 13, 11, 8, 7, 8, 8, 4, 4, 2, 2)
UTC_OFFSET_MINUTES = (-330, 0, 60, 60, -330, -180, 330, 60, 600, 540, 0)
"""By country; for the wide ones a mean over their people."""

EVENT_TYPES = ("miles_earned", "miles_redeemed", "share", "like", "reward_search")
EARNED, REDEEMED, SHARE, LIKE, SEARCH = range(5)

CATEGORIES = ("", "flight", "hotel", "dining", "groceries", "gift_card", "Food, drinks & more")
CATEGORY_WEIGHTS = (
    (1, 20, 15, 24, 24, 5, 11),
    (1, 30, 20, 6, 0, 32, 11),
    (1, 0, 0, 0, 0, 0, 0),
    (1, 0, 0, 0, 0, 0, 0),
    (1, 0, 0, 0, 0, 0, 0),
)
"""By event type; only miles have a category."""
EARNED_MEDIANS = (300, 1200, 750, 190, 140, 250, 220)
"""Miles of one miles_earned event, by category."""


@dataclass(frozen=True)
class Campaign:
    """Multiplies a channel's arrivals by `lift` from one day to another, both included."""

    channel: int
    first: date
    last: date
    lift: float


CAMPAIGNS = (
    Campaign(PAID, date(2024, 11, 18), date(2024, 12, 8), 4.5),
    Campaign(SOCIAL, date(2025, 5, 12), date(2025, 6, 8), 3.5),
    Campaign(REFERRAL, date(2025, 9, 29), date(2025, 10, 26), 6.0),
    Campaign(PAID, date(2025, 12, 1), date(2025, 12, 21), 2.5),
)


@dataclass(frozen=True)
class Era:
    """What the product of a time makes of those who arrive from `first` on.

    once_percent: of the usual share of users whose first visit is their last.
    life_percent: of how long the others stay.
    """

    first: date
    once_percent: int
    life_percent: int


ERAS = (
    Era(date(2024, 7, 1), 110, 60),  # A first version that many leave.
    Era(date(2024, 10, 7), 105, 85),
    Era(date(2025, 2, 3), 95, 180),  # The welcome tour.
    Era(date(2025, 6, 2), 85, 420),  # The programme for regulars.
    Era(date(2025, 7, 7), 130, 80),  # The update that broke the login.
    Era(date(2025, 8, 4), 75, 600),
)


@dataclass(frozen=True)
class Stretch:
    """From one day to another, both included."""

    first: date
    last: date


LULLS = (
    Stretch(date(2025, 1, 2), date(2025, 1, 26)),
    Stretch(date(2025, 7, 7), date(2025, 8, 3)),
)
_LULL = 0.4
"""Of the visits that would take place otherwise."""
_LULL_ARRIVALS = 0.7

SALES = (
    Stretch(date(2024, 11, 25), date(2024, 12, 8)),
    Stretch(date(2025, 4, 14), date(2025, 4, 27)),
    Stretch(date(2025, 6, 30), date(2025, 7, 13)),
    Stretch(date(2025, 11, 24), date(2025, 12, 14)),
)
SALE_LIFT = 5.0
"""How much more often miles are redeemed in a sale."""

_MONTH_SEASON = (0.94, 0.96, 1.0, 1.0, 0.98, 0.97, 0.93, 0.91, 0.99, 1.0, 1.0, 0.97)
_HOLIDAYS = (
    (date(2024, 12, 24), date(2025, 1, 1)),
    (date(2025, 12, 24), date(2025, 12, 31)),
)
_ARRIVAL_WEEK = (1.0, 1.02, 1.03, 1.01, 0.96, 0.84, 0.9)
_VISIT_WEEK = (
    (0.94, 0.96, 0.97, 0.98, 1.0, 0.84, 0.86),
    (0.95, 0.96, 0.96, 0.98, 1.0, 0.80, 0.82),
    (1.0, 1.0, 1.0, 0.98, 0.92, 0.44, 0.5),
)

_MOBILE_WEEKDAY = (
    *(4, 2, 1, 1, 2, 5, 12, 22, 24, 18, 16, 18),
    *(26, 22, 17, 17, 20, 28, 34, 38, 40, 36, 24, 11),
)
_MOBILE_WEEKEND = (
    *(7, 4, 2, 1, 1, 2, 5, 10, 18, 26, 31, 32),
    *(31, 29, 28, 28, 29, 30, 32, 34, 34, 30, 22, 14),
)
_WEB_WEEKDAY = (
    *(2, 1, 1, 1, 1, 2, 5, 14, 32, 44, 46, 42),
    *(34, 40, 44, 42, 36, 26, 18, 17, 18, 16, 10, 5),
)
_WEB_WEEKEND = (
    *(5, 3, 1, 1, 1, 1, 3, 7, 15, 24, 29, 29),
    *(27, 26, 26, 25, 25, 24, 24, 25, 25, 21, 15, 9),
)
HOUR_WEIGHTS = np.array(
    [
        [_MOBILE_WEEKDAY, _MOBILE_WEEKEND],
        [_MOBILE_WEEKDAY, _MOBILE_WEEKEND],
        [_WEB_WEEKDAY, _WEB_WEEKEND],
    ]
)
"""Local hours, shape (platforms, 2, 24); the second axis is weekday, weekend."""


def season() -> Floats:
    """How lively each day is for the time of year, shape (DAYS,), at most 1."""
    month = (np.datetime64(FIRST_DAY, "D") + np.arange(DAYS)).astype("datetime64[M]")
    lively: Floats = np.take(_MONTH_SEASON, month.astype(np.int64) % 12)
    for first, last in _HOLIDAYS:
        lively[_days(first, last)] *= 0.85
    return lively


def arrival_weights() -> Floats:
    """How many users of each channel arrive on each day, shape (channels, DAYS)."""
    progress = np.arange(DAYS) / (DAYS - 1)
    weights = 1.0 + np.outer(CHANNEL_GROWTH, progress)
    for campaign in CAMPAIGNS:
        weights[campaign.channel, _days(campaign.first, campaign.last)] *= campaign.lift
    weights[:, _within(LULLS)] *= _LULL_ARRIVALS
    week: Floats = np.take(_ARRIVAL_WEEK, np.arange(DAYS) % 7)
    return weights * week * season()


def _days(first: date, last: date) -> slice:
    return slice((first - FIRST_DAY).days, (last - FIRST_DAY).days + 1)


def visit_per_mille() -> NDArray[np.int64]:
    """The chance that an intended visit takes place, shape (platforms, DAYS)."""
    week = np.take(_VISIT_WEEK, np.arange(DAYS) % 7, axis=1)
    lull = np.where(_within(LULLS), _LULL, 1.0)
    return np.rint(1000 * week * season() * lull).astype(np.int64)


def sale_days() -> NDArray[np.int64]:
    """1 for the days of a sale, else 0, shape (DAYS,)."""
    return _within(SALES).astype(np.int64)


def _within(stretches: Iterable[Stretch]) -> NDArray[np.bool_]:
    inside = np.zeros(DAYS, np.bool_)
    for stretch in stretches:
        inside[_days(stretch.first, stretch.last)] = True
    return inside


def era_of_day() -> NDArray[np.int64]:
    """The number of the era of each day, shape (DAYS,)."""
    first = np.array([(era.first - FIRST_DAY).days for era in ERAS])
    return np.searchsorted(first, np.arange(DAYS), side="right") - 1


def event_type_weights() -> Floats:
    """Shape (platforms, channels, 3, 2, event types).

    The third axis is how long the user has been there: the first week, the next two months, later.
    The fourth is whether there is a sale.
    """
    base = np.array([46.0, 12.0, 2.2, 4.0, 18.0])
    platform = np.array([[1.0, 1.2, 1, 1, 1], [1, 1, 1.15, 1.2, 0.9], [1.1, 1, 0.5, 0.55, 1.6]])
    channel = np.ones((len(CHANNELS), len(EVENT_TYPES)))
    channel[PAID] = (0.95, 1.1, 0.7, 0.8, 1.2)
    channel[SOCIAL] = (0.75, 0.9, 1.9, 1.7, 0.9)
    channel[REFERRAL] = (1.1, 1.1, 1.4, 1.0, 1.0)
    age = np.array([[0.8, 0.5, 1, 1.2, 1.5], [1.0, 1.0, 1, 1, 1], [1.15, 1.3, 0.9, 0.8, 0.8]])
    sale = np.array([[1.0, 1, 1, 1, 1], [1, SALE_LIFT, 1, 1, 1]])
    origin = base * platform[:, None, None, None] * channel[:, None, None]
    weights: Floats = origin * age[:, None] * sale
    return weights
