"""Of each key the row that was written last."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels.versions import newest

_START = datetime(2024, 1, 1)
_ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 50)))


@given(rows=_ROWS, encoded=st.booleans(), split=st.integers(0, 9))
def test_the_newest_row_of_each_key_stays(
    rows: list[tuple[str, int, int]], encoded: bool, split: int
) -> None:
    expected: dict[tuple[str, int], int] = {}
    for name, number, second in rows:
        expected[name, number] = max(second, expected.get((name, number), 0))

    def table(part: list[tuple[str, int, int]]) -> pa.Table:
        names = pa.array([row[0] for row in part], pa.string())
        return pa.table(
            {
                "name": names.dictionary_encode() if encoded else names,
                "number": pa.array([row[1] for row in part], pa.int64()),
                "at": pa.array(
                    [_START + timedelta(seconds=row[2]) for row in part], pa.timestamp("us")
                ),
            }
        )

    kept = newest(
        pa.concat_tables([table(rows[:split]), table(rows[split:])]), ["name", "number"], "at"
    )
    found = {(row["name"], row["number"]): row["at"] for row in kept.to_pylist()}
    assert found == {key: _START + timedelta(seconds=at) for key, at in expected.items()}
    assert kept.num_rows == len(expected)
