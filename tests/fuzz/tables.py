"""Tables as the oracle computes them, from events that a plain reader read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from tests.fuzz.contract import TYPES, Event, Refused
from tests.oracle import build_from_events
from tests.support.tables import differences

_SCHEMA = pa.schema(
    [
        ("event_time", pa.timestamp("us")),
        ("user_id", pa.string()),
        ("event_type", pa.string()),
        ("transaction_category", pa.string()),
        ("miles_amount", pa.int64()),
        ("platform", pa.string()),
        ("utm_source", pa.string()),
        ("country", pa.string()),
    ]
)


def check_tables(
    ours: Mapping[str, pa.Table],
    results: Sequence[Event | Refused],
    active_types: Sequence[str] = TYPES,
) -> None:
    """Raise AssertionError unless tables are the oracle's of what was read, and the sum holds."""
    events = [result for result in results if isinstance(result, Event)]
    refused = Counter(result.error_type for result in results if isinstance(result, Refused))
    dead_letters = Counter(ours["dead_letter_events"]["error_type"].to_pylist())
    assert dead_letters == refused, f"dead letters {dead_letters}, not {refused}"
    kept = ours["fct_events"].num_rows
    assert kept == len(set(events)), f"{kept} events, not {len(set(events))}"
    with _oracle(ours, events, active_types) as connection:
        found = differences(connection, ours)
        assert not found, f"not as the oracle computes them: {found}"


@contextmanager
def _oracle(
    ours: Mapping[str, pa.Table], events: Iterable[Event], active_types: Sequence[str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    columns = zip(*events, strict=True) if events else [[]] * len(_SCHEMA)
    source = pa.table([pa.array(column) for column in columns], schema=None, names=_SCHEMA.names)
    with duckdb.connect() as connection:
        connection.register("our_ids", ours["fct_events"])
        connection.register("read_events", source.cast(_SCHEMA))
        build_from_events(connection, "read_events", active_types, event_ids="our_ids")
        yield connection
