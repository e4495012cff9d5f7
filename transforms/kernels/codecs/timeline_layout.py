"""What the bytes of a user's timeline are.

Layout 3, without the user id: 34 bytes of fixed size, `HEAD`; a byte that says how many bytes the
two lengths of texts take; these lengths (bytes + 1, 0 for NULL) and the texts; then numbers: how
many days, the first date, each day's distance from the day before, which of its counters are not
0, and those. All lengths and numbers are varints. A day takes 6 to 12 bytes.

Layouts 1 and 2 are the same with event ids that are made (1) or written (2) otherwise. They can't
be compared with today's, and a repeated event would count twice: they are refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.codecs.layouts import (
    check_layout,
    refuse_damaged,
    refuse_other_ids,
    refuse_unknown_counters,
)
from transforms.kernels.timelines import Timelines
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

LATEST: Final = 3
_OTHER_IDS: Final = (1, 2)
HEAD: Final = np.dtype(
    [
        ("version", "u1"),
        ("first_seen_us", "<i8"),
        ("last_seen_us", "<i8"),
        ("high", "<u8"),
        ("low", "<u8"),
        ("first_platform", "i1"),
    ]
)
TEXTS: Final = ("first_utm_source", "first_country")

# A day's counters by their bits: names are only ever appended, so that what is stored can be read.
# Of one that is appended, earlier days have 0; where that is untrue, the layout gets a new number.
DAY_COUNTERS: Final = (
    *("miles_earned", "miles_redeemed", "share", "like", "reward_search"),
    *("iOS", "Android", "Web"),
    *("miles earned", "miles redeemed"),
)
_TYPES: Final = [DAY_COUNTERS.index(name) for name in EVENT_TYPES]
_PLATFORMS: Final = [DAY_COUNTERS.index(name) for name in PLATFORMS]
_EARNED: Final = DAY_COUNTERS.index("miles earned")
_REDEEMED: Final = DAY_COUNTERS.index("miles redeemed")


def counters_of(users: Timelines) -> NDArray[np.int64]:
    """The counters of each day: int64 [days, DAY_COUNTERS]."""
    counters = np.empty((len(users.date), len(DAY_COUNTERS)), np.int64)
    counters[:, _TYPES], counters[:, _PLATFORMS] = users.type_events, users.platform_events
    counters[:, _EARNED], counters[:, _REDEEMED] = users.miles_earned, users.miles_redeemed
    return counters


def fields_of(counters: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The fields of timelines that `counters_of` reads."""
    return {
        "type_events": counters[:, _TYPES],
        "platform_events": counters[:, _PLATFORMS],
        "miles_earned": np.ascontiguousarray(counters[:, _EARNED]),
        "miles_redeemed": np.ascontiguousarray(counters[:, _REDEEMED]),
    }


def masks_of(filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each day a number whose bits say which counters are not 0: [days, n] -> int64 [days]."""
    return filled @ (1 << np.arange(len(DAY_COUNTERS)))


def filled_by(masks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """What `masks_of` was given.

    Raises:
        DataError: if there is a counter that this code doesn't know.
    """
    if (most := int(masks.max(initial=0))) >= 1 << len(DAY_COUNTERS):
        refuse_unknown_counters("a day of a timeline", most.bit_length(), len(DAY_COUNTERS))
    return (masks[:, np.newaxis] >> np.arange(len(DAY_COUNTERS)) & 1).astype(np.bool_)


def check_versions(versions: NDArray[np.uint8]) -> None:
    """Raise DataError unless all layouts are ones that can be read: uint8 [users]."""
    if (versions == LATEST).all():
        return
    check_layout("a timeline", int(versions.max()), LATEST)
    if np.isin(versions, _OTHER_IDS).any():
        refuse_other_ids("a timeline")
    refuse_damaged("a timeline")
