"""A load is compared with what was staged: figures against plain Python, and broken loads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from pipeline.warehouse.duckdb import staged_rows
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT
from pipeline.warehouse.guarding import guard, guard_statement
from tests.support.staging import Row, at, change, filled, in_order, stage
from transforms.contract import (
    BOOLEAN,
    BYTES,
    DATE,
    FLOAT,
    INTEGER,
    STRING,
    TIMESTAMP,
    Table,
    Type,
    nullable,
)
from transforms.kernels.figures import figures_of
from transforms.marts import fct_events, retention_cohorts

EVENTS, COHORTS = fct_events.TABLE, retention_cohorts.TABLE
EPOCH = datetime(1970, 1, 1)

EVERY_TYPE = Table(
    "every_type",
    "Test.",
    tuple(nullable(f"{kind.value.lower()}_column", kind, "Any.") for kind in Type),
)
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    STRING: st.text(max_size=6),
    INTEGER: st.integers(-(2**63), 2**63 - 1),
    FLOAT: st.floats(),
    BOOLEAN: st.booleans(),
    DATE: st.dates(),
    TIMESTAMP: st.datetimes(),
    BYTES: st.binary(max_size=12),
}
rows_of_every_type = st.lists(
    st.tuples(*(st.none() | VALUES[column.type] for column in EVERY_TYPE.columns)), max_size=8
)


def number(value: Any) -> int:
    """The number of a value, as the table in `transforms.kernels.figures` says it."""
    if isinstance(value, str):
        return 257 * len(value.encode()) + (ord(value[0]) if value else -1)
    if isinstance(value, bytes):
        return 257 * len(value) + int.from_bytes(value[-7:])
    if isinstance(value, float):
        return math.floor(value * 2**20) if abs(value) < 2**42 else 0
    if isinstance(value, datetime):
        difference = value - EPOCH
        return (difference.days * 86_400 + difference.seconds) * 10**6 + difference.microseconds
    if isinstance(value, date):
        return (value - EPOCH.date()).days
    return int(value)


def signed(total: int) -> int:
    total %= 2**64
    return total - 2**64 if total >= 2**63 else total


@given(rows_of_every_type, st.integers(0, 3), st.booleans())
def test_figures_are_those_of_a_plain_loop_and_of_duckdb(
    rows: list[tuple[Any, ...]], skipped: int, encoded: bool
) -> None:
    names = EVERY_TYPE.column_names
    table = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], schema=EVERY_TYPE.arrow_schema
    ).slice(skipped)
    rows = rows[skipped:]
    given_rows = table
    if encoded:
        texts = table["string_column"].combine_chunks().dictionary_encode()
        given_rows = table.set_column(names.index("string_column"), "string_column", texts)
    expected = []
    for place in range(len(names)):
        present = [row[place] for row in rows if row[place] is not None]
        expected += [len(present), signed(sum(map(number, present)))]
    assert figures_of(given_rows) == expected
    # Of the module's own database: to make one takes 12 ms.
    with duckdb.cursor() as connection:
        connection.register("source", table)
        asked = guard_statement(EVERY_TYPE, "source", DIALECT)
        counted, *found = connection.execute(asked).fetchone() or ()
    assert counted == len(rows)
    assert [
        signed(int(value or 0)) if place % 2 else value for place, value in enumerate(found)
    ] == expected


def warehouse_in(folder: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{folder}/growth.duckdb")


EVENT_ROWS = [
    filled(
        EVENTS,
        event_id=hashlib.md5(b"event%d" % number).hexdigest(),
        session_id=hashlib.md5(b"session%d" % number).hexdigest(),
        user_id=f"u{number}",
        event_time=at(number),
        event_date=date(2024, 1, 1 + number % 28),
        transaction_category=None if number % 3 else "flights",
        miles_amount=number * 10 if number % 2 else None,
        country=("SG", "DE", "US")[number % 3],
        utm_source=("google", "direct", None)[number % 3],
    )
    for number in range(1, 100)
]


def _of(name: str, change_it: Callable[[pa.ChunkedArray], Any]) -> Callable[[pa.Table], pa.Table]:
    def changed(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(name)
        return rows.set_column(place, rows.schema.field(place), change_it(rows[name]))

    return changed


def _exchanged(left: str, right: str) -> Callable[[pa.Table], pa.Table]:
    def changed(rows: pa.Table) -> pa.Table:
        names = [{left: right, right: left}.get(name, name) for name in rows.column_names]
        return rows.rename_columns(names).select(rows.column_names)

    return changed


def _constant(value: str) -> Callable[[pa.ChunkedArray], Any]:
    return lambda column: pa.chunked_array([pa.array([value] * len(column))])


FAULTS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "country": _of("country", _constant("SG")),
    "user_id": _of("user_id", _constant("x")),
    "event_id": _exchanged("event_id", "session_id"),
    "transaction_category": _exchanged("transaction_category", "utm_source"),
    "event_time": _of("event_time", lambda c: pc.add(c, pa.scalar(3_600_000_000, "duration[us]"))),
    "miles_amount": _of("miles_amount", lambda c: pc.fill_null(c, 0)),
    "event_date": _of(
        "event_date", lambda c: pc.add(c.cast("int32"), pa.scalar(1, "int32")).cast("date32")
    ),
    "session_id": _of("session_id", lambda c: pc.utf8_slice_codeunits(c, 0, 31)),
    "rows": lambda rows: rows.slice(1),
}


MANY, FEW = 0, 1 << 20


@pytest.mark.parametrize(
    ("column", "how", "few_bytes"),
    [
        *((column, WriteDisposition.REPLACE, MANY) for column in FAULTS),
        ("country", WriteDisposition.REPLACE, FEW),
        ("country", WriteDisposition.MERGE, FEW),
    ],
)
def test_a_load_of_other_values_than_were_staged_changes_nothing(
    tmp_path: Path,
    column: str,
    how: WriteDisposition,
    few_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether DuckDB reads the files, or is given the rows that they hold."""
    for limit in ("_FEW_BYTES", "_MERGED_BYTES"):
        monkeypatch.setattr(staged_rows, limit, few_bytes)
    warehouse = warehouse_in(tmp_path)
    before = [filled(EVENTS, event_id="before")]
    warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, str(tmp_path), before)], "a")
    broken = change(EVENTS, how, str(tmp_path), EVENT_ROWS)
    fine = change(COHORTS, WriteDisposition.REPLACE, str(tmp_path), [filled(COHORTS)])
    (file,) = broken.files
    pq.write_table(FAULTS[column](pq.read_table(file.path, partitioning=None)), file.path)
    output = rf"fct_events was not loaded as it was staged: .*\b{column}\b.*nothing was changed"
    with pytest.raises(RunError, match=output):
        warehouse.commit([fine, broken], "b")
    assert rows_of(warehouse, EVENTS) == before
    assert "retention_cohorts" not in (warehouse.present() or set())


