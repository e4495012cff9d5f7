"""Tables in a local DuckDB file."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from pipeline.errors import OptionError, RunError
from pipeline.paths import from_home, shown
from pipeline.warehouse.capabilities import Capabilities, FileLayout
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.checksums import see_unchanged
from pipeline.warehouse.duckdb.additions import refuse_conflicts, views_that_follow
from pipeline.warehouse.duckdb.database_file import (
    MEMORY,
    checked,
    compact,
    connected,
    make_readable_everywhere,
    reading,
    reason,
)
from pipeline.warehouse.duckdb.declarations import declare
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT
from pipeline.warehouse.duckdb.file_lock import locked
from pipeline.warehouse.duckdb.semi_joins import matches, staged_matches
from pipeline.warehouse.duckdb.table_changes import apply, insert, replace_rows
from pipeline.warehouse.local_staging import staging_folder
from pipeline.warehouse.lookups import FoundRows, Lookup
from transforms.contract import Table
from transforms.google_sql import MACROS

_BATCH_ROWS: Final = 100_000
# Where commits noted the active event types before warehouse_settings was there.
_ACTIVE_TYPES: Final = "growth_active_event_types"
_FIRST_LOOK: Final = (
    "SELECT event_date, daily_active_users, new_users, retained_users, resurrected_users, "
    "churned_users FROM growth_metrics ORDER BY event_date DESC LIMIT 7"
)


@dataclass(frozen=True)
class DuckDBWarehouse:
    """The warehouse `duckdb:///path`: one file, written by one run at a time.

    Attributes:
        path: the file's absolute path.
        url: the URL as it was given.
    """

    path: str
    url: str

    capabilities = Capabilities(
        workers_must_be_local=True,
        layout=FileLayout(),
        keeps_deleted=(
            "copies and backups of the file, and snapshots of its disk",
            "blocks of the disk that the file lay in before, until something else is written there",
        ),
        keeps_until_compacted=("the DuckDB file itself, until a forget rewrites it",),
    )

    @classmethod
    def from_url(cls, url: str) -> DuckDBWarehouse:
        """The warehouse of a SQLAlchemy URL: three slashes and a relative path, four and an
        absolute one; ~ is the home folder, as in a shell.

        Raises:
            OptionError: if the URL names no file, or one that DuckDB can't write.
        """
        parts = urlsplit(url)
        relative = parts.path.removeprefix("/")
        if parts.netloc or parts.query or parts.fragment or relative in ("", ":memory:"):
            raise OptionError(
                f"--warehouse {url!r} names no file: write duckdb:///relative/path.duckdb or "
                "duckdb:////absolute/path.duckdb, without a host and without parameters"
            )
        path = os.path.realpath(_path_of(relative))
        # DuckDB takes ? for the beginning of parameters when it names a file's log, and \\ for /.
        if "?" in path or "\\" in path:
            raise OptionError(
                f"--warehouse: DuckDB can't write {path}: rename what has a ? or a \\ in its name, "
                "or name another place"
            )
        return cls(path, url)

    @property
    def location(self) -> str:
        """See `TableWriter.location`."""
        return self.path

    def check_staging(self, temp_location: str | None) -> None:
        """See `TableWriter.check_staging`."""
        if temp_location and "://" in temp_location:
            raise OptionError(
                f"--temp_location {temp_location!r} is no folder on this machine, where DuckDB "
                "reads staged files: name a local one, or leave it out"
            )
        parent = Path(self.path).parent
        for folder in (parent, Path(from_home(temp_location)) if temp_location else parent):
            present = next(parent for parent in (folder, *folder.parents) if parent.exists())
            if not present.is_dir() or not os.access(present, os.W_OK):
                raise OptionError(f"can't write in {present}: choose another folder")

    def check(self, tables: Sequence[Table], temp_location: str | None) -> None:
        """See `TableWriter.check`."""
        if os.path.isdir(self.path):
            raise OptionError(f"--warehouse: {self.path} is a folder: name a file in it")
        self.check_staging(temp_location)
        if os.path.exists(self.path):
            with checked(self.path) as connection:
                refuse_conflicts(connection, tables, self.path)

    @contextmanager
    def lock(self, tables: Sequence[Table], temp_location: str | None, run: str) -> Iterator[str]:
        """See `TableWriter.lock`; the lock dies with the run, however it ends."""
        parent = Path(self.path).parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"--warehouse: can't make {parent}: {error.strerror}") from error
        with locked(Path(self.path)):
            make_readable_everywhere(self.path)
            # A relative name would be another folder for workers that change theirs.
            root = Path(os.path.abspath(from_home(temp_location))) if temp_location else parent
            with staging_folder(self.path, root) as folder:
                yield folder

    def claim(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """See `TableWriter.claim`; it can't be."""
        raise OptionError(
            f"--warehouse {self.url} is a file on this machine: a run that goes on elsewhere needs "
            "bigquery://project/dataset"
        )

    resume = claim

    def commit(self, changes: Sequence[Change], run: str) -> None:
        """See `TableWriter.commit`."""
        self.commit_and_keep(changes, run)
        self.remove_staged([file.path for change in changes for file in change.staged])

    def commit_and_keep(self, changes: Sequence[Change], run: str) -> None:
        """See `TableWriter.commit_and_keep`; one transaction for all changes."""
        files = [Path(file.path) for change in changes for file in change.staged]
        # Tells a commit that is tried again that it was done.
        done = files[0].with_name(f"{run}.committed") if files else None
        if done is not None and done.exists():
            return
        try:
            try:
                self._commit(changes, f"SET memory_limit = '{MEMORY}'")
            except duckdb.OutOfMemoryException:
                # A few rows of many megabytes take more; nothing was committed.
                self._commit(changes, "RESET memory_limit")
        except duckdb.Error as error:
            raise RunError(reason(self.path, error)) from error
        except UnicodeDecodeError as error:
            # DuckDB quotes the damaged bytes of a file in its message, which then is no text.
            raise RunError(
                f"a staged file can't be read, other bytes were written to it ({error}); "
                "no table was touched. See that the disk is sound, and run again"
            ) from error
        if done is not None:
            done.touch()

    def remove_staged(self, paths: Sequence[str]) -> None:
        """See `TableWriter.remove_staged`."""
        for path in paths:
            Path(path).unlink(missing_ok=True)

    def _commit(self, changes: Sequence[Change], memory: str) -> None:
        with connected(self.path, read_only=False) as connection:
            connection.execute(memory)
            connection.execute("SET preserve_insertion_order = false")
            with views_that_follow(connection):
                connection.begin()
                replaced = [
                    change.table
                    for change in changes
                    if change.disposition is WriteDisposition.REPLACE
                ]
                refuse_conflicts(connection, replaced, self.path)
                declare(connection, [c.table for c in changes if c.table not in replaced])
                apply(connection, changes)
                for change in changes:
                    see_unchanged(change.staged)
                connection.commit()

    def note(self, table: Table, rows: pa.Table) -> None:
        """See `TableWriter.note`."""
        try:
            with connected(self.path, read_only=False) as connection:
                connection.begin()
                replace_rows(connection, table, rows)
                connection.commit()
        except duckdb.Error as error:
            raise RunError(reason(self.path, error)) from error

    def add_note(self, table: Table, rows: pa.Table, run: str) -> None:
        """See `TableWriter.add_note`; here another run keeps this one out."""
        try:
            with locked(Path(self.path)), connected(self.path, read_only=False) as connection:
                connection.begin()
                insert(connection, table, rows)
                connection.commit()
        except duckdb.Error as error:
            raise RunError(reason(self.path, error)) from error

    def compact(self, staging: str) -> None:
        """See `TableWriter.compact`."""
        parent = Path(self.path).parent
        if os.stat(staging).st_dev == os.stat(parent).st_dev:
            compact(self.path, staging)
            return
        with staging_folder(self.path, parent) as folder:
            compact(self.path, folder)

    def read(self, table: Table) -> pa.Table:
        """See `TableReader.read`."""
        with reading(self.path) as connection:
            shown = ", ".join(map(DIALECT.name, table.column_names))
            rows = connection.sql(f'SELECT {shown} FROM "{table.name}"').to_arrow_table()
        return rows.cast(table.arrow_schema)

    def batches(
        self, table: Table, columns: Sequence[str], since: date | None = None
    ) -> Iterator[pa.Table]:
        """See `TableReader.batches`."""
        schema = pa.schema([table.arrow_schema.field(name) for name in columns])
        shown = ", ".join(f'"{name}"' for name in columns)
        kept = f" WHERE {DIALECT.name(table.days)} >= DATE '{since}'" if since else ""
        with reading(self.path) as connection:
            rows = connection.sql(f'SELECT {shown} FROM "{table.name}"{kept}')
            for batch in rows.to_arrow_reader(_BATCH_ROWS):
                yield pa.Table.from_batches([batch]).cast(schema)

    def look_up(self, lookups: Sequence[Lookup], run: str) -> list[FoundRows]:
        """See `StateReader.look_up`; whoever reads the rows asks for them."""
        return [FoundRows(lookup) for lookup in lookups if lookup.files]

    def found(self, share: FoundRows) -> Iterator[pa.Table]:
        """See `StateReader.found`."""
        with reading(self.path) as connection:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            yield from staged_matches(connection, share.lookup)

    def rows_with(self, table: Table, columns: Sequence[str], keys: pa.Table) -> pa.Table:
        """See `StateReader.rows_with`."""
        with reading(self.path) as connection:
            return matches(connection, table, columns, keys)

    def count(self, table: Table) -> int | None:
        """See `TableReader.count`."""
        counted = self._found(f'SELECT count(*) FROM "{table.name}"')
        return None if counted is None else int(counted)

    def active_event_types(self) -> tuple[str, ...] | None:
        """See `RunNotes.active_event_types`."""
        noted = self._found(f"SELECT {_ACTIVE_TYPES}()")
        return None if noted is None else tuple(str(noted).split(","))

    def last_run(self) -> str | None:
        """See `RunNotes.last_run`: a run that still works holds the lock."""
        return None

    def _found(self, query: str) -> Any:
        """The one value that a query gives; None where what it asks for is not there."""
        if not os.path.exists(self.path):
            return None
        try:
            with connected(self.path, read_only=True) as connection:
                row = connection.execute(query).fetchone()
        except duckdb.CatalogException:
            return None
        except duckdb.Error as error:
            raise RunError(reason(self.path, error)) from error
        return row[0] if row else None

    def present(self) -> set[str] | None:
        """See `TableReader.present`."""
        if not os.path.exists(self.path):
            return None
        (rows,) = self.ask(
            ["SELECT table_name FROM duckdb_tables() WHERE NOT temporary AND schema_name = 'main'"]
        )
        return {row["table_name"] for row in rows}

    def columns(self, tables: Sequence[Table]) -> Mapping[str, set[str]]:
        """See `TableReader.columns`."""
        (rows,) = self.ask(
            ["SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main'"]
        )
        found: dict[str, set[str]] = {}
        for row in rows:
            found.setdefault(row["table_name"], set()).add(row["column_name"])
        return {table.name: found[table.name] for table in tables if table.name in found}

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `TableReader.kept_open`; opening a file takes 12 ms, unless it is open."""
        if not os.path.exists(self.path):
            yield
            return
        with reading(self.path):
            yield

    def source(self, table: Table) -> str:
        """See `TableReader.source`."""
        return DIALECT.name(table.name)

    def ask(self, statements: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        """See `TableReader.ask`."""
        with reading(self.path) as connection:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            for macro in MACROS:
                connection.execute(macro)
            return [_rows(connection.execute(statement)) for statement in statements]

    def how_to_query(self) -> str:
        """See `TableReader.how_to_query`."""
        code = (
            f"import duckdb; print(duckdb.connect({json.dumps(shown(self.path))}, read_only=True)"
            f'.sql("{_FIRST_LOOK}"))'
        )
        return f"{shlex.quote(shown(sys.executable))} -c {shlex.quote(code)}"


def _path_of(part: str) -> str:
    """The path that a URL's part names: behind a fourth slash ~ is the home folder, too."""
    if part.startswith("/~/") and not os.path.exists("/~"):
        part = part.removeprefix("/")
    return from_home(part)


def _rows(answer: duckdb.DuckDBPyConnection) -> list[Mapping[str, Any]]:
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
