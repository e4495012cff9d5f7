"""What commits do to which table."""

from __future__ import annotations

import pytest

from pipeline.sinks.commit_plan import CommitPlan
from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from transforms.marts import dead_letter_events, dim_users, fct_events

EVENTS, USERS, LETTERS = fct_events.TABLE, dim_users.TABLE, dead_letter_events.TABLE
REPLACE, MERGE, APPEND = WriteDisposition


def file(table: str, path: str) -> StagedFile:
    return StagedFile(table, path, 1, 1, [])


def test_replacing_changes_every_table_in_order_also_without_files() -> None:
    plan = CommitPlan.replacing([EVENTS, USERS])
    b, a = file("dim_users", "b"), file("dim_users", "a")
    assert plan.changes([b, a]) == [Change(EVENTS, REPLACE, []), Change(USERS, REPLACE, [a, b])]


def test_adding_merges_by_key_and_appends_what_has_none() -> None:
    plan = CommitPlan.adding([USERS, LETTERS])
    assert plan.dispositions == {USERS: MERGE, LETTERS: APPEND}
    row, key, dead_letter = (
        file("dim_users", "a"),
        file("dim_users_removals", "b"),
        file("dead_letter_events", "c"),
    )
    assert plan.changes([dead_letter, key, row]) == [
        Change(USERS, MERGE, [row], (key,)),
        Change(LETTERS, APPEND, [dead_letter]),
    ]


def test_what_is_new_is_told_from_what_is_merged_and_what_leaves_by_its_values() -> None:
    by_user, by_letter = ("user_id",), ("dead_letter_id", "failed_at")
    plan = CommitPlan(
        {EVENTS: MERGE, LETTERS: APPEND},
        {EVENTS.name: [by_user], LETTERS.name: [by_user, by_letter]},
    )
    renumbered, new = file("fct_events", "a"), file("fct_events_appended", "b")
    user, letter = (
        file("fct_events_by_user_id", "c"),
        file("dead_letter_events_by_dead_letter_id_and_failed_at", "d"),
    )
    assert set(plan.contracts) == {
        "fct_events",
        "fct_events_removals",
        "fct_events_appended",
        "fct_events_by_user_id",
        "dead_letter_events",
        "dead_letter_events_by_user_id",
        "dead_letter_events_by_dead_letter_id_and_failed_at",
    }
    events, letters = plan.changes([letter, user, new, renumbered])
    assert events == Change(EVENTS, MERGE, [renumbered], (), (new,), (Matching(by_user, [user]),))
    assert letters == Change(
        LETTERS, APPEND, [], (), (), (Matching(by_user, []), Matching(by_letter, [letter]))
    )
    assert events.rows == 2
    assert events.staged == [renumbered, new, user]


def test_a_table_is_asked_by_columns_that_it_has() -> None:
    with pytest.raises(ValueError, match="dim_users has no columns event_id"):
        USERS.matching(("event_id",))
    assert EVENTS.matching(("user_id", "event_date")).partition == EVENTS.partition
    assert EVENTS.matching(("user_id",)).partition is None


def test_one_commit_may_append_merge_and_replace() -> None:
    plan = CommitPlan({EVENTS: APPEND, USERS: MERGE, LETTERS: REPLACE})
    files = [file(table.name, table.name) for table in (EVENTS, USERS, LETTERS)]
    events, users, dead_letters = files
    assert plan.changes(reversed(files)) == [
        Change(EVENTS, APPEND, [events]),
        Change(USERS, MERGE, [users]),
        Change(LETTERS, REPLACE, [dead_letters]),
    ]


@pytest.mark.parametrize("table", ["growth_metrics", "dim_users_removals"])
def test_a_file_that_no_table_takes_is_refused(table: str) -> None:
    plan = CommitPlan.replacing([USERS])
    with pytest.raises(ValueError, match=f"x.parquet holds rows of {table}"):
        plan.changes([file(table, "x.parquet")])
