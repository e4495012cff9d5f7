"""The mark of a commit that has begun to change tables, in the dataset until it is done.

It is a table without rows, because BigQuery makes a table once, whoever asks: who has made it may
change tables, and what it says is enough for any later run to go on from the scratch tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from google.api_core.exceptions import Conflict
from google.cloud import bigquery

from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.tables import find

MARK: Final = "growth_commit_under_way"


@dataclass(frozen=True)
class UnderWay:
    """What a commit does once all its data lies in scratch tables.

    Attributes:
        run: its id.
        replaced: the names of the tables that are copied over.
        has_script: whether a scratch table holds statements that change other tables.
    """

    run: str
    replaced: tuple[str, ...] = ()
    has_script: bool = False

    @classmethod
    def of(cls, description: str) -> UnderWay:
        """What a mark's description says."""
        found: dict[str, Any] = json.loads(description)
        return cls(found["run"], tuple(found["replaced"]), found["has_script"])


def found_in(client: bigquery.Client, dataset: bigquery.DatasetReference) -> UnderWay | None:
    """The commit that is under way in a dataset.

    Raises:
        RunError: if BigQuery does not answer.
    """
    mark = find(client, dataset.table(MARK))
    return None if mark is None else UnderWay.of(mark.description)


def mark(client: bigquery.Client, dataset: bigquery.DatasetReference, commit: UnderWay) -> bool:
    """Mark a commit as under way; returns whether no other one is.

    Raises:
        RunError: if it can't be marked.
    """
    wanted = bigquery.Table(dataset.table(MARK))
    wanted.description = json.dumps(asdict(commit))
    with explained(f"create table {wanted.reference}, which marks a commit"):
        try:
            client.create_table(wanted)
            return True
        except Conflict:  # Also where the answer to a first try was lost.
            found = found_in(client, dataset)
            return found is not None and found.run == commit.run


def unmark(client: bigquery.Client, dataset: bigquery.DatasetReference) -> None:
    """Take the mark away.

    Raises:
        RunError: if it can't be.
    """
    with explained(f"remove table {dataset.table(MARK)}, which marks a commit"):
        client.delete_table(dataset.table(MARK), not_found_ok=True)
