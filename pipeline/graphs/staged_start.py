"""What a stream on other machines begins with: what its tables hold, staged as of one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pipeline import storage
from pipeline.errors import RunError
from pipeline.graphs.staged_users import StagedUsers, stage_users
from pipeline.sinks.flush_state import Held, Totals
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import Warehouse
from transforms.figure_settings import FigureSettings
from transforms.kernels.codecs.sum_codecs import decode_counters, encode_counters
from transforms.marts import dead_letter_events, fct_events

_SUMS: Final = "start-sums.bin"
# Written last: where it is, the others are whole. A job that takes another one's place finds it.
_MANIFEST: Final = "start.json"


@dataclass(frozen=True)
class StagedStart:
    """What the tables held when a stream began.

    Attributes:
        users: of each user.
        sums: the file of the sum of counters.
        written_at_us: when the sums were written last, in microseconds since 1970-01-01.
        events, dead_letters: how many rows there were.
    """

    users: StagedUsers
    sums: str
    written_at_us: int
    events: int
    dead_letters: int

    @cached_property
    def totals(self) -> Totals:
        """What the stream's first flush adds to.

        Raises:
            RunError: if the staged file can't be read.
        """
        counters = decode_counters(_content(self.sums))
        return Totals(counters=counters, written_at_us=self.written_at_us)

    @property
    def held(self) -> Held:
        """What the tables held."""
        return Held(self.events, self.dead_letters)


def stage_start(
    warehouse: Warehouse,
    staging: str,
    totals: Totals,
    since_us: int,
    figures: FigureSettings = FigureSettings(),
    identified: bool = False,
) -> StagedStart:
    """Stage what a stream begins with.

    Args:
        warehouse: which nobody else writes meanwhile.
        staging: the stream's folder, which all workers reach.
        totals: the sums that its tables hold.
        since_us, figures, identified: as in `stage_users`.

    Raises:
        RunError: if tables can't be read, or files staged.
    """
    users = stage_users(warehouse, staging, since_us, figures, identified)
    start = StagedStart(
        users,
        storage.join(staging, _SUMS),
        totals.written_at_us or 0,
        warehouse.count(fct_events.TABLE) or 0,
        warehouse.count(dead_letter_events.TABLE) or 0,
    )
    manifest = {
        **{name: getattr(start, name) for name in ("written_at_us", "events", "dead_letters")},
        "users": {
            "paths": users.paths,
            "users": users.users,
            "events": users.events,
            "key": users.key.hex(),
        },
    }
    for path, content in (
        (start.sums, encode_counters(totals.counters)),
        (storage.join(staging, _MANIFEST), json.dumps(manifest).encode()),
    ):
        try:
            with storage.create(path) as stream:
                stream.write(content)
        except storage_errors() as error:
            raise RunError(
                f"can't stage what the stream begins with in {path} ({storage_reason(error)}): "
                "make room, see that you may write there, or stage elsewhere with "
                "--temp_location, and run again"
            ) from error
    return start


def staged_start(staging: str) -> StagedStart | None:
    """What a stream has begun with that stages in a folder; None where its tables were empty.

    Raises:
        RunError: if it can't be read.
    """
    path = storage.join(staging, _MANIFEST)
    if not storage.listed(path):
        return None
    found: dict[str, Any] = json.loads(_content(path))
    users = found.pop("users")
    known = StagedUsers(**{**users, "key": bytes.fromhex(users["key"])})
    return StagedStart(users=known, sums=storage.join(staging, _SUMS), **found)


def _content(path: str) -> bytes:
    try:
        with storage.opened(path) as stream:
            return stream.read()
    except storage_errors() as error:
        raise RunError(
            f"{path}: what the stream began with can't be read ({storage_reason(error)}): see that "
            "nobody else clears that folder; if it is lost, stop the stream and start it again"
        ) from error
