"""Our tables against the oracle's, and small inputs for both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.oracle import oracle
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.csv_header import read_header
from transforms.kernels.csv_records import read_blocks
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.kernels.sessions import number_sessions, sort_events
from transforms.kernels.spine import lay_out
from transforms.kernels.timelines import timelines
from transforms.marts import dim_users, fct_events, users_with_negative_miles
from transforms.marts.registry import FINISH, TABLES
from transforms.reckoning import PLAIN, Reckoning
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS

NOW = datetime(2026, 1, 1)
LIMITS = Limits()
WRITTEN_AT = pa.scalar(NOW, pa.timestamp("us"))

# The only figures that are sums of inexact numbers; all others must agree to the last bit.
INEXACT = {"quick_ratio_3mo_avg", "avg_7d_resurrection_pct"}

Row = Mapping[str, str]


def row(time: str, user: str = "ann", kind: str = "share", **others: str) -> dict[str, str]:
    """One source row; `amount`, `platform`, `source`, `country`, `category` as wanted."""
    amount = "10" if kind.startswith("miles") else ""
    return {
        "event_time": time,
        "user_id": user,
        "event_type": kind,
        "transaction_category": others.get("category", ""),
        "miles_amount": others.get("amount", amount),
        "platform": others.get("platform", "iOS"),
        "utm_source": others.get("source", "organic"),
        "country": others.get("country", "SG"),
    }


# Two events of one event_id, before ids were made to resist that.
COLLIDING = [
    row("2025-12-31T10:00:00Z", category=category, source="paid")
    for category in ("ibjclomikfoebenl\u019eH2~jEz", "abikoififngkhhlmRE9\u01f1\u0235;")
]


def csv_text(rows: Iterable[Row], columns: Sequence[str] = SOURCE_COLUMNS) -> bytes:
    """The rows as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parse(
    text: bytes, block_bytes: int = 1 << 20, own: Sequence[str] = (), limits: Limits = LIMITS
) -> list[Parsed]:
    """The parsed blocks of a CSV text, in which there may be own event types."""
    header = read_header(io.BytesIO(text), "test.csv")
    assert header is not None
    stream = io.BytesIO(text[header.length :])
    blocks = read_blocks(stream, header, "test.csv", header.length, None, block_bytes)
    limits = replace(limits, event_types=(*EVENT_TYPES, *own))
    return [parse_records(block, NOW, limits) for block in blocks]


def compute(
    batches: Sequence[pa.RecordBatch],
    active_types: Sequence[str] = EVENT_TYPES,
    own: Sequence[str] = (),
    reckoning: Reckoning = PLAIN,
) -> dict[str, pa.Table]:
    """The tables of event batches, by the kernels alone, all users in one shard."""
    events = sort_events(batches, (*EVENT_TYPES, *own), reckoning)
    lives, active = timelines(events), codes(active_types, own)
    users = dim_users.rows(lives, active, WRITTEN_AT)
    return {
        "fct_events": fct_events.rows(events, number_sessions(events), WRITTEN_AT),
        "dim_users": users,
        "users_with_negative_miles": users_with_negative_miles.rows(users),
        **finish(contributions(lives, active, reckoning), own, reckoning),
    }


def finish(
    counters: Counters, own: Sequence[str] = (), reckoning: Reckoning = PLAIN
) -> dict[str, pa.Table]:
    """The marts that are finished from sums."""
    spine = lay_out(counters, WRITTEN_AT, (*EVENT_TYPES, *own), reckoning)
    return {name: rows(spine) for name, rows in FINISH.items()}


def codes(event_types: Sequence[str], own: Sequence[str] = ()) -> tuple[int, ...]:
    """Event types by their index."""
    return tuple((*EVENT_TYPES, *own).index(name) for name in event_types)


@contextmanager
def oracle_tables(
    path: Path,
    ours: Mapping[str, pa.Table],
    active_types: Sequence[str] = EVENT_TYPES,
    own: Sequence[str] = (),
    reckoning: Reckoning = PLAIN,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the oracle's tables of CSV files, ties broken by our event ids."""
    with duckdb.connect() as connection:
        connection.register("our_ids", ours["fct_events"])
        oracle.build(connection, [str(path)], active_types, "our_ids", own, time_of(reckoning))
        yield connection


def time_of(reckoning: Reckoning) -> oracle.Time:
    """A reckoning of time as the oracle takes it."""
    return oracle.Time(reckoning.zone, reckoning.week_start, reckoning.session_gap_minutes)


def differences(
    connection: duckdb.DuckDBPyConnection, ours: Mapping[str, pa.Table]
) -> dict[str, list[str]]:
    """By table, rows that only we (+) or only the oracle (-) have; and sessions cut otherwise."""
    found: dict[str, list[str]] = {}
    for name in oracle.TABLES:
        connection.register(f"our_{name}", ours[name])
        compared = ", ".join(_compared(name))
        rows = [
            f"{sign} {values}"
            for sign, left, right in (("+", f"our_{name}", name), ("-", name, f"our_{name}"))
            for values in connection.execute(
                f"SELECT {compared} FROM {left} EXCEPT ALL SELECT {compared} FROM {right} LIMIT 5"
            ).fetchall()
        ]
        if rows:
            found[name] = rows
    pairs = connection.execute(
        """
        SELECT count(DISTINCT (o.session_id, t.session_id)), count(DISTINCT o.session_id),
               count(DISTINCT t.session_id)
        FROM our_fct_events AS o JOIN fct_events AS t USING (event_id)
        """
    ).fetchone()
    if pairs is None or len(set(pairs)) > 1:
        found["sessions"] = [f"pairs, ours, the oracle's: {pairs}"]
    return found


def _compared(table: str) -> list[str]:
    contract = TABLES[table]
    left_out = {contract.written_at, "session_id"}
    return [
        f"round({name}, 9)" if name in INEXACT else f'"{name}"'
        for name in contract.column_names
        if name not in left_out
    ]
