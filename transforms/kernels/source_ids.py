"""Events whose source says which event they are: one of each id stays.

Of a user's events with one id the stored one is the event; where none is stored, the earliest, and
of several of one moment the one whose values have the least hash. So neither files nor shards nor
batches decide. Others that are equal to it repeat it; those that differ contradict it.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.compression import digests
from transforms.kernels.csv_layout import IDENTIFIED
from transforms.kernels.event_batch import with_identity
from transforms.kernels.event_ids import event_ids, identified, owner_digests
from transforms.kernels.hashing import Hashes
from transforms.kernels.id_text import event_hashes
from transforms.kernels.records import Rejection, Rejections, shown
from transforms.kernels.text_blocks import Blocks
from transforms.vocabulary import EVENT_ID, PLATFORMS, SOURCE_COLUMNS

CONFLICTING: Final = "conflicting_event"

# By the source of each.
Conflicts: TypeAlias = Mapping[str, Rejections]


@dataclass(frozen=True)
class Settled:
    """Which of some events are one each.

    Attributes:
        ids: of all of them.
        stays: bool [n], which are events.
        duplicates: how many repeat one.
        conflicts: those that contradict one.
    """

    ids: Hashes
    stays: NDArray[np.bool_]
    duplicates: int
    conflicts: Conflicts


def settle(
    table: pa.Table,
    content: Hashes,
    user_digests: Blocks,
    user: NDArray[np.int64],
    event_types: Sequence[str],
) -> Settled:
    """Part events by their ids.

    Args:
        table: with the schema IDENTIFIED_BATCH, each column in one chunk [n].
        content: [n], the hash of each one's values.
        user_digests: of each user.
        user: int64 [n], the index of each one's user.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if a stored event has no id of this version.
    """
    ids, is_stored = _ids(table, content, user_digests, user)
    order = np.argsort(ids.high, kind="stable")
    high = ids.high[order]
    tied = np.zeros(len(order), np.bool_)
    tied[1:] = high[1:] == high[:-1]
    tied[:-1] |= tied[1:]
    # Few have an id in common; only these need all keys.
    rows = order[tied]
    time_us = table["event_time"].chunk(0).cast(pa.int64()).to_numpy()
    keys = (content.low, content.high, time_us, ~is_stored, ids.low, ids.high)
    rows = rows[np.lexsort(tuple(key[rows] for key in keys))]
    same = np.zeros(len(rows), np.bool_)
    same[1:] = (ids.high[rows[1:]] == ids.high[rows[:-1]]) & (
        ids.low[rows[1:]] == ids.low[rows[:-1]]
    )
    first = rows[np.maximum.accumulate(np.where(same, 0, np.arange(len(rows))))]
    others, firsts = rows[same], first[same]
    equal = (content.high[others] == content.high[firsts]) & (
        content.low[others] == content.low[firsts]
    )
    stays = np.ones(len(order), np.bool_)
    stays[others] = False
    conflicts = _conflicts(table, others[~equal], firsts[~equal], event_types)
    return Settled(ids, stays, int(equal.sum()), conflicts)


def kept_ids(events: pa.RecordBatch, event_types: Sequence[str]) -> pa.RecordBatch:
    """Stored events that are to be another user's: those whose ids follow from their source's keep
    them, and of the others, whose ids follow from their values, `stored_id` is NULL.

    Args:
        events: with the schema IDENTIFIED_BATCH, all of them stored, each of the user that it has.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if one has no id of this version.
    """
    table = pa.Table.from_batches([events]).combine_chunks()
    if not table.num_rows:
        return events
    users = events["user_id"].dictionary_encode()
    by_user, user = digests(users.dictionary), users.indices.to_numpy().astype(np.int64)
    content = event_ids(table, by_user, user, event_types)
    ids, _ = _ids(table, content, by_user, user)
    by_values = pa.array((ids.high == content.high) & (ids.low == content.low))
    none = pa.scalar(None, pa.string())
    return with_identity(events, {"stored_id": pc.if_else(by_values, none, events["stored_id"])})


def _ids(
    table: pa.Table, content: Hashes, user_digests: Blocks, user: NDArray[np.int64]
) -> tuple[Hashes, NDArray[np.bool_]]:
    """The id of each event, and which are stored."""
    high, low = content.high.copy(), content.low.copy()
    source_ids, stored_ids = table["source_id"].chunk(0), table["stored_id"].chunk(0)
    is_stored = stored_ids.is_valid().to_numpy(zero_copy_only=False)
    named = np.flatnonzero(source_ids.is_valid().to_numpy(zero_copy_only=False) & ~is_stored)
    rows = pa.array(named)
    owners = owner_digests(table["came_as"].chunk(0).take(rows), user_digests[user[named]])
    found = identified(source_ids.take(rows), owners)
    high[named], low[named] = found.high, found.low
    if is_stored.any():
        try:
            found = event_hashes(stored_ids.drop_null())
        except (ValueError, pa.ArrowInvalid) as error:
            raise DataError(
                f"fct_events has an event_id that is none of this version ({error}): run batch "
                "over the source files"
            ) from error
        high[is_stored], low[is_stored] = found.high, found.low
    return Hashes(high, low), is_stored


def _conflicts(
    table: pa.Table,
    rows: NDArray[np.int64],
    firsts: NDArray[np.int64],
    event_types: Sequence[str],
) -> Conflicts:
    """The rejections of rows whose id is that of others."""
    found: dict[str, list[Rejection]] = defaultdict(list)
    came = table.take(pa.array(rows)).to_pylist()
    stays = table.take(pa.array(firsts)).to_pylist()
    for event, first in zip(came, stays, strict=True):
        source = event["source"]
        if source is None:
            raise DataError(
                f"fct_events has two events of one event_id, {first['stored_id']}: another "
                "program has written one of them; run batch over the source files"
            )
        found[source].append(contradiction(event, first, event_types))
    return {source: Rejections.of(each) for source, each in sorted(found.items())}


def as_letters(events: pa.RecordBatch, event_types: Sequence[str]) -> Rejections:
    """Events with the schema IDENTIFIED_BATCH as they would be rejected if others had their ids."""
    return Rejections.of(contradiction(event, event, event_types) for event in events.to_pylist())


def contradiction(
    event: Mapping[str, Any], first: Mapping[str, Any], event_types: Sequence[str]
) -> Rejection:
    """The rejection of an event whose id is that of another one.

    Args:
        event: its values, by the names of IDENTIFIED_BATCH.
        first: those of the other one.
        event_types: the names of the event types, by their codes.
    """
    mine, others = source_texts(event, event_types), source_texts(first, event_types)
    differs = "; ".join(
        f"{name} {shown(here)} here, and {shown(there)} there"
        for name, here, there in zip(SOURCE_COLUMNS, mine, others, strict=True)
        if here != there
    )
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow([*mine, event["source_id"] or ""])
    return Rejection(
        "validate",
        CONFLICTING,
        f"{EVENT_ID} {shown(event['source_id'] or '')} is that of another event of this user: "
        f"{differs}. The other one stays",
        line.getvalue().encode(),
        event["position"],
        IDENTIFIED.attributes,
        event_time_us=_microseconds(event),
        user_id=event.get("came_as") or event["user_id"],
        event_type=event_types[event["event_type"]],
    )


def _microseconds(event: Mapping[str, Any]) -> int:
    return int(np.datetime64(event["event_time"], "us").astype(np.int64))


def source_texts(event: Mapping[str, Any], event_types: Sequence[str]) -> list[str]:
    """An event as a record of the source columns, which the parser reads as the same event."""
    said = {
        **event,
        "user_id": event.get("came_as") or event["user_id"],
        "event_time": f"{event['event_time'].isoformat()}Z",
        "event_type": event_types[event["event_type"]],
        "platform": PLATFORMS[event["platform"]],
    }
    return ["" if said[name] is None else str(said[name]) for name in SOURCE_COLUMNS]
