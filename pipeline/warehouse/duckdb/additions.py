"""What people have made of DuckDB tables: what a commit would drop of it, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import duckdb

from pipeline.errors import RunError
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT, literal, quoted
from transforms.contract import Table

_OF_PEOPLE = (
    "FROM duckdb_views() "
    "WHERE NOT internal AND NOT temporary AND database_name = current_database()"
)
_HERE = "schema_name = 'main' AND database_name = current_database()"


class _Column(NamedTuple):
    table: str
    name: str
    type: str
    nullable: bool
    default: str | None


def refuse_conflicts(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], path: str
) -> None:
    """See that tables that exist hold nothing that a replacement would drop.

    Indexes are kept by `apply`, and views on the tables stay as they are.

    Args:
        connection: to the file.
        tables: the contracts; tables that are missing are fine.
        path: the file, for people.

    Raises:
        RunError: if one has a column, a default or a constraint that is not the contract's.
    """
    if not tables:
        return
    columns = _columns(connection)
    constraints = _constraints(connection)
    views = _views(connection)
    problems = [
        f"{table.name}: {problem}"
        for table in tables
        for problem in _problems(
            table,
            table.name in views,
            [] if table.name in views else columns.get(table.name, []),
            constraints.get(table.name, []),
        )
    ]
    if problems:
        raise RunError(
            f"{path} holds tables that are not as expected: {'; '.join(problems)}. A run would "
            "drop that, so nothing was changed: keep what is yours in a table or view of its own, "
            "remove it here (ALTER TABLE ... DROP ...), or name another file, and run again"
        )


@contextmanager
def views_that_follow(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Create views again where a commit has given tables other columns.

    DuckDB 1.4 refuses a view of SELECT * whose table has more columns than when it was made. Each
    is made after the commit, by itself: one that can't be would take back all of it.
    """
    if not connection.execute(f"SELECT 1 {_OF_PEOPLE} LIMIT 1").fetchone():
        yield
        return
    before = _columns(connection)
    yield
    # What is committed stands, whatever becomes of views.
    with suppress(duckdb.Error):
        _follow(connection, before)


def _follow(connection: duckdb.DuckDBPyConnection, before: Mapping[str, Sequence[_Column]]) -> None:
    after = _columns(connection)
    if all(after.get(name) == columns for name, columns in before.items()):
        return
    for schema, name, statement, comment in connection.execute(
        f"SELECT schema_name, view_name, sql, comment {_OF_PEOPLE}"
    ).fetchall():
        # One that can't be made, because what it reads is gone, stays as it is.
        with suppress(duckdb.Error):
            connection.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
            view = f"{quoted(schema)}.{quoted(name)}"
            if comment is not None:
                connection.execute(f"COMMENT ON VIEW {view} IS {literal(comment)}")


def _problems(
    table: Table, is_view: bool, columns: Sequence[_Column], constraints: Sequence[str]
) -> Iterator[str]:
    if is_view:
        yield "it is a VIEW, not a TABLE"
        return
    expected = {column.name: column for column in table.columns}
    for found in columns:
        column = expected.get(found.name)
        if column is None:
            yield f"it has a column {found.name} {found.type} that is not expected"
        elif found.type != DIALECT.types[column.type]:
            yield f"its column {found.name} is {found.type}, not {DIALECT.types[column.type]}"
        elif found.default is not None:
            yield f"its column {found.name} has a default or an expression, {found.default}"
        # The other way round does no harm, and a run that replaces the table repairs it.
        elif not column.required and not found.nullable:
            yield f"its column {found.name} is NOT NULL, which is not expected"
    for constraint in constraints:
        yield f"it has a constraint {constraint} that is not expected"


def _columns(connection: duckdb.DuckDBPyConnection) -> Mapping[str, list[_Column]]:
    found: dict[str, list[_Column]] = {}
    for row in connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        f"FROM duckdb_columns() WHERE {_HERE} ORDER BY column_index"
    ).fetchall():
        found.setdefault(row[0], []).append(_Column(*row))
    return found


def _constraints(connection: duckdb.DuckDBPyConnection) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, text in connection.execute(
        "SELECT table_name, constraint_text FROM duckdb_constraints() "
        f"WHERE {_HERE} AND constraint_type <> 'NOT NULL'"
    ).fetchall():
        found.setdefault(table, []).append(text)
    return found


def _views(connection: duckdb.DuckDBPyConnection) -> set[str]:
    asked = f"SELECT view_name FROM duckdb_views() WHERE {_HERE}"
    return {name for (name,) in connection.execute(asked).fetchall()}
