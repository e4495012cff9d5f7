"""What a home has made of staged files against what was staged, before a commit takes effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Final

from pipeline.errors import RunError
from pipeline.warehouse.changes import StagedFile
from transforms.contract import Column, Table, Type
from transforms.kernels.figures import (
    FLOAT_LIMIT,
    FLOAT_SCALE,
    OF_NOTHING,
    PER_BYTE,
    add,
    wrapped,
)

# The sum of a column's numbers as SQL, by type: see `transforms.kernels.figures`.
Sums = Mapping[Type, Callable[[str], str]]

DUCKDB_SUMS: Final[Sums] = {
    Type.INTEGER: lambda name: f"SUM({name})",
    Type.BOOLEAN: lambda name: f"SUM(CAST({name} AS BIGINT))",
    Type.DATE: lambda name: f"SUM({name} - DATE '1970-01-01')",
    Type.TIMESTAMP: lambda name: f"SUM(epoch_us({name}))",
    Type.FLOAT: lambda name: (
        f"SUM(CASE WHEN abs({name}) < {FLOAT_LIMIT} "
        f"THEN CAST(floor({name} * {FLOAT_SCALE}) AS BIGINT) END)"
    ),
    # Two sums, because each function by itself is computed once for each entry of a dictionary:
    # half the time of one sum. DuckDB's unicode('') is -1.
    Type.STRING: lambda name: f"SUM(strlen({name})) * {PER_BYTE} + SUM(unicode({name}))",
}

# BigQuery's INT64 overflows where it should wrap; a NUMERIC holds sums of 10^10 of them.
BIGQUERY_SUMS: Final[Sums] = {
    Type.INTEGER: lambda name: f"SUM(CAST({name} AS NUMERIC))",
    Type.BOOLEAN: lambda name: f"SUM(CAST({name} AS INT64))",
    Type.DATE: lambda name: f"SUM(UNIX_DATE({name}))",
    Type.TIMESTAMP: lambda name: f"SUM(CAST(UNIX_MICROS({name}) AS NUMERIC))",
    Type.FLOAT: lambda name: (
        f"SUM(IF(ABS({name}) < {FLOAT_LIMIT}, "
        f"CAST(CAST(FLOOR({name} * {FLOAT_SCALE}) AS INT64) AS NUMERIC), NULL))"
    ),
    Type.STRING: lambda name: (
        f"SUM(IF({name} = '', {OF_NOTHING}, BYTE_LENGTH({name}) * {PER_BYTE} + UNICODE({name})))"
    ),
}


def guard_statement(table: Table, source: str, quote: str, sums: Sums) -> str:
    """SQL for the rows that a source has, and for each column its count and sum.

    Args:
        table: the contract of the rows.
        source: the rows, as SQL that may follow FROM.
        quote: the character around names.
        sums: the home's `Sums`.
    """
    figures = (
        f"COUNT({name}), {sums[column.type](name)}"
        for column in table.columns
        for name in [f"{quote}{column.name}{quote}"]
    )
    return f"SELECT COUNT(*), {', '.join(figures)} FROM {source}"


def guard(table: Table, files: Sequence[StagedFile], answer: Sequence[object], source: str) -> None:
    """See that a home's answer to `guard_statement` is what was staged.

    Args:
        table: the contract of the rows.
        files: what was staged.
        answer: the one row of the answer.
        source: what was asked, for people.

    Raises:
        RunError: if it is not.
    """
    rows, *found = (int(value or 0) for value in answer)  # type: ignore[call-overload]
    staged = sum(file.rows for file in files)
    if rows != staged:
        raise _refusal(table, files, f"{source} has {rows:,} rows where {staged:,} were staged")
    if not all(file.figures for file in files):
        return  # Staged by a version that told rows alone.
    expected = reduce(add, (list(file.figures) for file in files))
    for place, column in enumerate(table.columns):
        was = (expected[2 * place], expected[2 * place + 1])
        now = (found[2 * place], wrapped(found[2 * place + 1]))
        if was != now:
            raise _refusal(table, files, _difference(column, source, was, now))


def _difference(column: Column, source: str, was: tuple[int, int], now: tuple[int, int]) -> str:
    return (
        f"column {column.name} of {source} has {now[0]:,} values that sum up to {now[1]}, where "
        f"{was[0]:,} that sum up to {was[1]} were staged"
    )


def _refusal(table: Table, files: Sequence[StagedFile], difference: str) -> RunError:
    return RunError(
        f"{table.name} was not loaded as it was staged: {difference}; nothing was changed. See "
        f"that nobody else writes below {files[0].path.rpartition('/')[0]}, and run again; if it "
        "happens again, stage elsewhere with --temp_location and report it as a bug"
    )