def test_a_bit_that_flips_where_no_sum_sees_it_changes_nothing(tmp_path: Path) -> None:
    """Behind the first character of a text, in a file that reads well."""
    warehouse = warehouse_in(tmp_path)
    staged = change(
        EVENTS, WriteDisposition.REPLACE, str(tmp_path), [filled(EVENTS, user_id="somebody")]
    )
    (file,) = staged.files
    path = Path(file.path)
    path.write_bytes(path.read_bytes().replace(b"somebody", b"somebodx"))
    with pytest.raises(RunError, match=r"holds other bytes than were staged of fct_events"):
        warehouse.commit([staged], "a")
    assert not warehouse.present()


def rows_of(warehouse: Warehouse, table: Table) -> Sequence[Row]:
    return in_order(warehouse.read(table).to_pylist())


def test_rows_that_leave_are_guarded_too(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, str(tmp_path), EVENT_ROWS)], "a")
    leaving = change(EVENTS, WriteDisposition.MERGE, str(tmp_path), [], EVENT_ROWS[:2])
    (file,) = leaving.deletes
    read = pq.read_table(file.path, partitioning=None)
    pq.write_table(_of("event_id", _constant("e" * 32))(read), file.path)
    with pytest.raises(RunError, match=r"fct_events_removals .* event_id"):
        warehouse.commit([leaving], "b")
    assert rows_of(warehouse, EVENTS) == in_order(EVENT_ROWS)


def test_files_of_a_version_that_noted_rows_alone_are_guarded_by_them(tmp_path: Path) -> None:
    (file,) = stage(COHORTS, [filled(COHORTS)], str(tmp_path))
    old = file._replace(figures=())
    columns = [0] * (2 * len(COHORTS.columns))
    guard(COHORTS, [old], (1, *columns), "it")
    with pytest.raises(RunError, match="0 rows where 1 were staged"):
        guard(COHORTS, [old], (0, *columns), "it")


@pytest.mark.parametrize(
    "folder",
    [
        "country=SG",
        "user_id=x/event_date=2020-01-01",
        "a*b",
        "a?b",
        "[ab]",
        "{a,b}",
        "it's",
        "**",
        "a%20b",
        "~",
        'quote"d',
    ],
)
def test_no_name_of_a_folder_changes_what_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    home = tmp_path / folder
    # What such a name would match as a glob.
    for other in (home, tmp_path / "axb", tmp_path / "a"):
        other.mkdir(parents=True)
        (staged,) = stage(EVENTS, [filled(EVENTS)], str(other))
        Path(staged.path).rename(other / "same.parquet")
    monkeypatch.chdir(tmp_path if "?" in folder else home)  # DuckDB opens no file below a ?.
    warehouse = open_warehouse("duckdb:///growth.duckdb")
    warehouse.commit([change(EVENTS, WriteDisposition.REPLACE, str(home), EVENT_ROWS)], "a")
    merging = change(EVENTS, WriteDisposition.MERGE, str(home), EVENT_ROWS[:2])
    warehouse.commit([merging], "b")
    assert rows_of(warehouse, EVENTS) == in_order(EVENT_ROWS)
