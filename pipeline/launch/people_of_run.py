"""The people that a run is told of."""

from __future__ import annotations

from typing import Final

from pipeline.errors import OptionError
from pipeline.graphs.noted_people import admitted
from pipeline.graphs.staged_people import read_people
from pipeline.inputs.people_file import read_people_file
from pipeline.paths import typed_command
from pipeline.warehouse import Warehouse
from transforms.kernels.person_ids import Pairs, TakenBack, grown

# What --people takes in place of a file: nobody is known by several ids, whatever is noted.
NO_PEOPLE: Final = "none"


def asked_people(path: str | None) -> Pairs | None:
    """The pairs that --people names; None where it is not given.

    Raises:
        OptionError: if the file can't be read, or holds what can't be pairs.
    """
    if path is None:
        return None
    return Pairs.none() if path == NO_PEOPLE else read_people_file(path)


def people_to_add(warehouse: Warehouse, asked: Pairs | None) -> None:
    """See that a run that adds to tables is told of the people by which they were built.

    Args:
        warehouse: where the tables are.
        asked: the pairs that the run is told; None for those that are noted.

    Raises:
        OptionError: if they are others.
        RunError: if the warehouse can't be read.
    """
    if asked is None:
        return
    found = grown(read_people(warehouse), admitted(warehouse, asked).pairs)
    batch = typed_command("batch", warehouse.url)
    if isinstance(found, TakenBack):
        more = f", and so are {found.pairs - 1:,} more" if found.pairs > 1 else ""
        now = "itself" if found.now == found.anonymous_id else repr(found.now)
        raise OptionError(
            f"--people: {found.anonymous_id!r} is {found.user_id!r} in {warehouse.url}, and {now} "
            f"in the file{more}: stored events do not say any more which of them came under which "
            f"id. Name all pairs in the file, leave out --people to go on as they are, or run "
            f"{batch} over all files with it"
        )
    if found.is_any:
        raise OptionError(
            f"--people: it has {len(found.new):,} pairs that {warehouse.url} lacks: run {batch} "
            "over all files with it"
        )
