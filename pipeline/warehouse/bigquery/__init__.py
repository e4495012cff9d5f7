"""Tables in a BigQuery dataset."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from pipeline.errors import OptionError, RunError
from pipeline.google_names import DATASET, PROJECT
from pipeline.terminal import printable
from pipeline.warehouse.bigquery.client import QUICK, connect, explained
from pipeline.warehouse.bigquery.finishing import settle
from pipeline.warehouse.bigquery.jobs import side_by_side
from pipeline.warehouse.bigquery.key_queries import found, look_up, rows_with
from pipeline.warehouse.bigquery.limits import LAYOUT
from pipeline.warehouse.bigquery.loading import SCRATCH, Workplace
from pipeline.warehouse.bigquery.noting import add_note
from pipeline.warehouse.bigquery.reading import batches, count, read
from pipeline.warehouse.bigquery.tables import (
    ACTIVE_TYPES_LABEL,
    RUN_LABEL,
    bring_up_to_date,
    conflicts,
    find,
)
from pipeline.warehouse.bigquery.under_way import found_in
from pipeline.warehouse.capabilities import Capabilities
from pipeline.warehouse.changes import Change
from pipeline.warehouse.lookups import FoundRows, Lookup
from transforms.contract import Table
from transforms.marts import fct_events


@dataclass(frozen=True)
class BigQueryWarehouse:
    """The warehouse `bigquery://project/dataset`.

    Attributes:
        project: its id; jobs run there too.
        dataset: its name; created where it is missing.
        url: the URL as it was given.
        location_asked: where a new dataset is created, and an old one must lie; None for the US,
            or wherever it lies.
        require_partition_filter: whether queries of fct_events must say which dates they read;
            None leaves that as it is.
    """

    project: str
    dataset: str
    url: str
    location_asked: str | None = None
    require_partition_filter: bool | None = None

    capabilities = Capabilities(
        workers_must_be_local=False,
        layout=LAYOUT,
        keeps_deleted=(
            "time travel: tables as they were can be queried for 7 days, or as many (2 to 7) as "
            "the dataset says",
            "fail-safe: Google can bring tables back for 7 days more, on request",
            "snapshots, clones, copies and exports of the tables, and cached results of queries, "
            "for a day",
        ),
    )

    @classmethod
    def from_url(
        cls,
        url: str,
        location: str | None = None,
        require_partition_filter: bool | None = None,
    ) -> BigQueryWarehouse:
        """The warehouse of a SQLAlchemy URL.

        Raises:
            OptionError: if the URL names no project and dataset.
        """
        parts = urlsplit(url)
        project, dataset = parts.netloc, parts.path.strip("/")
        sound = re.fullmatch(PROJECT, project) and re.fullmatch(DATASET, dataset)
        if not sound or parts.query or parts.fragment:
            raise OptionError(
                f"--warehouse {url!r} names no project and dataset: write "
                "bigquery://project-id/dataset, without parameters; a dataset's name is of "
                "letters, digits and underscores"
            )
        return cls(project, dataset, url, location, require_partition_filter)

    @property
    def location(self) -> str:
        """See `TableWriter.location`."""
        return self.url

    def check_staging(self, temp_location: str | None) -> None:
        """See `TableWriter.check_staging`."""
        if not (temp_location or "").startswith("gs://"):
            raise OptionError(
                f"--warehouse {self.url} loads from Cloud Storage: name a folder there with "
                "--temp_location gs://bucket/folder"
            )
        # Staged files are listed and loaded by patterns: other folders would match as well.
        signs = sorted({*"*?[]{}"} & {*str(temp_location)})
        if signs:
            raise OptionError(
                f"--temp_location {temp_location}: {' '.join(signs)} would be taken for a pattern "
                "of names; name a folder without"
            )

    def check(self, tables: Sequence[Table], temp_location: str | None) -> None:
        """See `TableWriter.check`."""
        self.check_staging(temp_location)
        client = connect(self.project)
        if self._place(client) is None:
            return
        found = side_by_side(lambda table: find(client, self._reference(table)), tables)
        problems = [
            f"{self._reference(table)}: {conflict}"
            for table, existing in zip(tables, found, strict=True)
            if existing is not None
            for conflict in conflicts(table, existing)
        ]
        if problems:
            raise RunError(
                "the dataset holds tables that are not as expected: "
                + "; ".join(problems)
                + ". Rename or remove them (bq cp, bq rm), or name another dataset, and run again"
            )

    @contextmanager
    def lock(self, tables: Sequence[Table], temp_location: str | None, run: str) -> Iterator[str]:
        """See `TableWriter.lock`.

        No run keeps another out: a run may die without a trace, and the next one must not wait.
        The one that begins later takes over, and the earlier one fails when it commits.
        """
        from pipeline.warehouse.bigquery.staging import clear

        staging = self.claim(tables, temp_location, run)
        try:
            yield staging
        finally:
            try:
                clear(staging)
                self._drop_own_scratch(run)
            except RunError as error:
                logging.getLogger(__name__).warning(
                    "%s; the next run tries again", printable(str(error))
                )

    def claim(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """See `TableWriter.claim`."""
        from pipeline.warehouse.bigquery.staging import clear, folder_of, own

        self._claim(tables, run)
        if settle(self._workplace(self._client(), run)):
            self._claim(tables, run)  # What is copied over may have lost it.
        self._drop_scratch(self._client(), SCRATCH)
        folder = folder_of(str(temp_location), self.project, self.dataset)
        clear(folder)
        return own(folder, run)

    def resume(self, tables: Sequence[Table], temp_location: str | None, run: str) -> str:
        """See `TableWriter.resume`."""
        from pipeline.warehouse.bigquery.staging import folder_of, own

        self._claim(tables, run)
        return own(folder_of(str(temp_location), self.project, self.dataset), run)

    def _claim(self, tables: Sequence[Table], run: str) -> None:
        client = self._client(create=True)
        place = self._workplace(client, run)
        side_by_side(lambda table: bring_up_to_date(client, place.claimed(table)), tables)

    def commit(self, changes: Sequence[Change], run: str) -> None:
        """See `TableWriter.commit`."""
        self.commit_and_keep(changes, run)
        self.remove_staged([file.path for change in changes for file in change.staged])

    def commit_and_keep(self, changes: Sequence[Change], run: str) -> None:
        """See `TableWriter.commit_and_keep`."""
        from pipeline.warehouse.bigquery.commit import commit

        commit(self._workplace(self._client(), run), changes)

    def remove_staged(self, paths: Sequence[str]) -> None:
        """See `TableWriter.remove_staged`."""
        from pipeline.warehouse.bigquery.staging import remove

        remove(paths)

    def note(self, table: Table, rows: pa.Table) -> None:
        """See `TableWriter.note`; by a load job, which replaces rows at once."""
        from pipeline.warehouse.bigquery.loading import replace_rows

        client = self._client()
        replace_rows(client, self._reference(table), table, rows)

    def add_note(self, table: Table, rows: pa.Table, run: str) -> None:
        """See `TableWriter.add_note`."""
        add_note(self._workplace(self._client(), run), table, rows)

    def compact(self, staging: str) -> None:
        """See `TableWriter.compact`; BigQuery does so itself, once its time has come."""

    def read(self, table: Table) -> pa.Table:
        """See `TableReader.read`."""
        return read(self._client(), self._reference(table), table)

    def batches(
        self, table: Table, columns: Sequence[str], since: date | None = None
    ) -> Iterator[pa.Table]:
        """See `TableReader.batches`."""
        return batches(self._client(), self._reference(table), table, columns, since)

    def look_up(self, lookups: Sequence[Lookup], run: str) -> list[FoundRows]:
        """See `StateReader.look_up`."""
        return look_up(self._workplace(self._client(), run), lookups)

    def found(self, share: FoundRows) -> Iterator[pa.Table]:
        """See `StateReader.found`."""
        return found(self._client(), share)

    def rows_with(self, table: Table, columns: Sequence[str], keys: pa.Table) -> pa.Table:
        """See `StateReader.rows_with`."""
        return rows_with(self._client(), self._reference(table), table, columns, keys)

    def count(self, table: Table) -> int | None:
        """See `TableReader.count`."""
        client = connect(self.project)
        location = self._place(client)
        if location is None or find(client, self._reference(table)) is None:
            return None
        return count(connect(self.project, location), self._reference(table))

    def active_event_types(self) -> tuple[str, ...] | None:
        """See `RunNotes.active_event_types`."""
        noted = self._labels().get(ACTIVE_TYPES_LABEL)
        return None if noted is None else tuple(noted.split("-"))

    def last_run(self) -> str | None:
        """See `RunNotes.last_run`."""
        return self._labels().get(RUN_LABEL)

    def _labels(self) -> Mapping[str, str]:
        """What was noted of the tables, by the one that every run writes."""
        client = connect(self.project)
        if self._place(client) is None:
            return {}
        found = find(client, self._reference(fct_events.TABLE))
        return {} if found is None else found.labels

    def present(self) -> set[str] | None:
        """See `TableReader.present`."""
        client = connect(self.project)
        if self._place(client) is None:
            return None
        with explained(f"list the tables of dataset {self._dataset}"):
            return {item.table_id for item in client.list_tables(self._dataset)}

    def columns(self, tables: Sequence[Table]) -> Mapping[str, set[str]]:
        """See `TableReader.columns`."""
        client = self._client()
        found = side_by_side(lambda table: find(client, self._reference(table)), tables)
        return {
            table.name: {field.name for field in existing.schema}
            for table, existing in zip(tables, found, strict=True)
            if existing is not None
        }

    def kept_open(self) -> AbstractContextManager[None]:
        """See `TableReader.kept_open`; there is nothing to open."""
        return nullcontext()

    def source(self, table: Table) -> str:
        """See `TableReader.source`."""
        name = f"`{self.project}.{self.dataset}.{table.name}`"
        if table.partition is None:
            return name
        # Queries may have to say which partitions they read; all rows lie in one, their column
        # being REQUIRED.
        return f"(SELECT * FROM {name} WHERE {table.partition.column} >= '0001-01-01')"

    def ask(self, statements: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        """See `TableReader.ask`."""
        client = self._client()

        def rows(statement: str) -> list[Mapping[str, Any]]:
            with explained(f"query dataset {self._dataset}"):
                return [dict(row) for row in client.query_and_wait(statement)]

        return side_by_side(rows, statements)

    def how_to_query(self) -> str:
        """See `TableReader.how_to_query`."""
        query = (
            "SELECT event_date, daily_active_users, new_users, retained_users, resurrected_users, "
            f"churned_users FROM `{self.project}.{self.dataset}.growth_metrics` "
            "ORDER BY event_date DESC LIMIT 7"
        )
        return f"bq query --use_legacy_sql=false {shlex.quote(query)}"

    def _client(self, *, create: bool = False) -> bigquery.Client:
        """A client in the dataset's location."""
        client = connect(self.project)
        location = self._place(client)
        if location is None:
            if not create:
                raise RunError(f"there is no dataset {self._dataset}: run the pipeline into it")
            wanted = bigquery.Dataset(self._dataset)
            wanted.location = self.location_asked or "US"
            wanted.description = "Growth analytics, written by the growth pipeline."
            with explained(f"create dataset {self._dataset} in {wanted.location}"):
                location = client.create_dataset(wanted, exists_ok=True).location
        return connect(self.project, location)

    def _place(self, client: bigquery.Client) -> str | None:
        """Where the dataset lies, or None if there is none."""
        with explained(f"look at dataset {self._dataset}"):
            try:
                found: str = client.get_dataset(self._dataset, retry=QUICK).location
            except NotFound as error:
                if "Not found: Project" in str(error):
                    raise
                return None
        if self.location_asked and found.casefold() != self.location_asked.casefold():
            raise RunError(
                f"dataset {self._dataset} lies in {found}, but --location is "
                f"{self.location_asked}: leave out --location, or name another dataset"
            )
        return found

    @property
    def _dataset(self) -> bigquery.DatasetReference:
        return bigquery.DatasetReference(self.project, self.dataset)

    def _reference(self, table: Table) -> bigquery.TableReference:
        return self._dataset.table(table.name)

    def _workplace(self, client: bigquery.Client, run: str) -> Workplace:
        required = self.require_partition_filter
        filtered = {} if required is None else {fct_events.TABLE.name: required}
        return Workplace(client, self._dataset, run, filtered)

    def _drop_own_scratch(self, run: str) -> None:
        client = self._client()
        under_way = found_in(client, self._dataset)
        # What a commit that failed has begun, the next run finishes from there.
        if under_way is None or not under_way.run.startswith(run):
            self._drop_scratch(client, f"{SCRATCH}{run}")

    def _drop_scratch(self, client: bigquery.Client, prefix: str) -> None:
        with explained(f"clear scratch tables from dataset {self._dataset}"):
            for item in client.list_tables(self._dataset):
                if item.table_id.startswith(prefix):
                    client.delete_table(item.reference, not_found_ok=True)
