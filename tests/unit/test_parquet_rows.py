"""Rows of Parquet as JSON: few at a time, and how long they can be."""

from __future__ import annotations

import json
from datetime import datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels.parquet_rows import ParquetRows, longest_row

PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())]))
TEXTS = st.none() | st.text(max_size=20)
ROWS = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "bytes": st.none() | st.binary(max_size=9),
        "struct": st.none() | st.fixed_dictionaries({"a": TEXTS, "b": st.none() | st.floats()}),
        "pairs": st.none()
        | st.lists(
            st.fixed_dictionaries({"key": TEXTS, "value": st.none() | st.integers(-9, 9)}),
            max_size=3,
        ),
        "map": st.none() | st.dictionaries(st.text(max_size=3), TEXTS).map(lambda d: [*d.items()]),
        "at": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
        "label": TEXTS,
    }
)
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "bytes": pa.binary(),
        "struct": pa.struct([("a", pa.string()), ("b", pa.float64())]),
        "pairs": PAIRS,
        "map": pa.map_(pa.string(), pa.string()),
        "at": pa.timestamp("us"),
        "label": pa.string(),
    }
)


def table_of(rows: list[dict[str, object]]) -> pa.Table:
    table = pa.Table.from_pylist(rows, SCHEMA)
    place = table.schema.get_field_index("label")
    return table.set_column(place, "label", table["label"].dictionary_encode())


@given(st.lists(ROWS, max_size=3))
def test_no_row_is_longer_than_is_said_beforehand(rows: list[dict[str, object]]) -> None:
    table = table_of(rows)
    origin = ParquetRows(table, 0, None)
    texts = origin.payloads([*range(len(rows))])
    assert longest_row(table) >= max(map(len, texts), default=0)


def test_a_row_that_may_be_long_is_measured() -> None:
    texts = ["x" * 4_000_000, "y"]
    sizes = ParquetRows(pa.table({"a": texts}), 0, None).sizes()
    assert sizes.tolist() == [4_000_008, 9]
    assert not ParquetRows(pa.table({"a": ["x" * 1_000_000] * 30}), 0, None).sizes().any()


def test_rows_come_in_the_order_in_which_they_are_asked_for() -> None:
    origin = ParquetRows(pa.table({"n": range(1_000)}), 5, "{}")
    assert [json.loads(text)["n"] for text in origin.payloads([999, 0, 7])] == [999, 0, 7]
    assert (origin.payloads([]), origin.position(7), origin.attributes(7)) == ([], "12", "{}")
