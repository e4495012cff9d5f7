"""Reading DuckDB files beside a database that stays open: opening one for itself takes 15 ms.

DuckDB lists its 3,000 functions anew for each file that is opened: a fifth of the time of all tests
of small warehouses. Attached to a database that is open, a file is read after 2 ms. Tests read so,
and so does the code that they test, but where a test uses the fixture `opened`, in commands that
run as forks, and under THOROUGH=1.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from pipeline.warehouse import duckdb as warehouse
from pipeline.warehouse.duckdb import database_file
from tests.support.thorough import THOROUGH

AS_IT_IS: Final = database_file.connected
_PATIENCE_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 0.01


@contextmanager
def reading(database: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that only reads a file."""
    with _Attached(str(database)) as connection:
        yield connection


def asked(database: Path | str, statement: str) -> list[Any]:
    """The rows that a statement gives."""
    with reading(database) as connection:
        return connection.execute(statement).fetchall()


def attach_what_is_read() -> None:
    """Let the code that is tested read so as well, in this process and from now on."""
    if not THOROUGH:
        let_connect(_connected)


def let_connect(connected: Any) -> None:
    """Put a function in the place of the one that opens a file."""
    vars(database_file)["connected"] = vars(warehouse)["connected"] = connected


class _Beside:
    """A database without tables, and the files that are attached to it.

    Attributes:
        connection: to it.
        lock: held where files come and go.
        files: by path the name that a file has, and how many read it.
    """

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.lock = threading.Lock()
        self.files: dict[str, tuple[str, int]] = {}
        self._numbers = itertools.count()
        atexit.register(self.connection.close)

    def attach(self, path: str) -> duckdb.DuckDBPyConnection:
        """A connection to a file that is read."""
        with self.lock:
            name, readers = self.files.get(path, (f"file_{next(self._numbers)}", 0))
            if not readers:
                quoted = path.replace("'", "''")
                self.connection.execute(f"ATTACH '{quoted}' AS {name} (READ_ONLY)")
            self.files[path] = name, readers + 1
            cursor = self.connection.cursor()
        cursor.execute(f"USE {name}")
        return cursor

    def let_go(self, path: str, cursor: duckdb.DuckDBPyConnection) -> None:
        """Take a connection back."""
        cursor.close()
        with self.lock:
            name, readers = self.files.pop(path)
            if readers > 1:
                self.files[path] = name, readers - 1
            else:
                self.connection.execute(f"DETACH {name}")


@functools.cache
def _beside(process: int) -> _Beside:
    """That of a process: what is forked from it has its own."""
    return _Beside()


class _Attached:
    """What a file is read through, in a `with` statement."""

    def __init__(self, path: str):
        self._path, self._beside = os.path.realpath(path), _beside(os.getpid())
        self._connection = self._beside.attach(self._path)

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._beside.let_go(self._path, self._connection)


def _connected(path: str, *, read_only: bool) -> Any:
    """See `database_file.connected`, which says what is wrong where something is."""
    if read_only:
        try:
            return _Attached(path)
        except duckdb.Error:
            return AS_IT_IS(path, read_only=True)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return AS_IT_IS(path, read_only=False)
        except duckdb.Error as error:
            # Another thread reads it.
            if "file handle conflict" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
