"""The MERGE statement of a table, the same for both homes but for how names and types are spelt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from pipeline.warehouse.dialect import Dialect
from transforms.contract import Partition, Table

_EPOCH = date(1970, 1, 1)
_DAY = timedelta(days=1)


def merge_statement(
    table: Table,
    target: str,
    rows: str | None,
    deletes: str | None,
    within: str,
    dialect: Dialect,
) -> str:
    """SQL that merges staged rows into a table; those that it has already stay untouched.

    Args:
        table: the contract.
        target: the table, as SQL names it.
        rows: the staged rows, as SQL that may follow FROM; None without any.
        deletes: likewise the staged rows of `table.deletes`.
        within: a condition on columns of `t`, the target, that holds for every row with a staged
            key, so that other partitions need not be read; TRUE for any.
        dialect: how names and types are spelt.

    Raises:
        ValueError: if the table has no primary key.
    """
    if not table.primary_key:
        raise ValueError(f"table {table.name} has no primary key to merge by")
    name = dialect.name
    key = [name(column) for column in table.primary_key]
    columns = [name(column) for column in table.column_names]
    others = [column for column in columns if column not in key]
    condition = newer(table, dialect)
    and_newer = f" AND {condition}" if condition else ""
    update = ", ".join(f"{column} = s.{column}" for column in others)
    values = ", ".join(f"s.{column}" for column in columns)
    return f"""
        MERGE INTO {target} AS t
        USING ({_source(table, rows, deletes, dialect)}) AS s
        ON {same_key(table, dialect)} AND ({within})
        WHEN MATCHED AND s.leaves{and_newer} THEN DELETE
        WHEN MATCHED AND NOT s.leaves{and_newer} AND ({differs(table, dialect)})
            THEN UPDATE SET {update}
        WHEN NOT MATCHED AND NOT s.leaves THEN INSERT ({", ".join(columns)}) VALUES ({values})
    """


def same_key(table: Table, dialect: Dialect) -> str:
    """A condition that holds for a staged row `s` and the row `t` of the table with its key."""
    names = map(dialect.name, table.primary_key)
    return " AND ".join(f"t.{name} = s.{name}" for name in names)


def newer(table: Table, dialect: Dialect) -> str:
    """A condition that holds where `s` was not written before `t`; none of a table whose rows do
    not say when they were written."""
    if table.written_at is None:
        return ""
    return f"s.{dialect.name(table.written_at)} >= t.{dialect.name(table.written_at)}"


def differs(table: Table, dialect: Dialect) -> str:
    """A condition that holds where `s` says something else than `t`: a row that is staged again as
    it was keeps its moment of writing."""
    return " OR ".join(
        f"t.{dialect.name(column)} IS DISTINCT FROM s.{dialect.name(column)}"
        for column in table.column_names
        if column not in (*table.primary_key, table.written_at)
    )


def _source(table: Table, rows: str | None, deletes: str | None, dialect: Dialect) -> str:
    """One row for each staged key: the one written last, and what stays before what leaves."""
    name = dialect.name
    kept = {*table.primary_key, table.written_at}
    present = ", ".join(name(column) for column in table.column_names)
    absent = ", ".join(
        name(column.name)
        if column.name in kept
        else f"CAST(NULL AS {dialect.types[column.type]}) AS {name(column.name)}"
        for column in table.columns
    )
    parts = [
        f"SELECT {shown}, {leaves} AS leaves FROM {staged}"
        for shown, leaves, staged in ((present, "FALSE", rows), (absent, "TRUE", deletes))
        if staged is not None
    ]
    newest = f"{name(table.written_at)} DESC, " if table.written_at else ""
    return f"""
        SELECT * FROM ({" UNION ALL ".join(parts)}) AS staged
        WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (
            PARTITION BY {", ".join(name(column) for column in table.primary_key)}
            ORDER BY {newest}leaves
        ) = 1
    """


def delete_matching_statement(
    table: Table,
    target: str,
    values: str,
    columns: Sequence[str],
    within: str,
    dialect: Dialect,
) -> str:
    """SQL that deletes the rows that have staged values in some columns.

    Args:
        table: the contract.
        target: the table, as SQL names it.
        values: the staged values, as SQL that may follow FROM.
        columns: their names.
        within: as in `merge_statement`, for the rows that leave.
        dialect: how names are spelt.
    """
    same = " AND ".join(f"s.{name} = t.{name}" for name in map(dialect.name, columns))
    return f"""
        DELETE FROM {target} AS t
        WHERE ({within}) AND EXISTS (SELECT 1 FROM {values} AS s WHERE {same})
    """


def within_partitions(partition: Partition, days: Iterable[int], dialect: Dialect) -> str:
    """A condition that holds for the rows of `t` in these partitions, and lets others be skipped.

    Args:
        partition: of a DATE or TIMESTAMP column.
        days: days since 1970 on which the partitions begin, ascending.
        dialect: how names are spelt.
    """
    column = f"t.{dialect.name(partition.column)}"
    # Texts become what the column is, a DATE or a TIMESTAMP.
    found = [
        f"({column} >= '{first}' AND {column} < '{last + _DAY}')"
        for first, last in _spans(partition, days)
    ]
    # Of no partition at all: BigQuery may ask that the column is named.
    return " OR ".join(found) or f"{column} < '0001-01-01'"


def _spans(partition: Partition, days: Iterable[int]) -> Iterator[tuple[date, date]]:
    """First and last dates of stretches of partitions without a gap."""
    starts = [_EPOCH + timedelta(days=day) for day in days]
    ends = [_last_date(partition, start) for start in starts]
    gaps = [
        index
        for index, (end, start) in enumerate(zip(ends, starts[1:], strict=False), 1)
        if start - end > _DAY
    ]
    for first, beyond in pairwise([0, *gaps, len(starts)]):
        if first < beyond:
            yield starts[first], ends[beyond - 1]


def _last_date(partition: Partition, start: date) -> date:
    if partition.by == "DAY":
        return start
    return (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
