"""What the tables by segment have in common: their columns, and that segments are the whole."""

from __future__ import annotations

from typing import Final

from transforms.contract import INTEGER, STRING, Column, required
from transforms.measures import USERS_OF_PERIOD, USERS_ONCE
from transforms.quality.declaration import AddsUp, Total, at_least, one_of

SEGMENTS: Final = ("platform", "channel", "country")

SEGMENT_TYPE: Final = required(
    "segment_type",
    STRING,
    "platform, channel or country of the user's first event",
    one_of(*SEGMENTS),
)
SEGMENT_VALUE: Final = required(
    "segment_value",
    STRING,
    "Which of them; of channels other is any other utm_source, or none; of countries none is that "
    "the event has none, and other those beyond the largest 50",
)


def parts(period: str) -> tuple[Column, ...]:
    """The columns of growth accounting."""
    return (
        required(
            "new_users",
            INTEGER,
            f"Users whose first active {period} this is",
            at_least(0),
            measure=USERS_ONCE,
        ),
        required(
            "retained_users",
            INTEGER,
            f"Users active in this {period} and the one before",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "resurrected_users",
            INTEGER,
            f"Users active in this {period} and not in the one before, but earlier",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Users who came back",
        ),
        required(
            "churned_users",
            INTEGER,
            f"Users active in the {period} before, not in this one",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
    )


def sums_to_whole(table: str, column: str, whole: str, whole_column: str) -> tuple[AddsUp, ...]:
    """Of each kind of segment the users add up to those of another table."""
    return tuple(
        AddsUp(
            f"{kind}_{column}_add_up",
            (Total(table, f"CASE WHEN segment_type = '{kind}' THEN {column} ELSE 0 END"),),
            (Total(whole, whole_column),),
            f"{column} of all values of {kind} add up to {whole_column} of {whole}",
        )
        for kind in SEGMENTS
    )
