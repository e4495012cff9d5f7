"""Hypothesis strategies: source rows of few users, around the edges of sessions, days, months."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from tests.support.tables import row

_STARTS = [
    datetime(2023, 12, 31, 23, 50),
    datetime(2024, 1, 1),
    datetime(2024, 1, 31, 23, 59, 59, 999_999),
    datetime(2024, 2, 29, 12),
    datetime(2024, 3, 1, 0, 10),
    datetime(2024, 3, 30, 8),
    datetime(2024, 7, 4, 9),
    datetime(2025, 2, 2, 2),
]
_STEPS = [
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(minutes=7),
    timedelta(minutes=30) - timedelta(microseconds=1),
    timedelta(minutes=30),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=2),
    timedelta(days=6, hours=23),
    timedelta(days=7),
    timedelta(days=8),
    timedelta(days=27),
    timedelta(days=30),
    timedelta(days=31),
    timedelta(days=91),
]

times = st.builds(
    lambda start, step: start + step, st.sampled_from(_STARTS), st.sampled_from(_STEPS)
)


@st.composite
def _rows(draw: st.DrawFn) -> dict[str, str]:
    kind = draw(
        st.sampled_from(["miles_earned", "miles_redeemed", "share", "like", "reward_search"])
    )
    amount = draw(st.sampled_from(["0", "10", "250", "1000"])) if kind.startswith("miles") else ""
    return row(
        draw(times).strftime(
            draw(st.sampled_from(["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S.%f"]))
        ),
        draw(st.sampled_from(["ann", "bob", "cy", "dé", "ᛖᚢᛖ"])),
        kind,
        amount=amount,
        platform=draw(st.sampled_from(["iOS", "android", "Web"])),
        source=draw(st.sampled_from(["organic", "Paid", "social", "referral", "", "tv"])),
        country=draw(st.sampled_from(["SG", "us", ""])),
        category=draw(st.sampled_from(["", "flight", "a,b"])),
    )


valid_rows = _rows()
broken_rows = st.sampled_from(
    [
        row("2024-01-05T10:00:00Z", ""),
        row("yesterday"),
        row("1999-12-31T23:59:59Z"),
        row("2024-01-05T10:00:00Z", kind="purchase"),
        row("2024-01-05T10:00:00Z", kind="miles_earned", amount=""),
        row("2024-01-05T10:00:00Z", kind="miles_redeemed", amount="-5"),
        row("2024-01-05T10:00:00Z", platform="fax"),
        row("2024-01-05T10:00:00Z", country="SGP"),
    ]
)
row_lists = st.lists(valid_rows, min_size=1, max_size=40)
