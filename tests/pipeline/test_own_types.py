"""Event types of one's own, through every run: files, messages, dead letters, rebuilds, erasure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import OptionError, RunError
from pipeline.forget.forget_job import forget
from pipeline.launch.check_launch import check_tables
from pipeline.launch.new_files import Asked
from pipeline.launch.tables_built import types_of_tables
from pipeline.warehouse import open_warehouse
from tests.pipeline.test_rebuild import run_rebuild
from tests.pipeline.test_update_files import Days, state_of
from tests.support.dead_letters import run_replay
from tests.support.forgetting import forgotten, job_of
from tests.support.reading import reading
from tests.support.runs import contents, read_all
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, Row, csv_text, differences, oracle_tables, row
from tests.support.thorough import thorough
from tests.support.updates import Home, differing
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.registry import TABLES

OWN = ("signed_up", "Order Completed")
TYPES = FigureSettings.among(OWN)
ASKED = Asked(AskedFigures(own=OWN))
MARTS = set(TABLES) - {"dead_letter_events"}


def events(*days: int, kinds: Sequence[str] = (*OWN, "share", "miles_earned")) -> list[Row]:
    """Some events of four users on days of January, of each kind some."""
    return [
        row(
            f"2024-01-{day:02}T{(day + number) % 24:02}:{7 * number % 60:02}:00Z",
            ("ann", "bob", "cy", "dé")[(day * number) % 4],
            kinds[(day + number) % len(kinds)],
        )
        for day in days
        for number in range(6)
    ]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days.into(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with events of own types, as a batch leaves it."""
    path = tmp_path_factory.mktemp("own") / "growth.duckdb"
    Home.at(path, TYPES).batch(events(1, 2, 9))
    return path


def copied(built: Path, folder: Path) -> Path:
    path = folder / "growth.duckdb"
    path.write_bytes(built.read_bytes())
    return path


@thorough
def test_files_of_several_days_end_as_plain_sql_says(tmp_path: Path, days: Days) -> None:
    parts = [events(1, 2, 15), events(2, 3, 31), events(3, 4, 15)]
    days.write("1.csv", csv_text(parts[0]))
    days.update(1, ASKED, by_beam=True)
    days.write("2.csv", csv_text(parts[1]))
    days.update(2, by_beam=True, quality="enforce")
    days.write("3.csv", csv_text(parts[2]))
    days.update(3, quality="enforce")
    path = tmp_path / "all.csv"
    path.write_bytes(csv_text([item for part in parts for item in part]))
    warehouse = open_warehouse(f"duckdb:///{days.database}")
    ours = read_all(warehouse)
    with oracle_tables(path, ours, TYPES.names, OWN) as oracle:
        assert differences(oracle, ours) == {}
    check_tables(warehouse, NOW)
    assert types_of_tables(warehouse, None) == TYPES
    assert days.ask("SELECT value FROM warehouse_settings WHERE name = 'active_event_types'") == [
        ("miles_earned,miles_redeemed,share,like,reward_search,signed_up,Order Completed; "
         "own: signed_up,Order Completed",)
    ]  # fmt: skip
    before = contents(days.database), state_of(days.database)
    run_rebuild(days.database)
    assert (contents(days.database), state_of(days.database)) == before


def test_a_batch_without_own_types_takes_none_and_forgets_them(days: Days) -> None:
    days.write("1.csv", csv_text(events(1, 2)))
    days.update(1, ASKED)
    assert days.ask("SELECT count(*) FROM dead_letter_events") == [(0,)]
    warehouse = open_warehouse(f"duckdb:///{days.database}")
    Home(warehouse, runs=1).batch(events(1, 2, kinds=["share", "like"]))
    assert types_of_tables(warehouse, None) == FigureSettings()
    days.write("2.csv", csv_text(events(3)))
    days.update(3)
    wrong = "SELECT error_type, count(*) FROM dead_letter_events GROUP BY 1"
    assert days.ask(wrong) == [("unknown_event_type", 3)]


