"""People who are known by several ids: anonymous ids, and the known id of each."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.fields import blank, trimmed
from transforms.kernels.keyed_hashes import keyed_hashes

# An id that is longer is none: a column that is no id was named so.
MOST_ID_BYTES: Final = 1_024
# Of both columns together: an Arrow string array holds 2 GiB.
MOST_TEXT_BYTES: Final = 2_000_000_000
_KEY_BYTES: Final = 32
_SHOWN_IDS: Final = 6
_SHOWN_LETTERS: Final = 60


class People(Protocol):
    """Who is known by which ids."""

    def known(self, user_ids: pa.Array) -> pa.Array:
        """The id that stands for the person behind each id: itself where nothing else is known.

        Args:
            user_ids: a string array without NULL.
        """

    def loaded(self) -> People:
        """The same in memory, for all threads of a process."""


@dataclass(frozen=True)
class Pairs:
    """Anonymous ids and the known ids that stand for them.

    Attributes:
        anonymous_ids: a string array without NULL, each once.
        user_ids: of each the known id, which is nobody's anonymous id: [n].
    """

    anonymous_ids: pa.Array
    user_ids: pa.Array

    @classmethod
    def none(cls) -> Pairs:
        """No pair."""
        return cls(pa.array([], pa.string()), pa.array([], pa.string()))

    @classmethod
    def concat(cls, parts: Sequence[Pairs]) -> Pairs:
        """Those of one part or more, which have no anonymous id in common."""
        return cls(
            pa.concat_arrays([part.anonymous_ids for part in parts]),
            pa.concat_arrays([part.user_ids for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.anonymous_ids)

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """Some of them: bool [n]."""
        kept = pa.array(mask)
        return Pairs(self.anonymous_ids.filter(kept), self.user_ids.filter(kept))


class PairError(ValueError):
    """What is wrong with pairs.

    Attributes:
        problem: in words.
        rows: the rows that show it.
    """

    def __init__(self, problem: str, *rows: int):
        super().__init__(problem)
        self.problem, self.rows = problem, rows


def resolved(anonymous_ids: pa.Array, user_ids: pa.Array) -> Pairs:
    """Pairs as somebody has written them down, with chains followed to their ends.

    White space around ids goes, as in events. Pairs that come twice count once, and an id that
    stands for itself says nothing.

    Args:
        anonymous_ids, user_ids: string arrays without NULL: [n].

    Raises:
        PairError: if an id is blank or too long, one anonymous id has two known ones, or some
            stand for each other in a circle.
    """
    names = {"anonymous_id": trimmed(anonymous_ids), "user_id": trimmed(user_ids)}
    for name, column in names.items():
        _refuse_no_ids(name, column)
    rows = pa.table(names).append_column("row", pa.array(np.arange(len(anonymous_ids))))
    rows = rows.filter(pc.not_equal(rows["anonymous_id"], rows["user_id"]))
    found = rows.group_by(list(names), use_threads=False).aggregate([("row", "min")])
    found = found.sort_by("row_min")
    anonymous, users, row = (
        found[name].combine_chunks() for name in ("anonymous_id", "user_id", "row_min")
    )
    _refuse_two(anonymous, users, row.to_numpy())
    return Pairs(anonymous, users.take(pa.array(_ends(anonymous, users, row.to_numpy()))))


def _refuse_no_ids(name: str, column: pa.Array) -> None:
    empty = np.flatnonzero(blank(column))
    if len(empty):
        raise PairError(f"{name} is blank", int(empty[0]))
    long = np.flatnonzero(pc.binary_length(column).to_numpy() > MOST_ID_BYTES)
    if len(long):
        raise PairError(
            f"{name} {_shown(column, int(long[0]))} has over {MOST_ID_BYTES:,} bytes, and is no id",
            int(long[0]),
        )


def _refuse_two(anonymous: pa.Array, users: pa.Array, row: NDArray[np.int64]) -> None:
    """Raise PairError for an anonymous id with two known ones."""
    codes = anonymous.dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    again = np.setdiff1d(np.arange(len(codes)), first)
    if len(again):
        here, there = int(again[0]), int(first[codes[again[0]]])
        raise PairError(
            f"anonymous_id {_shown(anonymous, here)} has two known ids, {_shown(users, there)} and "
            f"{_shown(users, here)}",
            int(row[there]),
            int(row[here]),
        )


def _ends(anonymous: pa.Array, users: pa.Array, row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each pair the pair at the end of its chain.

    Each step doubles how far it looks, so a chain of a million pairs takes 20.
    """
    here = np.arange(len(anonymous))
    following = pc.index_in(users, value_set=anonymous)
    is_end = following.is_null().to_numpy(zero_copy_only=False)
    ends = np.where(is_end, here, following.fill_null(0).to_numpy())
    for _ in range(len(here).bit_length()):
        if is_end[ends].all():
            return ends
        ends = ends[ends]
    # As far as there are pairs: whoever is not at an end is in a circle, or before one.
    round_about = np.flatnonzero(~is_end[ends])
    if not len(round_about):
        return ends
    at, passed = int(ends[round_about[0]]), list[int]()
    while at not in passed:
        passed.append(at)
        at = int(following[at].as_py())
    start = passed.index(min(passed))
    passed = passed[start:] + passed[:start]
    shown = [_shown(anonymous, place) for place in passed[:_SHOWN_IDS]]
    more = [f"{len(passed) - _SHOWN_IDS:,} more"] if len(passed) > _SHOWN_IDS else []
    circle = " -> ".join([*shown, *more, shown[0]])
    raise PairError(f"ids stand for each other in a circle: {circle}", int(row[passed[0]]))


