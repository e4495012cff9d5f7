"""The data dictionary: what the contract says of every table, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.dictionary.label_bounds import labels
from transforms.contract import Column, Table
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import ALL_TABLES, CORRECTIONS, all_checks
from transforms.quality.compile import Check

_DESCRIBED: Final = (*ALL_TABLES, CORRECTIONS)

_HOLDS_EVERYWHERE: Final = (
    "Times are UTC, and so are dates, unless a warehouse was built with "
    "[another time zone](calendar.md). A session ends where a user's next event is 30 minutes or "
    "more away, unless [rules](rules.md) say otherwise; midnight "
    "does not end one, and in `session_metrics` it is of the date on which it began. Daily and "
    "monthly tables have a row for every date and month from the first event to the last, silent "
    "ones included. The other rules stand in "
    "[architecture.md](architecture.md#the-rules). DuckDB has no use for partitions and keys; it "
    "shows descriptions by `SELECT column_name, comment FROM duckdb_columns() WHERE table_name = "
    "'growth_metrics'`.",
    "",
    "`--active_event_types` narrows which events make a user *active* (and so new, retained, "
    "resurrected, churned, rolling and cohort figures); sessions, totals and miles count all "
    "events. Because of that, percentages of `growth_drivers` can then exceed 100. "
    "`growth_drivers.new_*_users` and `total_new_users` go by a user's first event of any type, as "
    "`dim_users` does: all users, whichever source they came from.",
    "",
    "**Own event types** (input.md says [what they are](input.md#own-event-types)) are events as "
    "the five are, with rows in `events_by_type`; columns that name an event type are of the five. "
    "Where there are some, the check `accepted_values` of `event_type` takes them too, "
    "`growth_drivers.event_types_add_up` holds that the five come to no more than all, and "
    "`events_by_type.events_add_up` that all types come to all events.",
    "",
    "**Segments** are platform, channel and country of a user's first event, so each user is in "
    "one of each kind for good. Distinct users are never added up over dates; over the values of "
    "a kind of segment they may be.",
    "",
    "**Numbers** have a unit, and what may be made of several rows: `sum` adds up; `ratio` is the "
    "sum of numerators over the sum of denominators; `mean` is of distinct users, running totals "
    "or means, which add up to nothing. Columns without are dimensions. Tables by segment have "
    "each user once for each kind of segment: filter by `segment_type` first.",
    "",
    "**The running month is shown, but not judged.** Every table by date, week, month or cohort "
    "ends with `is_complete`: whether a later date (month) has an event. A month that has just "
    "begun lacks users who will still come, so its quick ratio says nothing yet: `alert_level` and "
    "`strategic_recommendation` of such a month are those of the last complete one. Let dashboards "
    "and alerts ask `WHERE is_complete`.",
)


def data_dictionary() -> str:
    """The Markdown text, the same for the same contract."""
    checks = all_checks(FigureSettings())
    parts = [line for table in _DESCRIBED for line in describe(table)]
    return "\n".join([*_introduction(checks), *parts, labels(), *_all_checks(checks)])


def _introduction(checks: tuple[Check, ...]) -> Iterator[str]:
    yield from (
        "# The tables",
        "",
        "<!-- Written by `python -m pipeline docs` from the contracts in transforms/marts: change "
        "those, and run it again. -->",
        "",
        f"{len(_DESCRIBED)} tables and {len(checks)} checks. Types are those of BigQuery; a column "
        "marked * is REQUIRED, the others are NULLABLE. The descriptions are those that the "
        "warehouse shows. A column that joined its table after the first release is NULLABLE, so "
        "that tables which exist can take it, and NULL in no row that is written since; such "
        "columns stand last. What `Excellent`, `Poor` and other labels mean, and for which "
        "products: [below](#what-the-labels-were-made-for); what the checks ask: "
        "[at the end](#the-checks).",
        "",
    )
    yield from (f"- [{table.name}](#{table.name}): {table.description}" for table in _DESCRIBED)
    yield from ("", *_HOLDS_EVERYWHERE, "")


def describe(table: Table) -> Iterator[str]:
    """The lines that say what a table is and what its columns hold."""
    yield from (f"## {table.name}", "", table.description, "", _layout(table), "")
    if any(column.measure for column in table.columns):
        yield from ("| column | type | number | what it says |", "|---|---|---|---|")
        yield from (_row(column, f" {_number(column)} |") for column in table.columns)
    else:
        yield from ("| column | type | what it says |", "|---|---|---|")
        yield from (_row(column) for column in table.columns)
    yield ""


def _all_checks(checks: tuple[Check, ...]) -> Iterator[str]:
    yield from (
        "## The checks",
        "",
        "How they are run, and how to add one: [quality.md](quality.md).",
    )
    for table in _DESCRIBED:
        own = [check for check in checks if check.table == table.name]
        if own:
            yield from ("", f"### Checks of {table.name}", "", f"{len(own)} checks:", "")
            yield from ("| check | type | what it asks |", "|---|---|---|")
            yield from (_check(check) for check in own)
    yield ""


def _layout(table: Table) -> str:
    partition = table.partition
    parts = [
        f"Partition: `{partition.column}` by {partition.by.lower()}"
        if partition
        else "Partition: none",
        f"cluster: {_names(table.clustering)}",
        f"primary key (not enforced): {_names(table.primary_key)}",
        f"written at: {_names((table.written_at,) if table.written_at else ())}",
    ]
    if table.primary_key:
        parts.append(f"rows that leave are staged by: {_names(table.deletes.column_names)}")
    return "; ".join(parts) + "."


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _row(column: Column, number: str = "") -> str:
    mark = "*" if column.required else ""
    return f"| `{column.name}`{mark} | {column.type.value} |{number} {_cell(column.description)} |"


def _number(column: Column) -> str:
    """The unit of a measure, and what may be added up over rows; nothing of a dimension."""
    measure = column.measure
    return "" if measure is None else f"{measure.unit.name}, {measure.aggregation}"


def _check(check: Check) -> str:
    name = check.check_id.removeprefix(f"{check.table}.")
    warning = ", a warning" if check.severity == "warn" else ""
    return f"| `{name}` | {check.check_type}{warning} | {_cell(check.description)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
