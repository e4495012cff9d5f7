"""What a home has made of staged files against what was staged, before a commit takes effect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pipeline.errors import RunError
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.dialect import Dialect
from transforms.contract import Column, Table
from transforms.kernels.figures import add, wrapped


def guard_statement(table: Table, source: str, dialect: Dialect) -> str:
    """SQL for the rows that a source has, and for each column its count and sum.

    Args:
        table: the contract of the rows.
        source: the rows, as SQL that may follow FROM.
        dialect: how the home spells names and sums.
    """
    figures = (
        f"COUNT({name}), {dialect.sums[column.type](name)}"
        for column in table.columns
        for name in [dialect.name(column.name)]
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
        return  # Staged by a version that noted rows alone.
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
