"""Where tables live: the homes behind one protocol, named by a SQLAlchemy URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import OptionError
from pipeline.warehouse.roles import RunNotes, StateReader, TableReader, TableWriter, Warehouse

__all__ = [
    "RunNotes",
    "StateReader",
    "TableReader",
    "TableWriter",
    "Warehouse",
    "WarehouseOptions",
    "open_warehouse",
]


@dataclass(frozen=True)
class WarehouseOptions:
    """What a URL does not say of a warehouse; for BigQuery alone.

    Attributes:
        location: where a dataset is created, and must lie.
        require_partition_filter: whether queries of fct_events must say which dates they read;
            None leaves that as it is.
    """

    location: str | None = None
    require_partition_filter: bool | None = None


def open_warehouse(url: str, options: WarehouseOptions = WarehouseOptions()) -> Warehouse:
    """The warehouse that a URL names; nothing is opened or created yet.

    Raises:
        OptionError: if the URL is none, or of a kind that is unknown or does not take the options.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _HOMES:
        raise OptionError(
            f"--warehouse {url!r} is not the URL of a known warehouse: give "
            "duckdb:///relative/path.duckdb, duckdb:////absolute/path.duckdb or "
            "bigquery://project/dataset"
        )
    return _HOMES[scheme](url, options)


def _duckdb(url: str, options: WarehouseOptions) -> Warehouse:
    from pipeline.warehouse.duckdb import DuckDBWarehouse

    if options.location is not None or options.require_partition_filter is not None:
        raise OptionError(
            "--location and --require_partition_filter are for bigquery:// alone: leave them out "
            f"with --warehouse {url}"
        )
    return DuckDBWarehouse.from_url(url)


def _bigquery(url: str, options: WarehouseOptions) -> Warehouse:
    from pipeline.warehouse.bigquery import BigQueryWarehouse

    return BigQueryWarehouse.from_url(url, options.location, options.require_partition_filter)


_HOMES: Final[Mapping[str, Callable[[str, WarehouseOptions], Warehouse]]] = {
    "duckdb": _duckdb,
    "bigquery": _bigquery,
}
