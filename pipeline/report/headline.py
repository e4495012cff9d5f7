"""The report's first words: the last complete month against the one before, and who changed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.report.in_words import last_complete, month_name, number, percent, ratio, signed
from pipeline.report.mart_rows import Marts, Row
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL


@dataclass(frozen=True)
class Tile:
    """A figure of the last complete period.

    Attributes:
        label: what it is.
        value: in words.
        change: against the period before; empty where there is none.
    """

    label: str
    value: str
    change: str


@dataclass(frozen=True)
class Headline:
    """What a person reads first.

    Attributes:
        title: one sentence.
        sentences: what changed, and who; the alert, and the recommendation.
        alert: whether the month needs somebody.
        tiles: figures.
    """

    title: str
    sentences: Sequence[str]
    alert: bool
    tiles: Sequence[Tile]


def headline(marts: Marts) -> Headline:
    """The words of the last complete month; a running one is not judged."""
    complete = [month for month in marts.months if month["is_complete"]]
    if not complete:
        name = month_name(marts.months[-1])
        return Headline(
            f"{name} holds the newest event and counts as running, and no month before it is "
            "complete: there is nothing to judge yet.",
            (),
            False,
            (),
        )
    month, before = complete[-1], complete[-2] if len(complete) > 1 else None
    alert = month["alert_level"] != "OK"
    judged = [f"{month['alert_level']}."] if alert else []
    return Headline(
        _title(month, before),
        [
            _won_and_lost(month),
            *([_what_changed(month, before)] if before else []),
            *_who_came(marts.days, month, before),
            *judged,
            f"{month['strategic_recommendation']}.",
        ],
        alert,
        _tiles(marts, month, before),
    )


def _title(month: Row, before: Row | None) -> str:
    users = month["total_mau"]
    text = f"{month_name(month)}: {number(users)} active users"
    if before is None:
        return f"{text}, in the first month"
    change = users - before["total_mau"]
    if not change:
        return f"{text}, as many as in {month_name(before)}"
    share = f" ({percent(abs(100 * change / before['total_mau']))})" if before["total_mau"] else ""
    more = "more" if change > 0 else "fewer"
    return f"{text}, {number(abs(change))} {more}{share} than in {month_name(before)}"


def _won_and_lost(month: Row) -> str:
    gained = month["new_users"] + month["resurrected_users"]
    if month["quick_ratio"] is None:
        return f"{number(gained)} users were won, and nobody was lost."
    return (
        f"{number(gained)} users were won ({number(month['new_users'])} new, "
        f"{number(month['resurrected_users'])} came back) for {number(month['churned_users'])} "
        f"lost: a quick ratio of {ratio(month['quick_ratio'])}, "
        f"{month['growth_quality_category']}."
    )


def _what_changed(month: Row, before: Row) -> str:
    """The part of growth accounting that moved most."""
    parts = {
        "new users": month["new_users"] - before["new_users"],
        "users who came back": month["resurrected_users"] - before["resurrected_users"],
        "retained users": month["retained_users"] - before["retained_users"],
        "churned users": month["churned_users"] - before["churned_users"],
    }
    name, change = max(parts.items(), key=lambda part: abs(part[1]))
    if not change:
        return "No part of it changed."
    others = ", ".join(f"{other} {signed(by)}" for other, by in parts.items() if other != name)
    return f"What changed most: {name}, {signed(change)} ({others})."


def _who_came(days: Sequence[Row], month: Row, before: Row | None) -> list[str]:
    """Which channel brought more or fewer new users; a user has one first event, so they add up."""
    now = _channels_of(days, month)
    if not any(now.values()):
        return []
    most = max(now, key=lambda name: now[name])
    text = (
        f"Most new users came by the channel {most}: {number(now[most])} of "
        f"{number(sum(now.values()))}"
    )
    earlier = _channels_of(days, before) if before else {}
    if not any(earlier.values()):
        return [f"{text}."]
    moved = max(now, key=lambda name: abs(now[name] - earlier[name]))
    change = now[moved] - earlier[moved]
    return [f"{text}; {moved} moved most, {signed(change)}." if change else f"{text}."]


def _channels_of(days: Sequence[Row], month: Row) -> dict[str, int]:
    first = month["activity_month"]
    of_month = [day for day in days if day["event_date"].replace(day=1) == first]
    return {
        name: sum(day[f"new_{name}_users"] for day in of_month)
        for name in (*CHANNELS, OTHER_CHANNEL)
    }


def _tiles(marts: Marts, month: Row, before: Row | None) -> list[Tile]:
    name = month_name(month)
    tiles = [
        Tile(
            f"Active users, {name}", number(month["total_mau"]), _change(month, before, "total_mau")
        ),
        Tile(
            f"Quick ratio, {name}", ratio(month["quick_ratio"]), _was(before, "quick_ratio", ratio)
        ),
        Tile(
            f"Retention, {name}",
            percent(month["retention_rate_pct"]),
            _was(before, "retention_rate_pct", percent),
        ),
    ]
    day = last_complete(marts.days)
    if day:
        tiles += [
            Tile(f"DAU, {day['event_date']}", number(day["daily_active_users"]), ""),
            Tile(
                f"DAU / MAU, {day['event_date']}",
                percent(day["dau_mau_stickiness"]),
                "",
            ),
        ]
    return tiles


def _change(month: Row, before: Row | None, name: str) -> str:
    return "" if before is None else f"{signed(month[name] - before[name])} on the month before"


def _was(before: Row | None, name: str, shown: Callable[[float], str]) -> str:
    if before is None or before[name] is None:
        return ""
    return f"was {shown(before[name])}"
