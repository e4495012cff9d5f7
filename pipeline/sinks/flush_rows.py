"""The rows of a table that have come for a flush -> those that are staged for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract import Table
from transforms.kernels.versions import newest

# Keys that were merged lately: strings.
NONE: Final = pa.array([], pa.string())


def rows_to_stage(
    table: Table,
    parts: Iterable[tuple[str, pa.Table]],
    appends: bool = True,
    merged: pa.Array = NONE,
) -> Iterator[tuple[Table, pa.Table]]:
    """By contract the rows to stage: of each key the newest version.

    A row that was new and has changed since is still new, and its newest version is appended.

    Args:
        table: the contract; new rows come under the name of `table.appended`, rows that change
            under the table's own, keys that leave under that of `table.deletes`. A table that is
            appended to has a key of one column.
        parts: (name of a contract, rows), also of other tables.
        appends: whether new rows are staged as such; else they are merged as those that change.
        merged: keys of which a version was merged lately: it has overtaken the row that was new,
            which is merged as well, and changes nothing.
    """
    by_name: dict[str, list[pa.Table]] = {}
    for name, rows in parts:
        by_name.setdefault(name, []).append(rows)
    own = by_name.get(table.name, [])
    if not table.primary_key:
        yield from _some(table, own)
        return
    new = by_name.get(table.appended.name, [])
    if not new or not appends:
        yield from _some(table, [*new, *own])
    else:
        (key,) = table.primary_key
        keys = pc.unique(pa.concat_tables(new)[key].cast(pa.string()).combine_chunks())
        latest = _newest(table, pa.concat_tables([*new, *own]))
        found = latest[key].cast(pa.string())
        is_new = pc.and_not(pc.is_in(found, keys), pc.is_in(found, merged))
        yield from _some(table.appended, [latest.filter(is_new)])
        yield from _some(table, [latest.filter(pc.invert(is_new))])
    yield from _some(table.deletes, by_name.get(table.deletes.name, []))


def _some(contract: Table, parts: list[pa.Table]) -> Iterator[tuple[Table, pa.Table]]:
    found = [part for part in parts if part.num_rows]
    if found:
        yield contract, _newest(contract, pa.concat_tables(found))


def _newest(table: Table, rows: pa.Table) -> pa.Table:
    if not table.primary_key or table.written_at is None:
        return rows
    return newest(rows, table.primary_key, table.written_at)
