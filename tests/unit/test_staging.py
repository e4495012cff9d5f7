"""Staged files: what lies in which, and which partitions a merge reads."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.warehouse.bigquery.limits import LAYOUT, PARTITIONS_PER_JOB
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.dialect import Dialect
from pipeline.warehouse.merging import within_partitions
from tests.support.staging import filled, stage
from tests.support.thorough import examples
from transforms.contract import DATE, Partition, Table, required
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles

EVENTS, USERS = fct_events.TABLE, dim_users.TABLE
EPOCH = date(1970, 1, 1)


def block_of(file: StagedFile) -> int:
    blocks = LAYOUT.blocks_of(EVENTS)
    assert blocks is not None
    return blocks.of(file.partitions[0])


def days(*dates: str) -> list[int]:
    return [(date.fromisoformat(text) - EPOCH).days for text in dates]


def test_files_tell_their_rows_bytes_and_partitions(tmp_path: Path) -> None:
    dates = ["2024-02-29", "2024-01-01", "2024-02-29"]
    events = [filled(EVENTS, event_date=date.fromisoformat(text)) for text in dates]
    (staged,) = stage(EVENTS, events, str(tmp_path))
    assert (staged.table, staged.rows) == ("fct_events", 3)
    assert staged.bytes == Path(staged.path).stat().st_size
    assert staged.partitions == days("2024-01-01", "2024-02-29")
    users = [filled(USERS, first_seen_date=date.fromisoformat(text)) for text in dates]
    (staged,) = stage(USERS, users, str(tmp_path))
    assert staged.partitions == days("2024-01-01", "2024-02-01")
    (staged,) = stage(
        users_with_negative_miles.TABLE, [filled(users_with_negative_miles.TABLE)], str(tmp_path)
    )
    assert staged.partitions == []
    (staged,) = stage(dead_letter_events.TABLE, [filled(dead_letter_events.TABLE)], str(tmp_path))
    assert staged.partitions == days("2024-01-31")


@pytest.mark.parametrize(("layout", "adjusted"), [(LAYOUT, "true"), (FileLayout(), "false")])
def test_parquet_types_are_those_that_a_home_loads_exactly(
    tmp_path: Path, layout: FileLayout, adjusted: str
) -> None:
    (staged,) = stage(EVENTS, [filled(EVENTS)], str(tmp_path), layout)
    schema = pq.ParquetFile(staged.path).schema
    columns = {schema.column(index).name: schema.column(index) for index in range(len(schema))}
    assert list(columns) == list(EVENTS.column_names)
    for contract in EVENTS.columns:
        found = columns[contract.name]
        # A REQUIRED column has no definition level.
        assert found.max_definition_level == (0 if contract.required else 1)
        logical, physical = str(found.logical_type), found.physical_type
        if contract.name in ("event_time", "processed_at"):
            assert f"isAdjustedToUTC={adjusted}, timeUnit=microseconds" in logical
        elif contract.name == "event_date":
            assert (logical, physical) == ("Date", "INT32")
        else:
            assert (logical, physical) in (("String", "BYTE_ARRAY"), ("None", "INT64"))


def test_no_file_holds_more_partitions_than_one_job_loads(tmp_path: Path) -> None:
    every_day = [date(2000, 1, 1) + timedelta(days=day) for day in range(9_900)]
    events = [filled(EVENTS, event_id=str(day), event_date=day) for day in every_day]
    files = stage(EVENTS, events, str(tmp_path), LAYOUT)
    assert [len(file.partitions) for file in files] == [4_000, 4_000, 1_900]
    assert [block_of(file) for file in files] == [0, 1, 2]
    (one,) = stage(EVENTS, events, str(tmp_path), FileLayout())
    assert len(one.partitions) == 9_900
    for file in files:
        found = pq.read_table(file.path, columns=["event_date"])["event_date"]
        assert sorted({(day - EPOCH).days for day in found.to_pylist()}) == file.partitions
    assert sum(file.rows for file in files) == len(events)
    assert PARTITIONS_PER_JOB == 4_000


def test_rows_before_the_first_block_are_staged_too(tmp_path: Path) -> None:
    events = [filled(EVENTS, event_date=date(1999, 12, 31)), filled(EVENTS)]
    assert [block_of(file) for file in stage(EVENTS, events, str(tmp_path), LAYOUT)] == [-1, 2]


PARTITIONED = Table("t", "Test.", (required("d", DATE, "A date."),))
dates = st.dates(date(2023, 10, 1), date(2024, 4, 30))


# Each opens a database of its own, in 20 ms.
@pytest.mark.parametrize("by", ["DAY", "MONTH"])
@settings(max_examples=examples(20, 100))
@given(st.sets(dates), st.sets(dates))
def test_a_merge_reads_the_staged_partitions_and_no_others(
    by: str, staged: set[date], there: set[date]
) -> None:
    partition = Partition("d", "DAY" if by == "DAY" else "MONTH")
    starts = {day if by == "DAY" else day.replace(day=1) for day in staged}
    condition = within_partitions(
        partition, sorted((day - EPOCH).days for day in starts), Dialect('"', {}, {})
    )
    assert '"d"' in condition
    rows = pa.table({"d": pa.array(sorted(there), pa.date32())})
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        found = connection.execute(f"SELECT d FROM rows AS t WHERE {condition}").fetchall()
    expected = {day for day in there if (day if by == "DAY" else day.replace(day=1)) in starts}
    assert {day for (day,) in found} == expected


@given(st.lists(dates))
def test_partitions_of_rows(found: list[date]) -> None:
    rows = pa.table({"d": pa.array(found, pa.date32())})
    by_day = Partition("d", "DAY").of(rows).tolist()
    assert by_day == sorted({(day - EPOCH).days for day in found})
    by_month = Partition("d", "MONTH").of(rows).tolist()
    assert by_month == sorted({(day.replace(day=1) - EPOCH).days for day in found})
