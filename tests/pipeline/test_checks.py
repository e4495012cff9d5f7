"""Every check: kept by correct tables, broken by a breakage of its own, the same both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.breakages import breakage
from tests.support.quality import CHECKS, Copy, failures, write_events
from tests.support.runs import Run, run_graph
from transforms.checking.bound import Check
from transforms.marts.registry import TABLES


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("checks")
    write_events(folder / "events.csv")
    tables = run_graph([folder / "events.csv"], folder / "growth.duckdb", Run())
    rows = sum(1 for _ in (folder / "events.csv").open("rb")) - 1
    found = tables["fct_events"].num_rows + tables["dead_letter_events"].num_rows
    copied = Copy(tables, rows - found)
    yield copied
    copied.connection.close()


def test_correct_tables_keep_every_check_and_none_is_vacuous(copy: Copy) -> None:
    for results in (copy.pushed_down(), copy.as_in_the_graph()):
        assert failures(results) == {}
        assert [r.check.check_id for r in results if not r.checked_rows] == []
    assert [r.check for r in copy.as_in_the_graph()] == list(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.check_id)
def test_a_broken_rule_fails_its_check_and_no_other(copy: Copy, check: Check) -> None:
    def look() -> None:
        ours, theirs = failures(copy.as_in_the_graph()), failures(copy.pushed_down())
        assert set(ours) == {check.check_id}
        # The run's own counts are not among the tables.
        assert set(theirs) == {check.check_id} - {"fct_events.input_adds_up"}
        for name, result in theirs.items():
            assert result == ours[name]
            assert result.sample

    copy.broken(breakage(check), look)


def test_there_are_at_least_179_over_the_eleven_tables() -> None:
    of_tables = [check for check in CHECKS if check.table != "dead_letter_events"]
    assert len(of_tables) >= 179
    assert {check.table for check in of_tables} == set(TABLES) - {"dead_letter_events"}
    assert len({check.check_id for check in CHECKS}) == len(CHECKS)
