"""user_timelines: one row per user."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import BYTES, STRING, TIMESTAMP, Table, required
from transforms.kernels.codecs.timeline_codec import decode_timelines, encode_timelines
from transforms.kernels.timelines import Timelines

TABLE = Table(
    name="user_timelines",
    description="One row per user: all that the marts need to know of the user's events.",
    columns=(
        required("user_id", STRING, "The user, as the source names them"),
        required(
            "timeline",
            BYTES,
            "The active dates, what happened on each, the sessions, and the first event; its first "
            "byte is the number of its layout",
        ),
        required("written_at", TIMESTAMP, "When the row was written"),
    ),
    clustering=("user_id",),
    primary_key=("user_id",),
    written_at="written_at",
)


def rows(timelines: Timelines, written_at: pa.Scalar | pa.Array) -> pa.Table:
    """The rows of user_timelines for the users of `timelines`, in their order.

    Args:
        timelines: of any number of users.
        written_at: the moment of writing, or one for each user.
    """
    encoded = encode_timelines(timelines)
    return TABLE.build(
        {"user_id": timelines.user_id, "timeline": encoded, "written_at": written_at}
    )


def timelines_of(rows: pa.Table) -> Timelines:
    """The timelines that rows of user_timelines hold, in their order.

    Raises:
        DataError: if a later version wrote one of them, or if one is damaged.
    """
    user_ids, encoded = (
        rows[name].combine_chunks().cast(kind)
        for name, kind in (("user_id", pa.string()), ("timeline", pa.binary()))
    )
    return decode_timelines(user_ids, encoded)
