"""The names of the tables of users, and of the sums over them, in what steps give."""

from __future__ import annotations

from typing import Final

from transforms.marts import dim_users, fct_events, users_with_negative_miles
from transforms.state import excluded_users, user_timelines

CONTRIBUTIONS: Final = "contributions"
EVENTS: Final = fct_events.TABLE.name
USERS: Final = dim_users.TABLE.name
NEGATIVE: Final = users_with_negative_miles.TABLE.name
TIMELINES: Final = user_timelines.TABLE.name
EXCLUDED_USERS: Final = excluded_users.TABLE.name
