"""Every check: kept by correct tables, broken by a breakage of its own, the same both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.support.breakages.of_checks import breakage
from tests.support.breakages.statements import AGAIN
from tests.support.quality import CHECKS, Copy, failures, write_events
from tests.support.runs import CHECKED, run_batch
from tests.support.thorough import THOROUGH
from transforms.marts.registry import TABLES
from transforms.quality.compile import Check, ColumnRule


def alone_or_together() -> list[Sequence[Check]]:
    """Checks to break, each alone; those of a mart's columns by kind, unless thoroughly.

    In fct_events one row's columns decide what is asked of the next.
    """
    together: dict[object, list[Check]] = {}
    for check in CHECKS:
        by_column = isinstance(check.rule, ColumnRule) and check.table != "fct_events"
        alone = THOROUGH or not by_column
        key = check.check_id if alone else (check.table, check.check_type)
        together.setdefault(key, []).append(check)
    return list(together.values())


def both_ways(checks: Sequence[Check]) -> bool:
    """Whether the tables are asked too: for every eighth check, unless thoroughly."""
    return THOROUGH or CHECKS.index(checks[0]) % 8 == 0


def name_of(checks: Sequence[Check]) -> str:
    first = checks[0]
    return first.check_id if len(checks) == 1 else f"{first.table}-{first.check_type}"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("checks")
    write_events(folder / "events.csv")
    tables = run_batch([folder / "events.csv"], folder / "growth.duckdb", CHECKED)
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


@pytest.mark.parametrize("checks", alone_or_together(), ids=name_of)
def test_a_broken_rule_fails_its_check_and_no_other(copy: Copy, checks: Sequence[Check]) -> None:
    broken = {check.check_id for check in checks}
    following = {check.check_id for check in CHECKS if check.table in AGAIN} - broken

    def look() -> None:
        ours = failures(copy.as_in_the_graph())
        assert set(ours) - following == broken
        if not both_ways(checks):
            return
        theirs = failures(copy.pushed_down())
        # The run's own counts are not among the tables.
        assert set(theirs) - following == broken - {"fct_events.input_adds_up"}
        for name, result in theirs.items():
            assert result == ours[name]
            assert result.sample

    copy.broken([statement for check in checks for statement in breakage(check)], look)


def test_there_are_at_least_179_over_all_tables() -> None:
    of_tables = [check for check in CHECKS if check.table != "dead_letter_events"]
    assert len(of_tables) >= 179
    assert {check.table for check in of_tables} == set(TABLES) - {"dead_letter_events"}
    assert len({check.check_id for check in CHECKS}) == len(CHECKS)
