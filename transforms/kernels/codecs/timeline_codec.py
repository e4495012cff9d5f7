"""Timelines as bytes, one value for each user; many users at once.

`timeline_layout` says what the bytes are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels import varints
from transforms.kernels.codecs.arrays import binary_array
from transforms.kernels.codecs.layouts import refuse_damaged
from transforms.kernels.codecs.timeline_layout import (
    HEAD,
    TEXTS,
    breaks_of,
    check_versions,
    counters_of,
    fields_of,
    filled_by,
    have_own,
    masks_of,
    own_events_of,
    own_numbers,
    sessions_of,
    versions_of,
)
from transforms.kernels.hashing import Hashes
from transforms.kernels.timelines import Timelines

# Users that are worked on together: what is made of them stays in the cache.
_CHUNK: Final = 1 << 9


def encode_timelines(users: Timelines) -> pa.Array:
    """The timeline of each user, without the user id: binary [users].

    Equal timelines have equal bytes, alone and in any company.
    """
    chunks = [
        _encode(users.between(start, start + _CHUNK)) for start in range(0, len(users), _CHUNK)
    ]
    return pa.concat_arrays(chunks or [pa.array([], pa.binary())])


def decode_timelines(user_ids: pa.Array, encoded: pa.Array) -> Timelines:
    """The timelines that `encode_timelines` wrote.

    Args:
        user_ids: string [users]; the timelines come in their order.
        encoded: binary [users], without NULL.

    Raises:
        DataError: if a later version wrote one of them, or 0.1.0, or if one is damaged.
    """
    if not len(user_ids):
        return Timelines.none()
    parts = [
        _decode(user_ids[start : start + _CHUNK], encoded[start : start + _CHUNK])
        for start in range(0, len(user_ids), _CHUNK)
    ]
    return parts[0] if len(parts) == 1 else Timelines.concat(parts)


def _encode(users: Timelines) -> pa.Array:
    head = np.empty(len(users), HEAD)
    head["version"] = versions_of(users)
    head["high"], head["low"] = users.first_id.high, users.first_id.low
    for name in ("first_seen_us", "last_seen_us", "first_platform"):
        head[name] = getattr(users, name)
    texts = [getattr(users, name) for name in TEXTS]
    sizes = np.column_stack([pc.binary_length(text).fill_null(-1).to_numpy() + 1 for text in texts])
    taken = varints.byte_lengths(sizes.ravel()).reshape(sizes.shape).sum(axis=1)
    return pc.binary_join_element_wise(
        binary_array(head.view(np.uint8), np.full(len(users), HEAD.itemsize)),
        _as_varints(np.column_stack([taken, sizes]).ravel(), np.full(len(users), 3)),
        *(text.fill_null("").cast(pa.binary()) for text in texts),
        _as_varints(*_numbers_of(users)),
        b"",
    )


def _numbers_of(users: Timelines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of all users, one after the other, and how many each has: int64 [users]."""
    first = users.day_offsets[:-1]
    days = np.diff(users.day_offsets)
    counters = counters_of(users)
    filled = counters != 0
    masks = masks_of(filled)
    steps = np.diff(users.date, prepend=0)
    steps[first] = 0
    breaks = np.diff(users.sessions.offsets) - 1
    counted = np.add.reduceat(np.bitwise_count(masks), first, dtype=np.int64)
    own_rows, own = own_numbers(users)
    sizes = 3 + 2 * days + 3 * breaks + counted + 3 * own
    starts = np.cumsum(sizes) - sizes
    numbers = np.empty(int(sizes.sum()), np.int64)
    rest = np.ones(len(numbers), np.bool_)
    for at, values in (
        (starts, days),
        (starts + 1, breaks + 1),
        # Dates before 1970 can't be: event times begin in 2000.
        (starts + 2, users.date[first]),
        (_spans(starts + 3, days), steps),
        (_spans(starts + 3 + days, days), masks),
        (_spans(starts + 3 + 2 * days, 3 * breaks), breaks_of(users.sessions).ravel()),
        (_spans(starts + sizes - 3 * own, 3 * own), own_rows.ravel()),
    ):
        numbers[at], rest[at] = values, False
    # A mask as an index takes four times as long as its places.
    numbers[np.flatnonzero(rest)] = counters.ravel()[np.flatnonzero(filled)]
    return numbers, sizes


def _decode(user_ids: pa.Array, encoded: pa.Array) -> Timelines:
    data, ends = _bytes_of(encoded)
    starts = np.append(0, ends[:-1])
    for user in np.flatnonzero(ends - starts < HEAD.itemsize)[:1].tolist():
        refuse_damaged(f"the timeline of user {user_ids[user].as_py()!r}")
    check_versions(data[starts])
    try:
        return _decoded(user_ids, data, starts, ends)
    except (IndexError, ValueError):
        refuse_damaged(f"a timeline of users {user_ids[0].as_py()!r} to {user_ids[-1].as_py()!r}")


