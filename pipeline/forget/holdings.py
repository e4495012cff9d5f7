"""What a warehouse holds of some users, wherever it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.forget.mentions import Mentions
from pipeline.forget.whole_people import whole_people
from pipeline.graphs.staged_forgotten import forgotten_key
from pipeline.warehouse import Warehouse
from transforms.contract import Table
from transforms.kernels.fields import trimmed
from transforms.kernels.forgotten import NamedUsers, mentioning
from transforms.kernels.person_ids import Pairs
from transforms.kernels.timelines import Timelines
from transforms.leaving_users import dates_of
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import CORRECTIONS, RESULTS
from transforms.state import excluded_users, forgotten_users, pipeline_runs, user_timelines

_LETTERS: Final = ("dead_letter_id", "failed_at")
_READ: Final = (*_LETTERS, "stage", "user_id", "payload", "payload_encoding")
# Records that have no columns, so that nobody can read a user id in them.
_UNREADABLE: Final = "parse"


@dataclass(frozen=True)
class Rewritten:
    """Rows that stay, without what names somebody.

    Attributes:
        before, after: the rows as they are, and as they are to be, one for one.
    """

    before: pa.Table
    after: pa.Table


@dataclass(frozen=True)
class Holdings:
    """What a warehouse holds of some users.

    Attributes:
        named: how many ids were named.
        asked: who is asked about, by all of their ids: a string array, each once.
        people: what known_people has of them.
        excluded: what excluded_users has of them: the column user_id.
        lives: the timelines of those who have one, by user id.
        written_at: when each of these was written.
        dead_letters: of their dead letters dead_letter_id and failed_at.
        corrections: of their corrections dead_letter_id.
        results: rows of data_quality_results whose samples name them.
        runs: rows of pipeline_runs that name them.
        key: of the hashes of forgotten_users; None where the warehouse has none yet.
        unlisted: those of `asked` who are not on the list of who was forgotten.
    """

    named: int
    asked: pa.Array
    people: Pairs
    excluded: pa.Table
    lives: Timelines
    written_at: pa.Array
    dead_letters: pa.Table
    corrections: pa.Table
    results: Rewritten
    runs: Rewritten
    key: str | None
    unlisted: pa.Array

    @property
    def events(self) -> int:
        """How many events they have."""
        return int(self.lives.events.sum())

    @property
    def in_tables(self) -> bool:
        """Whether a table holds anything of them."""
        of_tables = (
            self.excluded,
            self.dead_letters,
            self.corrections,
            self.results.before,
            self.runs.before,
        )
        is_known = bool(len(self.lives) or len(self.people))
        return is_known or any(rows.num_rows for rows in of_tables)


def look(warehouse: Warehouse, user_ids: pa.Array) -> Holdings:
    """Look for users in all tables, by all of their ids: who is known by several is one person.

    Of the large tables the rows of these users alone are read: their timelines, and where samples
    of checks show event ids their events.

    Raises:
        RunError: if the warehouse can't be read.
    """
    with warehouse.kept_open():
        return _held(warehouse, user_ids)


def _held(warehouse: Warehouse, named: pa.Array) -> Holdings:
    present = warehouse.present() or set()
    user_ids, people = whole_people(warehouse, named, present)
    columns = ("user_id", "timeline", "written_at")
    keys = pa.table({"user_id": user_ids})
    found = warehouse.rows_with(user_timelines.TABLE, columns, keys).sort_by("user_id")
    lives = user_timelines.timelines_of(found)
    letters = _dead_letters(warehouse, user_ids)
    key = forgotten_key(warehouse)
    return Holdings(
        named=len(named),
        asked=user_ids,
        people=people,
        excluded=_excluded(warehouse, keys, present),
        lives=lives,
        written_at=found["written_at"].combine_chunks(),
        dead_letters=letters,
        corrections=_corrections(warehouse, user_ids, letters, present),
        results=_results(warehouse, user_ids, lives, letters, present),
        runs=_runs(warehouse, user_ids, present),
        key=key,
        unlisted=_unlisted(warehouse, user_ids, key, present),
    )


def _excluded(warehouse: Warehouse, keys: pa.Table, present: set[str]) -> pa.Table:
    table = excluded_users.TABLE
    return warehouse.rows_with(table, ("user_id",), keys) if table.name in present else keys[:0]


def events_of(warehouse: Warehouse, lives: Timelines, columns: tuple[str, ...]) -> pa.Table:
    """Some columns of the events that users have.

    Raises:
        RunError: if they can't be read.
    """
    return warehouse.rows_with(fct_events.TABLE, columns, dates_of(lives))


def _dead_letters(warehouse: Warehouse, user_ids: pa.Array) -> pa.Table:
    table = dead_letter_events.TABLE
    named = NamedUsers(user_ids)
    parts = [pa.schema([table.arrow_schema.field(name) for name in _LETTERS]).empty_table()]
    for rows in warehouse.batches(table, _READ):
        theirs = named.among(rows["user_id"].combine_chunks())
        unread = pc.and_(pc.is_null(rows["user_id"]), pc.equal(rows["stage"], _UNREADABLE))
        places = np.flatnonzero(unread.to_numpy())
        payloads = dead_letter_events.payloads(rows.take(pa.array(places)))
        theirs[places] = mentioning(named, payloads)
        parts.append(rows.filter(pa.array(theirs)).select(list(_LETTERS)))
    return pa.concat_tables(parts)


def _corrections(
    warehouse: Warehouse, user_ids: pa.Array, letters: pa.Table, present: set[str]
) -> pa.Table:
    columns = ["dead_letter_id", "user_id"]
    parts = [pa.schema([CORRECTIONS.arrow_schema.field(columns[0])]).empty_table()]
    for rows in _batches(warehouse, CORRECTIONS, present, columns):
        texts = trimmed(rows["user_id"].combine_chunks())
        theirs = pc.or_(
            pc.is_in(texts, value_set=user_ids),
            pc.is_in(
                rows["dead_letter_id"].combine_chunks(),
                value_set=letters["dead_letter_id"].combine_chunks(),
            ),
        )
        parts.append(rows.filter(theirs).select(["dead_letter_id"]))
    return pa.concat_tables(parts)


def _results(
    warehouse: Warehouse,
    user_ids: pa.Array,
    lives: Timelines,
    letters: pa.Table,
    present: set[str],
) -> Rewritten:
    parts = _batches(warehouse, RESULTS, present, RESULTS.column_names)
    some = [rows.filter(pc.is_valid(rows["sample"])) for rows in parts]
    found = pa.concat_tables([RESULTS.arrow_schema.empty_table(), *some])
    ids = {*user_ids.to_pylist(), *letters["dead_letter_id"].to_pylist()}
    if len(lives) and pc.any(pc.equal(found["table_name"], fct_events.TABLE.name)).as_py():
        events = events_of(warehouse, lives, ("event_id", "session_id"))
        ids.update(*(pc.unique(column).to_pylist() for column in events.columns))
    return _rewritten(found, "sample", Mentions(ids).without_sampled)


def _runs(warehouse: Warehouse, user_ids: pa.Array, present: set[str]) -> Rewritten:
    table = pipeline_runs.TABLE
    parts = [
        table.arrow_schema.empty_table(),
        *_batches(warehouse, table, present, table.column_names),
    ]
    mentions = Mentions(set(user_ids.to_pylist()))
    return _rewritten(pa.concat_tables(parts), "message", mentions.unless_named)


def _unlisted(
    warehouse: Warehouse, user_ids: pa.Array, key: str | None, present: set[str]
) -> pa.Array:
    if key is None:
        return user_ids
    parts = _batches(warehouse, forgotten_users.TABLE, present, ["user_hash"])
    hashes = [chunk for part in parts for chunk in part["user_hash"].chunks]
    known = forgotten_users.forgotten_of(pa.chunked_array(hashes, pa.string()), key)
    return user_ids.filter(pa.array(~known.among(user_ids)))


def _batches(
    warehouse: Warehouse, table: Table, present: set[str], columns: tuple[str, ...] | list[str]
) -> Iterator[pa.Table]:
    """The rows of a table, none where it is not there."""
    return warehouse.batches(table, columns) if table.name in present else iter(())


def _rewritten(rows: pa.Table, name: str, rewrite: Callable[[str], str | None]) -> Rewritten:
    """Those rows of which a column is another text once it is rewritten."""
    texts = rows[name].to_pylist()
    now = [text if text is None else rewrite(text) for text in texts]
    changed = pa.array([at for at, text in enumerate(texts) if text != now[at]], pa.int64())
    place = rows.schema.get_field_index(name)
    after = rows.set_column(place, rows.schema.field(place), pa.array(now, pa.string()))
    return Rewritten(rows.take(changed), after.take(changed))