def _shown(column: pa.Array, row: int) -> str:
    text = column[row].as_py()
    return repr(text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}...")


@dataclass(frozen=True)
class KnownPeople:
    """Pairs that ids are looked up in; a `People`.

    Attributes:
        key: of the hashes, 32 bytes.
        hashes: uint64 [n], of the anonymous ids, ascending.
        pairs: in their order.
    """

    key: bytes
    hashes: NDArray[np.uint64]
    pairs: Pairs

    @classmethod
    def of(cls, pairs: Pairs) -> KnownPeople:
        """Those of some pairs."""
        key = secrets.token_bytes(_KEY_BYTES)
        hashes = keyed_hashes(pairs.anonymous_ids, key)[:, 0]
        order = np.argsort(hashes)
        rows = pa.array(order)
        sorted_pairs = Pairs(pairs.anonymous_ids.take(rows), pairs.user_ids.take(rows))
        return cls(key, hashes[order], sorted_pairs)

    def loaded(self) -> KnownPeople:
        """See `People.loaded`."""
        return self

    def known(self, user_ids: pa.Array) -> pa.Array:
        """See `People.known`."""
        if not len(self.pairs):
            return user_ids
        # Users come again and again: the fewer are looked up.
        encoded = user_ids.dictionary_encode()
        names = encoded.dictionary
        places = self._places(names)
        is_found = places >= 0
        if not is_found.any():
            return user_ids
        known = self.pairs.user_ids.take(pa.array(places[is_found]))
        return pc.replace_with_mask(names, pa.array(is_found), known).take(encoded.indices)

    def _places(self, user_ids: pa.Array) -> NDArray[np.int64]:
        """The pair of each id: int64 [n], -1 where it has none."""
        wanted = keyed_hashes(user_ids, self.key)[:, 0]
        place = np.searchsorted(self.hashes, wanted)
        found = np.full(len(wanted), -1, np.int64)
        left = np.arange(len(wanted))
        while len(left):
            left = left[place[left] < len(self.hashes)]
            left = left[self.hashes[place[left]] == wanted[left]]
            there = self.pairs.anonymous_ids.take(pa.array(place[left]))
            same = pc.equal(there, user_ids.take(pa.array(left))).to_numpy(zero_copy_only=False)
            found[left[same]] = place[left[same]]
            # Another id of the same hash stands before it.
            left = left[~same]
            place[left] += 1
        return found


def under(events: pa.RecordBatch, user_ids: pa.Array) -> pa.RecordBatch:
    """Events under other user ids.

    Args:
        events: with a column user_id.
        user_ids: of each: a string array without NULL.
    """
    place = events.schema.get_field_index("user_id")
    return events.set_column(place, events.schema.field(place), user_ids)


def other_ids(came_as: pa.Array, user_ids: pa.Array) -> pa.Array:
    """The ids that people had in a source, NULL where they are known by these: [n].

    Args:
        came_as, user_ids: string arrays without NULL: [n].
    """
    none = pa.scalar(None, pa.string())
    return pc.if_else(pc.equal(came_as, user_ids), none, came_as)


class Grown(NamedTuple):
    """In what pairs are more than others.

    Attributes:
        new: pairs of ids that had none: whoever had events under them is somebody else now.
        changed: all pairs that are new or have another known id.
        gone: anonymous ids that have no pair any more, as a known id took their place.
    """

    new: Pairs
    changed: Pairs
    gone: pa.Array

    @property
    def is_any(self) -> bool:
        """Whether they differ at all."""
        return bool(len(self.changed) or len(self.gone))


class TakenBack(NamedTuple):
    """A pair that others take back or change.

    Attributes:
        anonymous_id: whose.
        user_id: what it was.
        now: what it is; itself where it is nobody's.
        pairs: how many such there are.
    """

    anonymous_id: str
    user_id: str
    now: str
    pairs: int


def grown(noted: Pairs, asked: Pairs) -> Grown | TakenBack:
    """In what pairs are more than those that are noted.

    Events are stored under known ids alone. So whoever was one person must be one still.

    Args:
        noted: those by which events were stored.
        asked: those that are to be.
    """
    people = KnownPeople.of(asked)
    now, expected = people.known(noted.anonymous_ids), people.known(noted.user_ids)
    lost = np.flatnonzero(pc.not_equal(now, expected).to_numpy(zero_copy_only=False))
    if len(lost):
        row = int(lost[0])
        anonymous, user, other = (
            column[row].as_py() for column in (noted.anonymous_ids, noted.user_ids, now)
        )
        return TakenBack(anonymous, user, other, len(lost))
    places = pc.index_in(asked.anonymous_ids, value_set=noted.anonymous_ids)
    is_new = places.is_null().to_numpy(zero_copy_only=False)
    differs = pc.not_equal(noted.user_ids.take(places), asked.user_ids).fill_null(True)
    is_there = pc.is_in(noted.anonymous_ids, value_set=asked.anonymous_ids)
    return Grown(
        asked.where(is_new),
        asked.where(differs.to_numpy(zero_copy_only=False)),
        noted.anonymous_ids.filter(pc.invert(is_there)),
    )