def _decoded(
    user_ids: pa.Array,
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Timelines:
    users = len(starts)
    head = data[_spans(starts, np.full(users, HEAD.itemsize))].view(HEAD)
    at = starts + HEAD.itemsize
    taken = data[at].astype(np.int64)
    sizes = varints.decode(data[_spans(at + 1, taken)]).reshape(users, len(TEXTS))
    at += 1 + taken
    texts = []
    for size in sizes.T:
        lengths = np.maximum(size - 1, 0)
        texts.append(_strings(data[_spans(at, lengths)], lengths, size > 0))
        at += lengths
    first_seen_us, last_seen_us = (
        head[name].astype(np.int64) for name in ("first_seen_us", "last_seen_us")
    )
    has_own = have_own(data[starts])
    days, sessions, breaks = _days(_rests(data, at - starts, ends - at), ends - at, has_own)
    events = np.add.reduceat(days["platform_events"].sum(axis=1), days["day_offsets"][:-1])
    return Timelines(
        user_id=user_ids,
        first_seen_us=first_seen_us,
        last_seen_us=last_seen_us,
        first_platform=head["first_platform"].copy(),
        first_utm_source=texts[0],
        first_country=texts[1],
        first_id=Hashes(head["high"].astype(np.uint64), head["low"].astype(np.uint64)),
        sessions=sessions_of(breaks, sessions, first_seen_us, last_seen_us, events, data[starts]),
        **days,
    )


def _days(
    octets: NDArray[np.uint8], sizes: NDArray[np.int64], has_own: NDArray[np.bool_]
) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64]]:
    """The fields of days, how many sessions each user has, and the breaks between them.

    Args:
        octets: the bytes of all numbers.
        sizes: int64 [users], of how many of them each user's are.
        has_own: bool [users], whose numbers end with events of own types.
    """
    numbers = varints.decode(octets)
    counts = np.add.reduceat(octets < 0x80, np.cumsum(sizes) - sizes, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    days, sessions, first_date = (numbers[starts + place] for place in range(3))
    step_rows, mask_rows = _spans(starts + 3, days), _spans(starts + 3 + days, days)
    break_rows = _spans(starts + 3 + 2 * days, 3 * (sessions - 1))
    filled = filled_by(numbers[mask_rows])
    offsets = np.append(0, np.cumsum(days))
    own = np.zeros_like(days)
    if has_own.any():
        counted = np.add.reduceat(filled.sum(axis=1), offsets[:-1], dtype=np.int64)
        rest = counts - (3 + 2 * days + 3 * (sessions - 1) + counted)
        own[has_own] = rest[has_own] // 3
        if (rest != 3 * own).any() or (own < 0).any():
            raise ValueError("there are more or fewer numbers than there must be")
    own_rows = _spans(starts + counts - 3 * own, 3 * own)
    rest = np.ones(len(numbers), np.bool_)
    for rows in (starts, starts + 1, starts + 2, step_rows, mask_rows, break_rows, own_rows):
        rest[rows] = False
    counters = np.zeros(filled.shape, np.int64)
    counters.ravel()[np.flatnonzero(filled)] = numbers[np.flatnonzero(rest)]
    run = np.cumsum(numbers[step_rows])
    fields = {
        "day_offsets": offsets,
        "date": run + np.repeat(first_date - run[offsets[:-1]], days),
        "own_events": own_events_of(numbers[own_rows].reshape(-1, 3), own, offsets),
        **fields_of(counters),
    }
    return fields, sessions, numbers[break_rows].reshape(-1, 3)


def _rests(
    data: NDArray[np.uint8], heads: NDArray[np.int64], rests: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Of bytes that are a head and a rest in turn, of so many each, the rests."""
    sizes = np.column_stack([heads, rests]).ravel()
    is_rest = np.repeat(np.tile([False, True], len(heads)), sizes)
    found: NDArray[np.uint8] = data[is_rest]
    return found


def _spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places from each start on, so many each, one after the other."""
    ends = np.cumsum(lengths)
    places: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    return places


def _as_varints(numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> pa.Array:
    """Binary [rows] of so many numbers each."""
    data, lengths = varints.encode_each(numbers)
    return binary_array(data, np.add.reduceat(lengths, np.cumsum(counts) - counts))


def _strings(
    data: NDArray[np.uint8], lengths: NDArray[np.int64], known: NDArray[np.bool_]
) -> pa.Array:
    """String [rows] of so many bytes each, NULL where it is not known."""
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    mask = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers)


def _bytes_of(encoded: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of binary [rows] and where each row's end."""
    _, offsets, data = encoded.buffers()
    ends = np.frombuffer(offsets, np.int32)[encoded.offset : encoded.offset + len(encoded) + 1]
    octets = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]
    return octets, (ends[1:] - ends[0]).astype(np.int64)
