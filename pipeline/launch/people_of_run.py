"""The people that a run is told of."""

from __future__ import annotations

from typing import Final

import pyarrow.compute as pc

from pipeline.errors import OptionError
from pipeline.graphs.noted_people import Growth, admitted
from pipeline.graphs.staged_people import read_people
from pipeline.inputs.people_file import read_people_file
from pipeline.inputs.people_table import PREFIX, read_people_table
from pipeline.paths import typed_command
from pipeline.warehouse import TableReader, Warehouse
from transforms.kernels.person_ids import Pairs, TakenBack, grown
from transforms.marts import dim_users

# What --people takes in place of a file: nobody is known by several ids, whatever is noted.
NO_PEOPLE: Final = "none"


def asked_people(asked: str | None, warehouse: TableReader) -> Pairs | None:
    """The pairs that --people names; None where it is not given.

    Args:
        asked: a file, a table of the warehouse, or NO_PEOPLE.
        warehouse: where the tables are.

    Raises:
        OptionError: if the file or table can't be read, or holds what can't be pairs.
        RunError: if the warehouse can't be read.
    """
    if asked is None:
        return None
    if asked == NO_PEOPLE:
        return Pairs.none()
    if asked.startswith(PREFIX):
        return read_people_table(asked.removeprefix(PREFIX), warehouse)
    return read_people_file(asked)


def is_anybody(pairs: Pairs, warehouse: TableReader) -> bool:
    """Whether a user of the tables is one whom pairs know.

    Rows of dim_users are read until one is found: in the first piece, but where nobody is.

    Raises:
        RunError: if the warehouse can't be read.
    """
    return any(
        pc.any(pc.is_in(users["user_id"], value_set=pairs.user_ids)).as_py()
        for users in warehouse.batches(dim_users.TABLE, ["user_id"])
    )


def people_to_add(warehouse: Warehouse, asked: Pairs | None) -> Growth | None:
    """What is new of the people whom a run is told that adds to tables.

    Args:
        warehouse: where the tables are.
        asked: the pairs that the run is told; None for those that are noted.

    Returns:
        None where nobody is.

    Raises:
        OptionError: if pairs are taken back, or others.
        RunError: if the warehouse can't be read.
    """
    if asked is None:
        return None
    may_be = admitted(warehouse, asked)
    found = grown(read_people(warehouse), may_be.pairs)
    if isinstance(found, TakenBack):
        raise _refusal(found, warehouse.url)
    return Growth(found, may_be) if found.is_any or len(may_be.forgotten) else None


def _refusal(lost: TakenBack, url: str) -> OptionError:
    more = f", and so are {lost.pairs - 1:,} more" if lost.pairs > 1 else ""
    now = "itself" if lost.now == lost.anonymous_id else repr(lost.now)
    return OptionError(
        f"--people: {lost.anonymous_id!r} is {lost.user_id!r} in {url}, and would be {now}"
        f"{more}: stored events do not say any more which of them came under which id. Name all "
        "pairs, leave out --people to go on as they are, or run "
        f"{typed_command('batch', url)} over all files with it"
    )
