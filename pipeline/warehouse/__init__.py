"""Where tables live: one protocol, and the homes behind it, named by a SQLAlchemy URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from pipeline.errors import OptionError
from transforms.contract import Table


class Warehouse(Protocol):
    """One home of tables.

    Workers stage Parquet files in a folder that launcher and workers reach; one step commits
    them. A warehouse object travels to that step, so it holds addresses, never connections.
    """

    @property
    def url(self) -> str:
        """The SQLAlchemy URL that names it."""

    @property
    def location(self) -> str:
        """Where it is: a path on this machine, or a name that no path has."""

    @property
    def workers_must_be_local(self) -> bool:
        """Whether only workers on this machine can reach it."""

    def check(self, temp_location: str | None) -> None:
        """Raise OptionError if tables can't be written or staged; changes nothing."""

    def exclusive(self, temp_location: str | None) -> AbstractContextManager[str]:
        """Keep other runs out and give an empty folder for staged files, removed at the end.

        Raises:
            OptionError: if another run writes to the warehouse.
        """

    def replace(self, tables: Sequence[Table], staged: Mapping[str, Sequence[str]]) -> None:
        """Replace tables by their staged files: all of them or, on any error, none.

        Args:
            tables: their contracts; each is created where it is missing.
            staged: paths of Parquet files by table name; a table without any becomes empty.

        Raises:
            RunError: if it can't be done.
        """

    def read(self, table: Table) -> pa.Table:
        """A table's rows, with the contract's Arrow schema.

        Raises:
            RunError: if it can't be read.
        """

    def how_to_query(self) -> str:
        """A command line that shows a person some rows."""


def open_warehouse(url: str) -> Warehouse:
    """The warehouse that a URL names; nothing is opened or created yet.

    Raises:
        OptionError: if the URL is none, or of a kind that is not known.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _HOMES:
        raise OptionError(
            f"--warehouse {url!r} is not the URL of a known warehouse: give "
            "duckdb:///relative/path.duckdb or duckdb:////absolute/path.duckdb"
        )
    return _HOMES[scheme](url)


def _duckdb(url: str) -> Warehouse:
    from pipeline.warehouse.duckdb import DuckDBWarehouse

    return DuckDBWarehouse.from_url(url)


_HOMES: Final[Mapping[str, Callable[[str], Warehouse]]] = {"duckdb": _duckdb}
