"""Rows that are looked up by keys in any home, against a plain loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import WriteDisposition
from pipeline.warehouse.lookups import Lookup
from tests.support.staging import Row, at, change, filled, in_order, stage
from transforms.contract import DATE, STRING, Partition, Table, required
from transforms.marts import fct_events
from transforms.state import user_timelines

EVENTS, TIMELINES = fct_events.TABLE, user_timelines.TABLE
KEYS = Table(
    name="some_keys",
    description="Dates of users.",
    columns=(required("user_id", STRING, "A user"), required("event_date", DATE, "A date")),
    partition=Partition("event_date", "DAY"),
)
COLUMNS = ("event_id", "user_id", "event_time", "miles_amount")
NAMES = ["ann", "bob", 'o\'neil \\ "x"', "ᛖᚢᛖ"]
DAYS = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 2), date(2024, 5, 1)]

_EVENTS = [
    filled(EVENTS, event_id=f"{name} {day} {n}", user_id=name, event_date=day, miles_amount=n)
    for name in NAMES
    for day in DAYS
    for n in range(2)
]
_TIMELINES = [
    filled(TIMELINES, user_id=name, timeline=name.encode() + b"\0\xff", written_at=at(0))
    for name in NAMES
]
_WANTED = [
    {"user_id": name, "event_date": day}
    for name, day in (
        (NAMES[0], DAYS[0]),
        (NAMES[0], DAYS[3]),
        (NAMES[2], DAYS[1]),
        (NAMES[2], DAYS[1]),
        (NAMES[3], date(2024, 1, 9)),
        ("nobody", DAYS[0]),
    )
]

_USERS = {key["user_id"] for key in _WANTED}


def check_lookups(warehouse: Warehouse, temp: str | None, run: str) -> None:
    """That a home finds the rows of staged keys, once each, and of keys in memory likewise."""
    tables = (EVENTS, TIMELINES)
    with warehouse.lock(tables, temp, run) as folder:
        warehouse.commit(
            [
                change(EVENTS, WriteDisposition.REPLACE, folder, _EVENTS),
                change(TIMELINES, WriteDisposition.REPLACE, folder, _TIMELINES),
            ],
            run,
        )
        files = stage(KEYS, _WANTED[:3], folder) + stage(KEYS, _WANTED[2:], folder)
        by_date = Lookup(EVENTS, COLUMNS, ("user_id", "event_date"), KEYS, files)
        by_user = Lookup(TIMELINES, ("user_id", "timeline"), ("user_id",), KEYS, files)
        found: dict[str, list[Row]] = {EVENTS.name: [], TIMELINES.name: []}
        for share in warehouse.look_up([by_date, by_user], run):
            for rows in warehouse.found(share):
                assert rows.schema == share.lookup.schema
                found[share.lookup.table.name] += rows.to_pylist()
        assert in_order(found[EVENTS.name]) == _expected(_EVENTS, COLUMNS)
        assert in_order(found[TIMELINES.name]) == _expected(_TIMELINES, ("user_id", "timeline"))
        keys = pa.Table.from_pylist(_WANTED, KEYS.arrow_schema)
        asked = warehouse.rows_with(EVENTS, COLUMNS, keys)
        assert asked.schema == by_date.schema
        assert in_order(asked.to_pylist()) == _expected(_EVENTS, COLUMNS)
        of_users = warehouse.rows_with(EVENTS, ("event_id",), keys.select(["user_id"]))
        assert in_order(of_users.to_pylist()) == in_order(
            [{"event_id": row["event_id"]} for row in _EVENTS if row["user_id"] in _USERS]
        )
        nothing = warehouse.rows_with(EVENTS, COLUMNS, keys.slice(4))
        assert nothing.schema == by_date.schema
        assert nothing.num_rows == 0
        empty = Lookup(EVENTS, COLUMNS, ("user_id", "event_date"), KEYS, ())
        assert warehouse.look_up([empty], run) == []


def _expected(rows: Iterable[Row], columns: Iterable[str]) -> list[Row]:
    wanted = [row for row in rows if _is_wanted(row)]
    return in_order([{name: row[name] for name in columns} for row in wanted])


def _is_wanted(row: Row) -> bool:
    compared = [name for name in ("user_id", "event_date") if name in row]
    return any(all(key[name] == row[name] for name in compared) for key in _WANTED)
