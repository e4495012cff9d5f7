"""Cells are those that Python's csv module reads, of any size."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.replay.cells import rows_of


@pytest.mark.parametrize("delimiter", [",", ";"])
@given(text=st.text('ab",; \r\n\n', max_size=40))
@example(text='a, "b\r\nc"";"d\r\r\n\n"open')
@example(text=' \n"",')
def test_rows_are_those_of_the_csv_module(delimiter: str, text: str) -> None:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    expected = [(reader.line_num, cells) for cells in reader if cells]
    assert list(rows_of(text, delimiter)) == expected


def test_a_cell_may_be_larger_than_the_limit_of_the_csv_module() -> None:
    limit, large = csv.field_size_limit(), "x" * 300_000
    assert [row.cells for row in rows_of(f'a,"{large}"\n', ",")] == [["a", large]]
    assert csv.field_size_limit() == limit
