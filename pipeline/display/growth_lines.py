"""What a person sees of growth: the last months, and what the last complete one comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from pipeline.errors import RunError
from pipeline.terminal import counted
from pipeline.warehouse import TableReader
from transforms.marts.quick_ratio_analysis import TABLE as ANALYSIS
from transforms.marts.social_capital_growth_accounting import TABLE as GROWTH

COLUMNS: Final = (
    "month",
    ">active",
    ">new",
    ">retained",
    ">resurrected",
    ">churned",
    ">retention",
    ">quick ratio",
)

# A year shows seasons, and fits a screen.
_MONTHS_SHOWN: Final = 12


def last_months(warehouse: TableReader) -> list[dict[str, Any]]:
    """The last rows of both monthly marts, joined; none where they can't be read now."""
    try:
        with warehouse.kept_open():
            growth, analysis = warehouse.read(GROWTH), warehouse.read(ANALYSIS)
    except RunError:
        return []  # The tables are there; another program has opened them first.
    read = {row["activity_month"]: row for row in analysis.to_pylist()}
    months = growth.sort_by("activity_month").to_pylist()
    return [{**read.get(month["activity_month"], {}), **month} for month in months][-_MONTHS_SHOWN:]


def lines(months: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The cells of COLUMNS for each month; one that runs is marked."""
    return [
        (
            f"{month['activity_month']:%Y-%m}" + ("" if month["is_complete"] else " (running)"),
            f"{month['total_mau']:,}",
            f"+{month['new_users']:,}",
            f"{month['retained_users']:,}",
            f"+{month['resurrected_users']:,}",
            f"-{month['churned_users']:,}",
            _or_dash(month["retention_rate_pct"], "{:.1f} %"),
            _or_dash(month["quick_ratio"], "{:.2f}"),
        )
        for month in months
    ]


def headline(months: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """What the last complete month comes to: a running one is not judged."""
    complete = [month for month in months if month["is_complete"]]
    if not complete:
        yield Text(
            f"{months[-1]['activity_month']:%B %Y} holds the newest event and counts as "
            "running, and no month before it is complete: there is nothing to judge yet."
        )
        return
    month = complete[-1]
    name, ratio = f"{month['activity_month']:%B %Y}", month["quick_ratio"]
    if ratio is None:
        yield Text(f"{name}: nobody churned, so there is no quick ratio.")
        return
    gained = month["new_users"] + month["resurrected_users"]
    yield Text.assemble(
        f"{name}: {counted(gained, 'user')} won for {month['churned_users']:,} lost, ",
        "a quick ratio of ",
        (f"{ratio:.2f}", "bold"),
        f": {month['growth_quality_category']}.",
    )
    if "alert_level" in month:
        alarm = "" if month["alert_level"] == "OK" else f"{month['alert_level']}. "
        yield Text.assemble((alarm, "bold"), f"{month['strategic_recommendation']}.")


def _or_dash(value: float | None, template: str) -> str:
    return "-" if value is None else template.format(value)
