"""People of several ids: runs by a map are those over rows in which everybody has one."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.support.in_process import command_here
from tests.support.known_people import figures, figures_by_sql, under_known_ids, write_pairs
from tests.support.reading import asked
from tests.support.runs import contents
from tests.support.tables import csv_text, row
from tests.support.thorough import some
from tests.support.updates import Home, differing

KNOWN = {"ann-1": "ann", "ann-2": "ann-1", "bob-1": "bob", "unseen": "bob"}
DAY = [
    row("2025-01-01T10:00:00Z", "ann-1", "miles_redeemed", amount="5"),
    row("2025-01-01T10:10:00Z", "ann", "miles_earned", amount="3"),
    row("2025-01-01T23:50:00Z", "ann-2"),
    row("2025-01-01T10:00:00Z", "bob"),
    # The same as bob's.
    row("2025-01-01T10:00:00Z", "bob-1"),
    row("2025-01-01T12:00:00Z", "cy"),
]
LATER = [
    row("2025-01-02T00:10:00Z", "ann-2"),
    row("2025-01-02T00:20:00Z", " ann-1 ", source="paid"),
    row("2025-01-01T10:00:00Z", "bob-1"),
    row("2025-01-02T10:00:00Z", "bob-1", platform="Windows Phone"),
]


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    done = command_here(*arguments, cwd=folder)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def noted(database: Path) -> list[tuple[str, str]]:
    return asked(database, "SELECT anonymous_id, user_id FROM known_people ORDER BY 1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "day.csv").write_bytes(csv_text(DAY))
    write_pairs(tmp_path / "people.csv", KNOWN)
    return tmp_path


@pytest.mark.parametrize("runner", some([(), ("--runner", "FnApiRunner")], 1))
def test_a_batch_and_what_follows_it(home: Path, runner: tuple[str, ...]) -> None:
    database = home / "growth.duckdb"
    line = ("--people", "people.csv", "--summary_file", "run.json", *runner)
    said = run(home, "batch", "--input", "day.csv", *line)
    assert "--people: 4 pairs of an anonymous id and a known one\n" in said
    assert json.loads((home / "run.json").read_text())["people"] == {"pairs": 4}
    assert noted(database) == [
        ("ann-1", "ann"),
        ("ann-2", "ann"),
        ("bob-1", "bob"),
        ("unseen", "bob"),
    ]
    assert differing(database, under_known_ids(DAY, KNOWN)) == []
    assert figures(database) == figures_by_sql([home / "day.csv"], KNOWN)

    (home / "later.csv").write_bytes(csv_text(LATER))
    run(home, "update", "--input", "*day.csv", "later.csv", "--people", "people.csv", *runner)
    came = [*DAY, *LATER[:-1]]
    assert differing(database, under_known_ids(came, KNOWN)) == []

    letters = contents(database)["dead_letter_events"]
    assert letters["user_id"].to_pylist() == ["bob-1"], "as it came"
    run(home, "replay", "--edit", "s/Windows Phone/Web/", *runner)
    came.append({**LATER[-1], "platform": "Web"})
    assert differing(database, under_known_ids(came, KNOWN)) == []

    run(home, "rebuild", *runner)
    assert differing(database, under_known_ids(came, KNOWN)) == []
    assert len(noted(database)) == 4

    # A batch goes on by what is noted, and corrections of earlier replays are read by it, too.
    run(home, "batch", "--input", "day.csv", "later.csv", "--allow_shrink", *runner)
    assert differing(database, under_known_ids(came, KNOWN)) == []
    run(home, "batch", "--input", "day.csv", "later.csv", "--people", "none", *runner)
    assert differing(database, came) == []
    assert noted(database) == []


def test_a_batch_says_where_people_are_nobody(home: Path) -> None:
    write_pairs(home / "strangers.csv", {"x": "y"})
    said = run(home, "batch", "--input", "day.csv", "--people", "strangers.csv")
    assert (
        "--people: 1 pair of an anonymous id and a known one, but no user of the tables has" in said
    )


def test_an_update_by_other_people_is_refused(home: Path) -> None:
    run(home, "batch", "--input", "day.csv", "--people", "people.csv")
    write_pairs(home / "other.csv", {**KNOWN, "bob-1": "ann"})
    said = run(home, "update", "--input", "day.csv", "--people", "other.csv", code=2)
    assert "--people: 'bob-1' is 'bob' in duckdb:///growth.duckdb, and would be 'ann':" in said
    said = run(home, "update", "--input", "day.csv", "--people", "none", code=2)
    assert "'ann-1' is 'ann' in duckdb:///growth.duckdb, and would be itself, and so are 3" in said


def test_people_are_named_by_a_table(home: Path) -> None:
    """A batch takes the pairs of a table beside its own, and an update moves whom it has since."""
    database = home / "growth.duckdb"

    def fill(known: dict[str, str]) -> None:
        with duckdb.connect(str(database)) as connection:
            connection.execute("CREATE OR REPLACE TABLE crm (user_id TEXT, anonymous_id TEXT)")
            connection.executemany(
                "INSERT INTO crm VALUES (?, ?)", [(k, a) for a, k in known.items()]
            )

    fill({"ann-1": "ann"})
    line = ("--input", "day.csv", "--people", "table:crm")
    run(home, "batch", *line)
    assert differing(database, under_known_ids(DAY, {"ann-1": "ann"})) == []
    fill(KNOWN)
    run(home, "update", *line)
    assert differing(database, under_known_ids(DAY, KNOWN)) == []
    fill({**KNOWN, "cy": ""})
    said = run(home, "update", *line, code=2)
    assert "--people table:crm: user_id is blank; {'anonymous_id': 'cy', 'user_id': ''}:" in said


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("crm", "table:crm: duckdb:///growth.duckdb has no such table: check the name"),
        ("a b", "table:a b: that is no table's name: give letters, digits and _ alone"),
        ("dim_users", "table:dim_users has no column anonymous_id, but "),
    ],
)
def test_a_table_that_holds_no_people_is_refused(home: Path, name: str, problem: str) -> None:
    database = home / "growth.duckdb"
    Home.at(database).batch(DAY)
    said = run(home, "update", "--input", "day.csv", "--people", f"table:{name}", code=2)
    assert problem in said
