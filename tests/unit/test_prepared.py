"""A statement that was planned once answers of the tables that are there now."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.quality.prepared import PreparedStatements

ASKED = "SELECT COUNT(*) AS n, SUM(number) AS total, MAX(word) AS word FROM t"
JOINED = "SELECT COUNT(*) AS n FROM t JOIN u ON t.number = u.number"
tables = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("abc")))
# Columns may come in another order and encoded otherwise: that is planned anew.
forms = st.tuples(st.booleans(), st.booleans())


def table_of(rows: list[tuple[int | None, str | None]], form: tuple[bool, bool]) -> pa.Table:
    encoded, turned = form
    words = pa.array([word for _, word in rows], pa.string())
    columns = {
        "number": pa.array([number for number, _ in rows], pa.int64()),
        "word": words.dictionary_encode() if encoded else words,
    }
    return pa.table(dict(reversed(columns.items())) if turned else columns)


@given(st.lists(st.tuples(tables, forms, tables), min_size=1, max_size=6))
def test_answers_are_those_of_a_plain_loop(
    steps: list[
        tuple[
            list[tuple[int | None, str | None]],
            tuple[bool, bool],
            list[tuple[int | None, str | None]],
        ]
    ],
) -> None:
    with duckdb.connect() as connection:
        prepared = PreparedStatements(connection)
        for rows, form, others in steps:
            numbers = [number for number, _ in rows if number is not None]
            words = [word for _, word in rows if word is not None]
            there = {"t": table_of(rows, form), "u": table_of(others, (False, False))}
            with prepared.over(there):
                assert prepared.answer(ASKED) == {
                    "n": len(rows),
                    "total": sum(numbers) if numbers else None,
                    "word": max(words, default=None),
                }
                pairs = sum(number == other for number in numbers for other, _ in others)
                assert prepared.answer(JOINED) == {"n": pairs}


def test_a_statement_is_planned_once_and_rows_are_let_go_of() -> None:
    with duckdb.connect() as connection:
        prepared = PreparedStatements(connection)
        for number in range(3):
            with prepared.over({"t": pa.table({"number": [number], "word": ["a"]})}):
                assert prepared.answer(ASKED)["total"] == number
        ((planned,),) = connection.execute(
            "SELECT count(*) FROM duckdb_prepared_statements()"
        ).fetchall()
        assert planned == 1
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
