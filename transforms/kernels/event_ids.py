"""Event ids: hashes of all eight source values, or of the source's own id (rule 2).

docs/identifiers.md says what they are made of, and why nobody can make two events of one id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.compression import compressed, digests, left, right
from transforms.kernels.fields import ABSENT
from transforms.kernels.hashing import Hashes
from transforms.kernels.text_blocks import Blocks, chunks
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

# From the few values to the many, so that pairs of values are hashed rather than events.
# No label and no block of any text: what is told by its source's id is told by nothing else.
_MARK: Final = "event_id"
_LABELS: Final = ("event_type", "platform", "utm_source", "country", "transaction_category")


def event_ids(
    events: pa.Table,
    users: Blocks,
    user_of_event: NDArray[np.int64],
    event_types: Sequence[str] = EVENT_TYPES,
) -> Hashes:
    """The ids of events, the same on every run, machine and mode.

    Args:
        events: with the schema EVENT_BATCH, each column in one chunk.
        users: the digest of each user id.
        user_of_event: int64 [events], the index of each event's user.
        event_types: the names of the event types, by their codes.
    """
    words = {"event_type": event_types, "platform": PLATFORMS}
    labels = reduce(_Labels.joined, (_labels(events, name, words) for name in _LABELS))
    lefts, rights = left(labels.blocks), right(users)
    time_us = events["event_time"].chunk(0).cast(pa.int64()).to_numpy()
    miles = events["miles_amount"].chunk(0).fill_null(ABSENT).to_numpy()
    ids = np.empty((len(time_us), 2), "<u8")
    for rows in chunks(len(ids)):
        whose = compressed(_each(lefts, labels.codes[rows]), _each(rights, user_of_event[rows]))
        ids[rows] = _with_numbers(whose, time_us[rows], miles[rows])
    return Hashes.of(ids)


def identified(source_ids: pa.Array, users: Blocks) -> Hashes:
    """The ids of events that follow from those of their source, each within its user.

    Args:
        source_ids: a string array [n].
        users: [n], the digest of each one's user.
    """
    mark = np.repeat(digests(pa.array([_MARK])), len(source_ids), axis=0)
    return renamed(Hashes.of(compressed(left(mark), right(digests(source_ids)))), users)


def owner_digests(came_as: pa.Array, users: Blocks) -> Blocks:
    """The digests of user ids as sources have them, within which their ids of events are looked
    for: so an event keeps its id when its user turns out to be known by another one.

    Args:
        came_as: a string array [n], NULL where it is that of `users`.
        users: [n], the digest of each one's user.
    """
    rows = np.flatnonzero(came_as.is_valid().to_numpy(zero_copy_only=False))
    if not len(rows):
        return users
    encoded = came_as.drop_null().dictionary_encode()
    owners = users.copy()
    owners[rows] = digests(encoded.dictionary)[encoded.indices.to_numpy()]
    return owners


def renamed(ids: Hashes, users: Blocks) -> Hashes:
    """Other ids of events that are other users' now, of which nobody else knows the source's ids.

    Args:
        ids: [n], of the events.
        users: [n], the digest of each one's user.
    """
    return Hashes.of(compressed(left(ids.blocks()), right(users)))


def _with_numbers(blocks: Blocks, time_us: NDArray[np.int64], miles: NDArray[np.int64]) -> Blocks:
    numbers = np.empty((len(blocks), 2), "<i8")
    numbers[:, 0], numbers[:, 1] = time_us, miles
    return compressed(left(blocks), right(numbers.view("<u8")))


def _each(blocks: Blocks, rows: NDArray[np.int64]) -> Blocks:
    # A tenth of the time of blocks[rows].
    return blocks.take(rows, axis=0)


@dataclass(frozen=True)
class _Labels:
    """A block for each of n rows.

    Attributes:
        blocks: [values].
        codes: int64 [n], the index of each row's block.
    """

    blocks: Blocks
    codes: NDArray[np.int64]

    def joined(self, other: _Labels) -> _Labels:
        """One block for both of each row; of all pairs where there are fewer than rows."""
        lefts, rights = left(self.blocks), right(other.blocks)
        rows, columns = len(lefts), len(rights)
        if rows * columns > len(self.codes):
            blocks = compressed(_each(lefts, self.codes), _each(rights, other.codes))
            return _Labels(blocks, np.arange(len(blocks)))
        blocks = compressed(np.repeat(lefts, columns, axis=0), np.tile(rights, (rows, 1)))
        return _Labels(blocks, self.codes * columns + other.codes)


def _labels(events: pa.Table, name: str, words: Mapping[str, Sequence[str]]) -> _Labels:
    column = events[name].chunk(0)
    if name in words:
        return _Labels(digests(pa.array(words[name])), column.to_numpy().astype(np.int64))
    values = pa.concat_arrays([column.dictionary, pa.nulls(1, pa.string())])
    codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
    return _Labels(digests(values), codes.astype(np.int64))
