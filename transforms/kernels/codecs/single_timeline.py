"""The timeline of one user as bytes: what `timeline_codec` does, in a third of its time for one.

A stream reads and writes the state of one user at a time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.kernels import varints
from transforms.kernels.codecs.layouts import refuse_damaged
from transforms.kernels.codecs.timeline_layout import (
    DAY_COUNTERS,
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


def encode_timeline(user: Timelines) -> bytes:
    """The timeline of one user as bytes, without the user id."""
    counters = counters_of(user)
    filled = counters != 0
    steps = np.diff(user.date, prepend=user.date[:1])
    # Dates before 1970 can't be: event times begin in 2000.
    numbers = np.concatenate(
        [
            [len(steps), len(user.sessions.events), user.date[0]],
            *(steps, masks_of(filled), breaks_of(user.sessions).ravel(), counters[filled]),
            *([own_numbers(user)[0].ravel()] if len(user.own_events) else ()),
        ]
    )
    texts = [getattr(user, name)[0].as_py() for name in TEXTS]
    parts = [b"" if text is None else text.encode() for text in texts]
    sizes = varints.encode(
        np.array(
            [0 if text is None else len(part) + 1 for text, part in zip(texts, parts, strict=True)]
        )
    )
    head = np.array(
        (
            versions_of(user)[0],
            user.first_seen_us[0],
            user.last_seen_us[0],
            user.first_id.high[0],
            user.first_id.low[0],
            user.first_platform[0],
        ),
        HEAD,
    )
    return b"".join([head.tobytes(), bytes([len(sizes)]), sizes, *parts, varints.encode(numbers)])


def decode_timeline(user_id: str, data: bytes) -> Timelines:
    """The timeline that `encode_timeline` wrote.

    Raises:
        DataError: as `timeline_codec.decode_timelines`.
    """
    if not data:
        refuse_damaged("a timeline")
    check_versions(np.frombuffer(data, np.uint8, 1))
    try:
        return _decoded(user_id, data)
    except (IndexError, ValueError):
        refuse_damaged("a timeline")


def _decoded(user_id: str, data: bytes) -> Timelines:
    head = np.frombuffer(data, HEAD, 1)
    at = HEAD.itemsize + 1 + data[HEAD.itemsize]
    texts: list[str | None] = []
    for size in varints.decode(data[HEAD.itemsize + 1 : at]).tolist():
        texts.append(data[at : at + size - 1].decode() if size else None)
        at += max(size - 1, 0)
    numbers = varints.decode(data[at:])
    days, sessions, first_date = numbers[:3].tolist()
    ends = np.cumsum([days, days, 3 * (sessions - 1)])
    steps, masks, breaks, values = np.split(numbers[3:], ends)
    counters = np.zeros((days, len(DAY_COUNTERS)), np.int64)
    filled = filled_by(masks)
    counted = int(filled.sum())
    counters[filled] = values[:counted]
    own, day_offsets = values[counted:].reshape(-1, 3), np.array([0, days])
    if len(own) and not have_own(head["version"])[0]:
        refuse_damaged("a timeline")
    fields = fields_of(counters)
    first_seen_us, last_seen_us = head["first_seen_us"], head["last_seen_us"]
    return Timelines(
        user_id=pa.array([user_id], pa.string()),
        day_offsets=day_offsets,
        date=first_date + np.cumsum(steps),
        **fields,
        own_events=own_events_of(own, np.array([len(own)]), day_offsets),
        first_seen_us=first_seen_us,
        last_seen_us=last_seen_us,
        first_platform=head["first_platform"],
        first_utm_source=pa.array(texts[:1], pa.string()),
        first_country=pa.array(texts[1:], pa.string()),
        first_id=Hashes(head["high"], head["low"]),
        sessions=sessions_of(
            breaks.reshape(-1, 3),
            np.array([sessions]),
            first_seen_us,
            last_seen_us,
            fields["platform_events"].sum(keepdims=True)[0],
            head["version"],
        ),
    )
