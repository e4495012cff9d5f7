"""Tables in a local DuckDB file."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from pipeline.errors import OptionError, RunError
from pipeline.warehouse.changes import Change, How, StagedFile
from pipeline.warehouse.merging import Dialect, merge_statement
from transforms.contract import (
    BOOLEAN,
    DATE,
    FLOAT,
    INTEGER,
    STRING,
    TIMESTAMP,
    Column,
    Table,
    Type,
)

_TYPES: Final[Mapping[Type, str]] = {
    STRING: "VARCHAR",
    INTEGER: "BIGINT",
    FLOAT: "DOUBLE",
    BOOLEAN: "BOOLEAN",
    DATE: "DATE",
    TIMESTAMP: "TIMESTAMP",
}

_DIALECT: Final = Dialect('"', _TYPES)

# DuckDB takes 80 % of the machine's memory otherwise, beside the runner that still holds its own.
_MEMORY: Final = "1GB"
_STAGING: Final = "staging"
# Somebody who looks into the tables of a running stream has them open for a moment.
_PATIENCE_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 0.1
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

    workers_must_be_local = True

    @classmethod
    def from_url(cls, url: str) -> DuckDBWarehouse:
        """The warehouse of a SQLAlchemy URL: three slashes and a relative path, four and an
        absolute one.

        Raises:
            OptionError: if the URL names no file.
        """
        parts = urlsplit(url)
        relative = parts.path.removeprefix("/")
        if parts.netloc or parts.query or parts.fragment or relative in ("", ":memory:"):
            raise OptionError(
                f"--warehouse {url!r} names no file: write duckdb:///relative/path.duckdb or "
                "duckdb:////absolute/path.duckdb, without a host and without parameters"
            )
        return cls(os.path.realpath(relative), url)

    @property
    def location(self) -> str:
        """See `Warehouse.location`."""
        return self.path

    def check_staging(self, temp_location: str | None) -> None:
        """See `Warehouse.check_staging`."""
        if temp_location and "://" in temp_location:
            raise OptionError(
                f"--temp_location {temp_location!r} is no folder on this machine, where DuckDB "
                "reads staged files: name a local one, or leave it out"
            )
        parent = Path(self.path).parent
        for folder in (parent, Path(temp_location) if temp_location else parent):
            present = next(parent for parent in (folder, *folder.parents) if parent.exists())
            if not present.is_dir() or not os.access(present, os.W_OK):
                raise OptionError(f"can't write in {present}: choose another folder")

    def check(self, tables: Sequence[Table], temp_location: str | None) -> None:
        """See `Warehouse.check`."""
        path = Path(self.path)
        if path.is_dir():
            raise OptionError(f"--warehouse: {path} is a folder: name a file in it")
        self.check_staging(temp_location)
        if path.exists():
            self._check_file(path)

    def _check_file(self, path: Path) -> None:
        # DuckDB itself opens CSV, Parquet and JSON files as databases in memory.
        with path.open("rb") as file:
            start = file.read(12)
        if start and start[8:] != b"DUCK":
            raise OptionError(f"--warehouse: {path} is a file, but no DuckDB database")
        try:
            duckdb.connect(self.path).close()
        except duckdb.Error as error:
            raise OptionError(f"--warehouse: {_reason(self.path, error)}") from error

    @contextmanager
    def exclusive(
        self, tables: Sequence[Table], temp_location: str | None, run: str
    ) -> Iterator[str]:
        """See `Warehouse.exclusive`; the lock dies with the run, however it ends."""
        root = Path(temp_location) if temp_location else Path(self.path).parent
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(parents=True, exist_ok=True)
        staging = f"{Path(self.path).name}.{_STAGING}-"
        with _locked(Path(self.path)):
            # Whatever lies here was left by a run that was killed: its lock is gone.
            for leftover in root.glob(f"{glob.escape(staging)}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            folder = tempfile.mkdtemp(prefix=staging, dir=root)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def commit(self, changes: Sequence[Change], run: str) -> None:
        """See `Warehouse.commit`; one transaction for all changes."""
        try:
            self._commit(changes, f"SET memory_limit = '{_MEMORY}'")
        except duckdb.OutOfMemoryException:
            # A few rows of many megabytes take more; nothing was committed.
            self._commit(changes, "RESET memory_limit")

    def _commit(self, changes: Sequence[Change], memory: str) -> None:
        try:
            with _connected(self.path, read_only=False) as connection:
                connection.execute(memory)
                connection.execute("SET preserve_insertion_order = false")
                connection.begin()
                for change in changes:
                    _apply(connection, change)
                connection.commit()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise RunError(_reason(self.path, error)) from error

    def read(self, table: Table) -> pa.Table:
        """See `Warehouse.read`."""
        try:
            with _connected(self.path, read_only=True) as connection:
                rows = connection.sql(f'FROM "{table.name}"').to_arrow_table()
        except duckdb.Error as error:
            raise RunError(_reason(self.path, error)) from error
        return rows.cast(table.arrow_schema)

    def count(self, table: Table) -> int | None:
        """See `Warehouse.count`."""
        if not os.path.exists(self.path):
            return None
        try:
            with _connected(self.path, read_only=True) as connection:
                counted = connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
        except duckdb.CatalogException:
            return None
        except duckdb.Error as error:
            raise RunError(_reason(self.path, error)) from error
        return int(counted[0]) if counted else None

    def how_to_query(self) -> str:
        """See `Warehouse.how_to_query`."""
        code = (
            f"import duckdb; print(duckdb.connect({json.dumps(_shown(self.path))}, read_only=True)"
            f'.sql("{_FIRST_LOOK}"))'
        )
        return f"{shlex.quote(_shown(sys.executable))} -c {shlex.quote(code)}"


def _connected(path: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection, once no other program has the file open in a way that keeps this one out."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.IOException as error:
            if "set lock" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside a database, or raise OptionError if another run holds it."""
    lock = path.with_name(f"{path.name}.lock")
    while True:
        held = lock.open("w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            raise OptionError(
                f"--warehouse: another run is writing to {path}: wait until it ends"
            ) from None
        # A run that ends removes the file: a lock on the removed one keeps nobody out.
        if lock.exists() and lock.stat().st_ino == os.fstat(held.fileno()).st_ino:
            break
        held.close()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        held.close()


