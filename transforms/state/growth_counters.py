"""growth_counters: one row per counter that is not 0 on a date, in a month or in a cohort."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.contract import INTEGER, STRING, TIMESTAMP, Table, required
from transforms.data_error import DataError
from transforms.kernels.counters import GRIDS, Counters, Grid

TABLE = Table(
    name="growth_counters",
    description="One row per key and counter: the sums over all users that the marts are finished "
    "from, by dates, weeks, months, cohorts, segments and durations of sessions.",
    columns=(
        required("grid", STRING, f"What is counted by which key: {', '.join(GRIDS)}"),
        required(
            "key",
            INTEGER,
            "Of daily days since 1970-01-01, of monthly months since 1970-01, of weekly weeks; of "
            "the others several of them in one integer, as transforms/kernels/grid_keys.py says",
        ),
        required("counter", STRING, "Its name"),
        required("value", INTEGER, "The sum over all users; a counter without a row is 0"),
        required("written_at", TIMESTAMP, "When the row was written"),
    ),
    primary_key=("grid", "key", "counter"),
    written_at="written_at",
)


class CounterChanges(NamedTuple):
    """What another sum changes in growth_counters.

    Attributes:
        rows: those that are new or have another value.
        deletes: the keys of counters that are 0 now, with the schema of `TABLE.deletes`.
    """

    rows: pa.Table
    deletes: pa.Table


def rows(counters: Counters, written_at: pa.Scalar) -> pa.Table:
    """The rows of growth_counters that hold a sum over all users.

    Args:
        counters: the sum.
        written_at: the moment of writing.
    """
    return _table(
        [(name, grid, np.nonzero(grid.values)) for name, grid in _grids(counters)], written_at
    )


def changes(before: Counters, after: Counters, written_at: pa.Scalar) -> CounterChanges:
    """What becomes of growth_counters as it holds `before` when it is to hold `after`.

    Args:
        before, after: sums over all users.
        written_at: the moment of writing.
    """
    present, gone = [], []
    for (name, now), (_, change) in zip(_grids(after), _grids(after - before), strict=True):
        values = _values_at(now, change.keys)
        grid = Grid(now.names, change.keys, values)
        present.append((name, grid, np.nonzero((change.values != 0) & (values != 0))))
        gone.append((name, grid, np.nonzero((change.values != 0) & (values == 0))))
    leaving = _table(gone, written_at).select(list(TABLE.deletes.column_names))
    return CounterChanges(_table(present, written_at), leaving)


def counters_of(rows: pa.Table) -> Counters:
    """The sum over all users that rows of growth_counters hold, in any order.

    Raises:
        DataError: if a later version wrote them, with a counter that is not known here, or an
            earlier one, without some that others don't tell.
    """
    grids = rows["grid"]
    unknown = rows.filter(pc.invert(pc.is_in(grids, pa.array(list(GRIDS)))))
    if unknown.num_rows:
        _refuse_unknown(unknown["grid"][0].as_py(), unknown["counter"][0].as_py())
    found = Counters(
        **{
            name: _grid_of(name, names, rows.filter(pc.equal(grids, name)))
            for name, names in GRIDS.items()
        }
    )
    if found.lacking:
        raise DataError(
            f"growth_counters lacks the sums of {', '.join(found.lacking)}: an earlier version of "
            "the pipeline has written it. Build the tables from the stored events with python -m "
            "pipeline rebuild, and run this again then"
        )
    return found


def _grids(counters: Counters) -> Iterator[tuple[str, Grid]]:
    return ((name, getattr(counters, name)) for name in GRIDS)


def _values_at(grid: Grid, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values of some keys: int64 [keys, names], 0 where there is no row."""
    values = np.zeros((len(keys), len(grid.names)), np.int64)
    places = np.searchsorted(grid.keys, keys)
    known = np.flatnonzero(places < len(grid.keys))
    known = known[grid.keys[places[known]] == keys[known]]
    values[known] = grid.values[places[known]]
    return values


def _table(
    cells: list[tuple[str, Grid, tuple[NDArray[np.intp], ...]]], written_at: pa.Scalar
) -> pa.Table:
    """Rows of some cells, each a row and a column of a grid's values."""
    return TABLE.build(
        {
            "grid": pa.DictionaryArray.from_arrays(
                pa.array(np.repeat(np.arange(len(cells), dtype=np.int32), _lengths(cells))),
                pa.array([name for name, _, _ in cells]),
            ),
            "key": np.concatenate([grid.keys[row] for _, grid, (row, _) in cells]),
            "counter": pa.concat_arrays(
                [pa.array(grid.names).take(pa.array(column)) for _, grid, (_, column) in cells]
            ),
            "value": np.concatenate([grid.values[at] for _, grid, at in cells]),
            "written_at": written_at,
        }
    )


def _lengths(cells: list[tuple[str, Grid, tuple[NDArray[np.intp], ...]]]) -> list[int]:
    return [len(row) for _, _, (row, _) in cells]


def _grid_of(name: str, names: tuple[str, ...], rows: pa.Table) -> Grid:
    columns = pc.index_in(rows["counter"], pa.array(names))
    if columns.null_count:
        _refuse_unknown(name, rows["counter"].filter(columns.is_null())[0].as_py())
    keys, at = np.unique(rows["key"].to_numpy(), return_inverse=True)
    values = np.zeros((len(keys), len(names)), np.int64)
    values[at, columns.to_numpy()] = rows["value"].to_numpy()
    return Grid(names, keys, values)


def _refuse_unknown(grid: str, counter: str) -> None:
    raise DataError(
        f"growth_counters holds the counter {counter} of {grid}, which this version of the "
        "pipeline does not know: a later version wrote it; use that version, or build the tables "
        "again with this one"
    )
