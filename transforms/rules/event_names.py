"""The names of events that raw records have, by rules that take all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from transforms.data_error import DataError
from transforms.figure_settings import MOST_OWN_TYPES, checked_own
from transforms.kernels.records import RawRecords
from transforms.rules.model import Column, Exclude, Rules, TimeRules
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS

_SHOWN = 10


def names_alone(rules: Rules) -> Rules:
    """Rules that read of a source its event types, and leave all other columns blank."""
    return replace(
        rules,
        columns={
            **dict.fromkeys(SOURCE_COLUMNS, Column()),
            "event_type": rules.column("event_type"),
        },
        time=TimeRules(),
        amount=None,
        exclude=Exclude(),
        values={name: values for name, values in rules.values.items() if name == "event_type"},
    )


def names_in(records: RawRecords) -> Counter[str]:
    """How often each event type is there, trimmed, without blanks."""
    column = records.columns[SOURCE_COLUMNS.index("event_type")]
    texts = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    found: Counter[str] = Counter()
    for entry in pc.value_counts(texts).to_pylist():
        found[(entry["values"] or "").strip()] += entry["counts"]
    del found[""]
    return found


def with_types(rules: Rules, names: Mapping[str, int], known: tuple[str, ...] = ()) -> Rules:
    """Rules whose own event types are those that are known and the names that were found, as far as
    they can be event types.

    Args:
        rules: that take all names.
        names: how often each was found.
        known: own event types of the tables, which keep their places.

    Raises:
        DataError: if there are too many.
    """
    more = [name for name in names if name not in (*EVENT_TYPES, *known) and _can_be(name)]
    if len(known) + len(more) > MOST_OWN_TYPES:
        shown = sorted(more, key=lambda name: (-names[name], name))[:_SHOWN]
        before = f", beside the {len(known)} that the tables have" if known else ""
        raise DataError(
            f"the files have {len(more):,} names of events{before}, and there are {MOST_OWN_TYPES} "
            "own event types at most. The most frequent ones are "
            f'{", ".join(f"{name} ({names[name]:,})" for name in shown)}. In place of own = "*" '
            'list those that matter and "other", and give all others that name: '
            '[values.event_type] "*" = "other"'
        )
    return replace(rules, own_event_types=(*known, *sorted(more)))


def _can_be(name: str) -> bool:
    try:
        return bool(checked_own([name]))
    except DataError:
        return False