def test_active_types_may_be_own_ones_and_are_refused_where_they_differ(days: Days) -> None:
    days.write("1.csv", csv_text(events(1, 2)))
    days.update(1, Asked(AskedFigures(("signed_up", "share"), OWN)), quality="enforce")
    active = "SELECT sum(daily_active_users) FROM growth_metrics"
    theirs = (
        "SELECT count(DISTINCT (user_id, event_date)) FROM fct_events "
        "WHERE event_type IN ('signed_up', 'share')"
    )
    assert days.ask(active) == days.ask(theirs)
    days.write("2.csv", csv_text(events(3)))
    for names, said in (
        (("share",), "share: the tables were built with share,signed_up"),
        (("buy",), "buy: the tables were built with"),
    ):
        with pytest.raises(OptionError, match=said):
            days.update(2, Asked(AskedFigures(names)))
    days.update(3, Asked(AskedFigures(("share", "signed_up"))), quality="enforce")
    assert days.ask(active) == days.ask(theirs)
    run_rebuild(days.database, "--quality", "enforce", "--active_event_types", "Order Completed")
    assert days.ask(active) == days.ask(theirs.replace("'signed_up', 'share'", "'Order Completed'"))


def test_a_type_that_is_declared_later_brings_its_dead_letters_back(days: Days) -> None:
    days.write("1.csv", csv_text(events(1, 2)))
    days.update(1, Asked(AskedFigures(own=OWN[:1])))
    assert days.ask("SELECT count(*) FROM dead_letter_events") == [(3,)]
    days.write("2.csv", csv_text(events(3)))
    days.update(2, ASKED)
    run_replay(days.database)
    assert days.ask("SELECT count(*) FROM dead_letter_events") == [(0,)]
    assert differing(days.database, events(1, 2, 3), TYPES) == []


def test_dead_letters_are_corrected_to_own_types(built: Path, tmp_path: Path) -> None:
    days = Days(copied(built, tmp_path), tmp_path)
    days.write("1.csv", csv_text([row("2024-01-09T00:00:00Z", "new", "signd_up")]))
    days.update(5)
    run_replay(days.database, "--edit", "s/signd/signed/")
    corrected = row("2024-01-09T00:00:00Z", "new", "signed_up")
    assert differing(days.database, [*events(1, 2, 9), corrected], TYPES) == []


def test_people_with_own_events_leave_all_tables(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    warehouse = open_warehouse(f"duckdb:///{path}")
    report = forgotten(warehouse, None, ["bob", "cy"], TYPES)
    left = [item for item in events(1, 2, 9) if item["user_id"] not in ("bob", "cy")]
    assert report.events == len(events(1, 2, 9)) - len(left)
    assert differing(path, left, TYPES) == []


@thorough
def test_under_pseudonyms_no_figure_changes(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    warehouse, before = open_warehouse(f"duckdb:///{path}"), contents(path)
    forget(job_of(warehouse, ["bob"], TYPES, pseudonymise=True), None)
    after = contents(path)
    of_users = {"fct_events", "dim_users", "users_with_negative_miles"}
    assert [name for name in MARTS - of_users if not after[name].equals(before[name])] == []
    kinds = [sorted(tables["fct_events"]["event_type"].to_pylist()) for tables in (before, after)]
    assert kinds[0] == kinds[1]
    assert "bob" not in after["dim_users"]["user_id"].to_pylist()
    check_tables(warehouse, NOW)


@thorough
def test_streams_of_a_runner_take_own_types(built: Path, tmp_path: Path) -> None:
    """Late and repeated ones, of users whom the tables know and of new ones."""
    path = copied(built, tmp_path)
    bundles = [
        [*events(2), *events(20, 21)],
        [row("2024-01-20T00:00:00Z", "new", "Order Completed"), *events(3, 20)],
    ]
    numbered = [
        [message(item, 100 * at + number) for number, item in enumerate(part)]
        for at, part in enumerate(bundles)
    ]
    run_stream(stream_of(numbered), path, active_types=TYPES.names, own=OWN, quality="warn")
    everything = [*events(1, 2, 9), *(item for part in bundles for item in part)]
    assert differing(path, everything, TYPES) == []
    with reading(path) as connection:
        failed = connection.execute(
            "SELECT check_id FROM data_quality_results WHERE status = 'fail'"
        ).fetchall()
    assert failed == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE growth_counters SET value = value + 1 WHERE grid = 'own_types' "
            "AND counter = 'events'",
            "growth_counters is of",
        ),
        ("UPDATE events_by_type SET event_type = 'other' WHERE event_type = 'signed_up'", "failed"),
    ],
)
def test_check_sees_what_somebody_has_changed(
    built: Path, tmp_path: Path, statement: str, said: str
) -> None:
    path = copied(built, tmp_path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    with pytest.raises(RunError, match=said):
        check_tables(open_warehouse(f"duckdb:///{path}"), NOW)
