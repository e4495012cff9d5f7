"""Dry runs: options are checked and the graph is translated; nothing is started or written.

`--dry_run True` still looks at what is there: input files, tables, the subscription. With
`--no_auth` it asks nobody, so that it works without network and credentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.errors import OptionError, RunError
from pipeline.launch.runners import Runner
from pipeline.terminal import say
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change
from transforms.contract import Table


@dataclass(frozen=True)
class DryRun:
    """Whether a run is a dry one.

    Attributes:
        asked: whether it is.
        offline: whether it is, and may ask nobody.
    """

    asked: bool
    offline: bool

    def guard(self, warehouse: Warehouse) -> Warehouse:
        """The warehouse, where it may be written; else one that leaves it as it is."""
        return UntouchedWarehouse(warehouse, not self.offline) if self.asked else warehouse

    def tell(self) -> None:
        """Say at the end of a dry run that it was one."""
        if self.asked:
            say("Dry run: the graph is translated for Dataflow; nothing was started or written")


def dry_run_of(given: Mapping[str, str], runner: Runner) -> DryRun:
    """What Beam's options say of a dry run.

    Raises:
        OptionError: if they ask for one in a way that Beam would understand otherwise.
    """
    if "dry_run" not in given:
        return DryRun(asked=False, offline=False)
    if given["dry_run"].lower() in ("false", "0", "no", ""):
        raise OptionError("--dry_run: Beam takes any value for true; leave it out for a real run")
    if runner.local:
        raise OptionError("--dry_run translates for Dataflow: add --runner DataflowRunner")
    return DryRun(asked=True, offline="no_auth" in given)


@dataclass(frozen=True)
class UntouchedWarehouse:
    """A warehouse that a dry run leaves as it is; a `Warehouse`.

    Attributes:
        home: the warehouse.
        online: whether it may be looked at.
    """

    home: Warehouse
    online: bool

    @property
    def url(self) -> str:
        """See `Warehouse.url`."""
        return self.home.url

    @property
    def location(self) -> str:
        """See `Warehouse.location`."""
        return self.home.location

    @property
    def workers_must_be_local(self) -> bool:
        """See `Warehouse.workers_must_be_local`."""
        return self.home.workers_must_be_local

    def check_staging(self, temp_location: str | None) -> None:
        """See `Warehouse.check_staging`."""
        self.home.check_staging(temp_location)

    def check(self, tables: Sequence[Table], temp_location: str | None) -> None:
        """See `Warehouse.check`; only as far as it needs no network, unless online."""
        if self.online:
            self.home.check(tables, temp_location)
        else:
            self.home.check_staging(temp_location)

    @contextmanager
    def lock(self, tables: Sequence[Table], temp_location: str | None, run: str) -> Iterator[str]:
        """A folder's name; nothing is created or claimed."""
        yield self.claim(tables, temp_location, run)

    def claim(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """A folder's name; nothing is created or claimed."""
        return f"{str(temp_location).rstrip('/')}/dry-run/{run}"

    resume = claim

    def last_run(self) -> str | None:
        """See `Warehouse.last_run`; a stream's unless online."""
        return self.home.last_run() if self.online else "stream_unknown"

    def commit(self, changes: Sequence[Change], run: str) -> None:
        """Raise RunError."""
        raise RunError("a dry run writes no table: leave out --dry_run, and run again")

    def read(self, table: Table) -> pa.Table:
        """See `Warehouse.read`."""
        return self.home.read(table)

    def batches(self, table: Table, columns: Sequence[str]) -> Iterator[pa.Table]:
        """See `Warehouse.batches`."""
        return self.home.batches(table, columns)

    def active_event_types(self) -> tuple[str, ...] | None:
        """See `Warehouse.active_event_types`."""
        return self.home.active_event_types()

    def present(self) -> set[str] | None:
        """See `Warehouse.present`."""
        return self.home.present()

    def columns(self, tables: Sequence[Table]) -> Mapping[str, set[str]]:
        """See `Warehouse.columns`."""
        return self.home.columns(tables)

    def source(self, table: Table) -> str:
        """See `Warehouse.source`."""
        return self.home.source(table)

    def ask(self, statements: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        """See `Warehouse.ask`."""
        return self.home.ask(statements)

    def count(self, table: Table) -> int | None:
        """See `Warehouse.count`; None unless online."""
        return self.home.count(table) if self.online else None

    def how_to_query(self) -> str:
        """See `Warehouse.how_to_query`."""
        return self.home.how_to_query()
