"""What a warehouse is asked for, by role: reading, what is noted about runs, writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from pipeline.warehouse.capabilities import Capabilities
from pipeline.warehouse.changes import Change
from pipeline.warehouse.lookups import FoundRows, Lookup
from transforms.contract import Table


class TableReader(Protocol):
    """Reads tables; nothing is changed."""

    @property
    def url(self) -> str:
        """The SQLAlchemy URL that names it."""

    def read(self, table: Table) -> pa.Table:
        """A table's rows, with the contract's Arrow schema.

        Raises:
            RunError: if it can't be read.
        """

    def batches(
        self, table: Table, columns: Sequence[str], since: date | None = None
    ) -> Iterator[pa.Table]:
        """A table's rows in pieces of some 100,000, in any order, never all in memory.

        Args:
            table: the contract.
            columns: which columns, in this order; with the contract's Arrow types.
            since: of a table that is partitioned by dates only what lies in partitions from this
                date on, which nothing else is read of; None for all.

        Raises:
            RunError: if it can't be read.
        """

    def count(self, table: Table) -> int | None:
        """How many rows a table has; None if it is not there.

        Raises:
            RunError: if the warehouse can't be read.
        """

    def present(self) -> set[str] | None:
        """The names of its tables; None if the warehouse is not there.

        Raises:
            RunError: if it can't be read.
        """

    def columns(self, tables: Sequence[Table]) -> Mapping[str, set[str]]:
        """By name the columns that tables have; those that are missing are left out.

        Raises:
            RunError: if the warehouse can't be read.
        """

    def kept_open(self) -> AbstractContextManager[None]:
        """Where several questions are asked one after the other, and nothing is written.

        Raises:
            RunError: if it can't be read.
        """

    def source(self, table: Table) -> str:
        """A table as SQL that may follow FROM, whatever its queries must say."""

    def ask(self, statements: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        """The rows of each of some statements, which change nothing.

        Statements are of BigQuery's SQL, as far as `transforms.quality.declaration` goes.

        Raises:
            RunError: if one can't be answered.
        """

    def how_to_query(self) -> str:
        """A command line that shows a person some rows."""


class RunNotes(Protocol):
    """What is noted about the runs that wrote the tables."""

    def active_event_types(self) -> tuple[str, ...] | None:
        """Which event types made a user active in the tables, where a version that had no
        warehouse_settings wrote them and noted it otherwise; None where nobody has.

        Raises:
            RunError: if the warehouse can't be read.
        """

    def last_run(self) -> str | None:
        """The id of the run that claimed the tables last, and may still be running.

        None where no run has, or where `lock` keeps two apart.

        Raises:
            RunError: if the warehouse can't be read.
        """


class TableWriter(Protocol):
    """Changes tables.

    Workers stage Parquet files in a folder that launcher and workers reach; one step commits
    them. The writer travels to that step, so it holds addresses, never connections.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, and asks for."""

    @property
    def location(self) -> str:
        """Where it is: a path on this machine, or a name that no path has."""

    def check_staging(self, temp_location: str | None) -> None:
        """See that rows can be staged below a folder, as far as that needs no network.

        Raises:
            OptionError: if they can't.
        """

    def check(self, tables: Sequence[Table], temp_location: str | None) -> None:
        """See that tables can be staged and written; changes nothing.

        Raises:
            OptionError: if an option can't be right.
            RunError: if the warehouse can't be reached or written, or holds a table that the
                contract conflicts with.
        """

    def lock(
        self, tables: Sequence[Table], temp_location: str | None, run: str
    ) -> AbstractContextManager[str]:
        """Keep other runs out and give an empty folder for staged files, removed at the end.

        What earlier runs left behind is removed too.

        Args:
            tables: the contracts of all tables that the run may write.
            temp_location: below which folder to stage; None for the warehouse's own choice.
            run: the run's id: letters, digits and underscores.

        Raises:
            RunError: if another run writes to the warehouse, or it can't be written.
        """

    def claim(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """Like `lock` for a run that goes on when this process is gone: nothing is removed at
        its end, and no other run is kept out.

        Returns:
            An empty folder for staged files.

        Raises:
            OptionError: if workers elsewhere can't reach the warehouse.
            RunError: if it can't be written.
        """

    def resume(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """The folder for staged files of a run that has claimed the tables and goes on with other
        code; they are brought up to date, and what the run has staged stays.

        Raises:
            OptionError, RunError: as `claim` does.
        """

    def commit(self, changes: Sequence[Change], run: str) -> None:
        """Change tables by their staged files, which go then.

        All data is taken in first: an error there leaves every table as it was. A home that can
        be left halfway between tables is put right by committing again under the same run's id:
        what was done is not done twice.

        Args:
            changes: at most one for each table; a table that is missing is created.
            run: the id of the run, or of one commit of several.

        Raises:
            RunError: if it can't be done.
        """

    def commit_and_keep(self, changes: Sequence[Change], run: str) -> None:
        """As `commit`, but staged files stay: another commit may need them.

        Args:
            changes: as in `commit`.
            run: as in `commit`.

        Raises:
            RunError: if it can't be done.
        """

    def remove_staged(self, paths: Sequence[str]) -> None:
        """Remove staged files; what can't be removed stays for the next run, with a warning.

        Args:
            paths: where they lie.
        """

    def note(self, table: Table, rows: pa.Table) -> None:
        """Replace the rows of a small table of notes at once, whoever writes other tables now.

        No lock is asked for and none is held: the table is part of no other commit.

        Args:
            table: the contract; created where it is missing.
            rows: all its rows; a few thousand at most.

        Raises:
            RunError: if it can't be done; the table is as it was.
        """

    def add_note(self, table: Table, rows: pa.Table, run: str) -> None:
        """Add some rows to a table of notes; nothing else changes, and no run is kept out or loses
        its claim. For a run that was refused before it held the warehouse.

        Args:
            table: its contract.
            rows: with the contract's Arrow schema; none of them is in the table.
            run: the run's id.

        Raises:
            RunError: if they can't be written, be it that another run is at work.
        """

    def compact(self, staging: str) -> None:
        """See that nothing can be read any more of rows that have left the tables, as far as it is
        the home's to do; see `Capabilities.keeps_deleted`.

        Args:
            staging: the run's folder for staged files; the run holds the lock.

        Raises:
            RunError: if it can't be done; the tables are as they were.
        """


class StateReader(Protocol):
    """Finds the rows that an increment changes, among all that are there, by their keys.

    One step looks all of them up; its answer travels to workers, each of which reads a share. So
    the home is asked as often for a thousand shards of users as for one.
    """

    def look_up(self, lookups: Sequence[Lookup], run: str) -> list[FoundRows]:
        """Find rows by staged keys.

        Args:
            lookups: at most one for each table; without a file it finds nothing.
            run: the id of the run.

        Returns:
            Shares of what is found, in any number: they are read by `found`, while the run lasts.

        Raises:
            RunError: if a table is not there or can't be read.
        """

    def found(self, share: FoundRows) -> Iterator[pa.Table]:
        """The rows of a share in pieces of some 100,000, with the lookup's Arrow schema.

        Raises:
            RunError: if they can't be read.
        """

    def rows_with(self, table: Table, columns: Sequence[str], keys: pa.Table) -> pa.Table:
        """The rows that have one of some thousand keys at most.

        Args:
            table: the contract.
            columns: which columns are read.
            keys: by the names of columns that are compared; STRING, DATE or INTEGER.

        Raises:
            RunError: if they can't be read.
        """


class Warehouse(TableReader, StateReader, RunNotes, TableWriter, Protocol):
    """One home of tables, in all roles."""
