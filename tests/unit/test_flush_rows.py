"""Which rows of a flush are appended, and which are merged."""

from __future__ import annotations

import pyarrow as pa

from pipeline.sinks.flush_rows import NONE, rows_to_stage
from tests.support.tables import csv_text, parse, row
from transforms.figure_settings import FigureSettings
from transforms.kernels.codecs.record_codec import Record, decode_records, encode_users
from transforms.kernels.sessions import sort_events
from transforms.kernels.user_head import UserHead
from transforms.kernels.user_state import advance_user
from transforms.marts import dead_letter_events, fct_events
from transforms.streaming.user_changes import UserChanges

EVENTS = fct_events.TABLE


def parts_of(*minutes: int) -> list[tuple[str, pa.Table]]:
    """What a user's events come to that arrive one after the other, a bundle each."""
    head: UserHead | None = None
    recent: list[Record] = []
    parts: list[tuple[str, pa.Table]] = []
    for number, minute in enumerate(minutes):
        events = parse(csv_text([row(f"2025-01-01T10:{minute:02}:00Z")]))[0].events
        ((user_id, data),) = encode_users(sort_events([events]))
        step = advance_user(user_id, head, decode_records(data), recent.copy)
        changes = UserChanges(FigureSettings())
        after = step.head.stamped(number + 1, 0)
        changes.add(user_id, head, after, step)
        parts += [part for part in changes.outputs() if isinstance(part[1], pa.Table)]
        head, recent = after, [*recent, *(event.record for event in step.new)]
    return parts


def staged(
    parts: list[tuple[str, pa.Table]], appends: bool = True, merged: pa.Array = NONE
) -> dict[str, dict[int, tuple[int, int]]]:
    """By the names of contracts the number in the session, and the version, of each minute."""
    return {
        contract.name: {
            event["event_time"].minute: (
                event["event_sequence_in_session"],
                event["processed_at"].microsecond,
            )
            for event in rows.to_pylist()
        }
        for contract, rows in rows_to_stage(EVENTS, parts, appends, merged)
    }


def test_a_row_that_is_new_and_changes_in_one_flush_is_appended_as_it_is_last() -> None:
    parts = parts_of(0, 20, 10)
    assert staged(parts) == {EVENTS.appended.name: {0: (1, 1), 10: (2, 3), 20: (3, 3)}}
    assert staged(parts[::-1]) == staged(parts)


def test_a_row_of_an_earlier_flush_is_merged() -> None:
    earlier, parts = parts_of(0, 20), parts_of(0, 20, 10)
    assert staged(parts[len(earlier) :]) == {
        EVENTS.appended.name: {10: (2, 3)},
        EVENTS.name: {20: (3, 3)},
    }


def test_a_row_that_was_new_and_is_overtaken_by_its_newer_version_is_merged() -> None:
    parts = parts_of(0, 20)
    rows = pa.concat_tables([rows for name, rows in parts if name == EVENTS.appended.name])
    keys = pa.array(["none", rows["event_id"][1].as_py()])
    assert staged(parts, merged=keys) == {
        EVENTS.appended.name: {0: (1, 1)},
        EVENTS.name: {20: (2, 2)},
    }


def test_where_a_runner_may_go_back_all_rows_are_merged() -> None:
    earlier, parts = parts_of(0, 20), parts_of(0, 20, 10)
    assert staged(parts[len(earlier) :], appends=False) == {EVENTS.name: {10: (2, 3), 20: (3, 3)}}
    assert staged(parts, appends=False) == {EVENTS.name: {0: (1, 1), 10: (2, 3), 20: (3, 3)}}


def test_rows_without_a_key_are_all_staged() -> None:
    letters = dead_letter_events.TABLE
    rows = letters.arrow_schema.empty_table()
    assert list(rows_to_stage(letters, [(letters.name, rows)])) == []
