"""A DuckDB file as such: opening it, its format, and why it can't be used."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb

from pipeline.errors import OptionError, RunError
from pipeline.terminal import print_error
from pipeline.warehouse.duckdb.duckdb_sql import literal
from pipeline.warehouse.local_staging import staging_folder

# What DuckDB 1.4 and later open; by default DuckDB 2 writes files that only itself opens.
STORAGE_VERSION: Final = "v1.4.0"
# DuckDB takes 80 % of the machine's memory otherwise, beside the runner that still holds its own.
MEMORY: Final = "1GB"

# Somebody who looks into the tables has them open for a moment, a dashboard for somewhat longer.
_PATIENCE_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 0.1
_HOLDER: Final = re.compile(r"held in (.*?) ?\(PID (\d+)\)")
_INVENTORY: Final = (
    "SELECT 'table', schema_name, table_name, sql FROM duckdb_tables() WHERE {where} "
    "UNION ALL SELECT 'view', schema_name, view_name, sql FROM duckdb_views() WHERE {where} "
    "UNION ALL SELECT 'index', schema_name, index_name, sql FROM duckdb_indexes() WHERE {where} "
    "UNION ALL SELECT 'macro', schema_name, function_name, macro_definition "
    "FROM duckdb_functions() WHERE NOT internal AND {where}"
)


def connected(path: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection, once no other program has the file open in a way that keeps this one out.

    Who does is named on stderr, and waited for a minute.

    Raises:
        duckdb.Error: if it can't be opened.
    """
    config: dict[str, str | bool | int | float | list[str]] = {}
    if not read_only:
        config["storage_compatibility_version"] = STORAGE_VERSION
    deadline = time.monotonic() + _PATIENCE_SECONDS
    is_announced = False
    while True:
        try:
            return duckdb.connect(path, read_only=read_only, config=config)
        except duckdb.Error as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            if not is_announced:
                print_error(
                    f"{path} is open in {_holder(error)}: waiting up to {_PATIENCE_SECONDS} s"
                )
                is_announced = True
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def reading(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that only reads.

    Raises:
        RunError: in place of what DuckDB raises.
    """
    try:
        with connected(path, read_only=True) as connection:
            yield connection
    except duckdb.Error as error:
        raise RunError(reason(path, error)) from error


def reason(path: str, error: duckdb.Error) -> str:
    """Why DuckDB can't do what it was asked to, and what to do, in one line."""
    first_line = str(error).splitlines()[0]
    if _is_busy(error):
        return (
            f"{path} is open in {_holder(error)}, after {_PATIENCE_SECONDS} s still: close it "
            "there and run again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"DuckDB has too little memory for {path} ({first_line}): end other programs, or take "
            "a machine with more, and run again"
        )
    if "Permission denied" in first_line:
        return f"can't open {path} (permission denied): see who may read and write it"
    return f"DuckDB can't use {path}: {first_line}"


def _is_busy(error: duckdb.Error) -> bool:
    return "set lock" in str(error) or "different configuration" in str(error)


def _holder(error: duckdb.Error) -> str:
    found = _HOLDER.search(str(error))
    if found is None:
        return "another part of this program"
    program = os.path.basename(found[1])
    return f"{program if program.strip('.') else 'a program'} (PID {found[2]})"


@contextmanager
def checked(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file that exists, once it is seen to be a DuckDB database that can be
    written.

    Raises:
        OptionError: if it is none, or can't be.
        RunError: if another program keeps it open; in place of what DuckDB raises later.
    """
    if not os.path.isfile(path):
        raise OptionError(f"--warehouse: {path} is no file: name one, or one that is to be made")
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError as error:
        raise OptionError(
            f"--warehouse: can't read {path} ({error.strerror}): see who may read and write it"
        ) from error
    # DuckDB itself opens CSV, Parquet and JSON files as databases in memory.
    if start and start[8:] != b"DUCK":
        raise OptionError(f"--warehouse: {path} is a file, but no DuckDB database")
    try:
        opened = connected(path, read_only=False)
    except duckdb.Error as error:
        if _is_busy(error):
            raise RunError(reason(path, error)) from error
        raise OptionError(f"--warehouse: {reason(path, error)}") from error
    try:
        with opened:
            yield opened
    except duckdb.Error as error:
        raise RunError(reason(path, error)) from error


def make_readable_everywhere(path: str) -> None:
    """Rewrite a file that is in a format of DuckDB 2: with all that is in it, in a format that
    DuckDB 1.4 opens too. Where that can't be, it stays as it is, and stderr says so.

    Raises:
        RunError: if it can't be opened.
    """
    if not os.path.exists(path):
        return
    try:
        # Opened for writing, so that nobody else changes it meanwhile.
        with connected(path, read_only=False) as connection:
            if _format_of(connection) <= _parsed(STORAGE_VERSION):
                return
            print_error(
                f"{path} is in a format of DuckDB 2: it is rewritten, so that 1.4 opens it too"
            )
            with staging_folder(path, Path(path).parent) as folder:
                _replace(connection, path, folder)
    except duckdb.Error as error:
        if _is_busy(error):
            raise RunError(reason(path, error)) from error
        _tell_kept(path, error)
    except (OSError, OptionError) as error:
        _tell_kept(path, error)


def compact(path: str, folder: str) -> None:
    """Rewrite a file with the rows that its tables have, and nothing of those that left them.

    DuckDB marks rows as deleted, and overwrites them at some time. Emptying them first would not
    do: a checkpoint then writes their columns again, but the bytes before stay in blocks that other
    segments share, in use and out of reach.

    Args:
        path: the file.
        folder: where to write another one that takes its place; on the same file system.

    Raises:
        RunError: if it can't be; the file stays as it is.
    """
    try:
        with connected(path, read_only=False) as connection:
            _replace(connection, path, folder)
    except (duckdb.Error, OSError) as error:
        why = reason(path, error) if isinstance(error, duckdb.Error) else str(error)
        raise RunError(
            f"{path} could not be rewritten ({why}): its tables are as the run has left them, but "
            "what was deleted can still be read in the file. Make room for it once more on that "
            "disk, see that nobody has it open, and run again"
        ) from error


def _replace(connection: duckdb.DuckDBPyConnection, path: str, folder: str) -> None:
    """Put a copy of all that is in a file in its place."""
    part = os.path.join(folder, "rewritten.duckdb")
    # A log that stayed behind would be applied to the new file.
    connection.execute("CHECKPOINT")
    _rewrite(connection, part)
    found = os.stat(path)
    with suppress(PermissionError):  # Of somebody else's file: its group may not be ours to give.
        os.chown(part, found.st_uid, found.st_gid)
    shutil.copymode(path, part)
    for written in (part, folder):
        _sync(written)
    os.replace(part, path)
    _sync(os.path.dirname(path))


def _sync(path: str) -> None:
    """See that a file or folder is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _tell_kept(path: str, error: Exception) -> None:
    why = str(error).splitlines()[0]
    print_error(f"{path} stays in a format that DuckDB 1.x does not open ({why})")


def _rewrite(connection: duckdb.DuckDBPyConnection, part: str) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    old = f'"{row[0] if row else ""}"'
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    # In their order rows are copied by one thread alone: 11.3 s for 10 million events, and not 6.0
    # on two cores. Row groups stay together as they are.
    connection.execute("SET preserve_insertion_order = false")
    attached = f"ATTACH {literal(part)} AS rewritten (STORAGE_VERSION '{STORAGE_VERSION}')"
    connection.execute(attached)
    connection.execute(f"COPY FROM DATABASE {old} TO rewritten")
    inventories = [
        sorted(connection.execute(_INVENTORY.format(where=f"database_name = {name}")).fetchall())
        for name in ("current_database()", "'rewritten'")
    ]
    connection.execute("DETACH rewritten")
    if inventories[0] != inventories[1]:
        raise duckdb.Error("DuckDB does not copy all that is in it")


def _format_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    row = connection.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() "
        "WHERE database_name = current_database()"
    ).fetchone()
    return _parsed(str(row[0])) if row else ()


def _parsed(version: str) -> tuple[int, ...]:
    """(1, 4) of v1.4.0 and of v1.4.0+."""
    return tuple(map(int, re.findall(r"\d+", version)[:2]))
