"""Which checks an increment answers: those that rows that change, and whole marts, can tell."""

from __future__ import annotations

from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.planning import plan_of_flush, plan_of_increment

PARTS = ("fct_events", "dim_users", "users_with_negative_miles", "dead_letter_events")
CHECKS = all_checks(FigureSettings())
FOUND = {check.check_id for check in plan_of_increment(CHECKS, PARTS)}


def test_whole_tables_are_asked_everything() -> None:
    assert {check.check_id for check in CHECKS if not check.tables & set(PARTS)} <= FOUND


def test_parts_are_asked_what_a_row_and_its_user_tell() -> None:
    by_row = {check.check_id for name in TABLES for check in plan_of_flush(CHECKS, name)}
    assert by_row <= FOUND
    assert "users_with_negative_miles.total_miles_earned_of_dim_users" in FOUND
    assert "fct_events.user_id.in_dim_users" in FOUND


def test_parts_are_not_asked_of_rows_that_may_be_missing() -> None:
    for check_id in (
        "fct_events.one_start_each",
        "fct_events.sequences_without_a_hole",
        "fct_events.no_shorter_gap_between",
        "growth_drivers.events_add_up",
        "fct_events.input_adds_up",
    ):
        assert check_id in {check.check_id for check in CHECKS}
        assert check_id not in FOUND
