"""forgotten_users: one row per user whose events are dropped, whatever brings them."""

from __future__ import annotations

from transforms.contract import STRING, TIMESTAMP, Table, required

TABLE = Table(
    name="forgotten_users",
    description="One row per user who was forgotten, by a hash that nobody can lead back without "
    "the warehouse's key.",
    columns=(
        required("user_hash", STRING, "A keyed hash of the user id"),
        required("forgotten_at", TIMESTAMP, "When the user was forgotten"),
        required("run_id", STRING, "The run that did it"),
    ),
    primary_key=("user_hash",),
    written_at="forgotten_at",
)