def _shown(path: str) -> str:
    """A path as a person types it here: relative where it lies below this folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _apply(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    table = change.table
    _create(connection, table, replacing=change.how is How.REPLACE)
    rows = _staged(table, change.files)
    if change.how is How.MERGE and (change.files or change.removed):
        removed = _staged(table.removals, change.removed)
        target = _DIALECT.name(table.name)
        connection.execute(merge_statement(table, target, rows, removed, "TRUE", _DIALECT))
    elif rows is not None:
        connection.execute(f'INSERT INTO "{table.name}" BY NAME FROM {rows}')


def _create(connection: duckdb.DuckDBPyConnection, table: Table, *, replacing: bool) -> None:
    columns = ", ".join(_definition(table, column) for column in table.columns)
    create = "CREATE OR REPLACE TABLE" if replacing else "CREATE TABLE IF NOT EXISTS"
    connection.execute(f'{create} "{table.name}" ({columns})')
    connection.execute(f'COMMENT ON TABLE "{table.name}" IS {_literal(table.description)}')
    for column in table.columns:
        connection.execute(
            f'COMMENT ON COLUMN "{table.name}"."{column.name}" IS {_literal(column.description)}'
        )


def _staged(table: Table, files: Sequence[StagedFile]) -> str | None:
    """Staged rows as SQL that may follow FROM, or None without any."""
    if not files:
        return None
    paths = ", ".join(_literal(file.path) for file in files)
    # A cast of TIMESTAMP WITH TIME ZONE goes by the session's zone, and takes six times as long.
    columns = ", ".join(
        f'make_timestamp(epoch_us("{column.name}")) AS "{column.name}"'
        if column.type == TIMESTAMP
        else f'"{column.name}"'
        for column in table.columns
    )
    return f"(SELECT {columns} FROM read_parquet([{paths}]))"


def _definition(table: Table, column: Column) -> str:
    # The default compression looks for repetition in hashes in vain: 40 % of their loading time.
    is_hash = column.type == STRING and table.primary_key == (column.name,) != table.clustering
    return (
        f'"{column.name}" {_TYPES[column.type]}{" NOT NULL" if column.required else ""}'
        f"{' USING COMPRESSION zstd' if is_hash else ''}"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _reason(path: str, error: duckdb.Error) -> str:
    first_line = str(error).splitlines()[0]
    if "set lock" in first_line:
        return f"{path} is open in another program; close it there and run again ({first_line})"
    return f"DuckDB can't use {path}: {first_line}"
