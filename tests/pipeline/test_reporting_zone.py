"""A time zone of dates, through every run: files, messages, dead letters, rebuilds, erasure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import OptionError
from pipeline.forget.forget_job import forget
from pipeline.launch.check_launch import check_tables
from pipeline.launch.new_files import Asked
from pipeline.launch.tables_built import first_types, types_of_tables, types_to_build
from pipeline.report.write_report import report_page
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.noted_settings import reckoning_of_tables
from tests.pipeline.test_rebuild import run_rebuild
from tests.pipeline.test_update_files import Days
from tests.support.dead_letters import run_replay
from tests.support.forgetting import forgotten, job_of
from tests.support.runs import CHECKED_THOROUGHLY, contents, read_all
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, Row, csv_text, differences, oracle_tables, row
from tests.support.thorough import some
from tests.support.updates import Home, differing
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.registry import TABLES
from transforms.reckoning import Reckoning
from transforms.vocabulary import EVENT_TYPES

# Clocks went from 00:01 back to 23:01 in the night to 2009-11-01: its date came back.
ZONE = Reckoning("America/St_Johns", "sunday")
FIGURES = FigureSettings(reckoning=ZONE)
ASKED = Asked(AskedFigures(zone=ZONE.zone, week_start="sunday"))


def events(*days: int) -> list[Row]:
    """Some events of four users around the midnights that begin days of November."""
    return [
        row(
            f"{start + timedelta(minutes=17 * number):%Y-%m-%dT%H:%M:%SZ}",
            ("ann", "bob", "cy", "dé")[(day + number) % 4],
            EVENT_TYPES[2 + (day + number) % 3],
        )
        for day in days
        for start in [datetime(2009, 11, day, 1, 40)]
        for number in range(8)
    ]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days.into(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zone") / "growth.duckdb"
    Home.at(path, FIGURES).batch(events(1, 2, 9))
    return path


def copied(built: Path, folder: Path) -> Path:
    path = folder / "growth.duckdb"
    path.write_bytes(built.read_bytes())
    return path


def test_days_of_files_end_as_plain_sql_says_and_rebuild_changes_the_zone(
    tmp_path: Path, days: Days
) -> None:
    parts = [events(1, 2), events(1, 3), events(2, 4)]
    for number, part in enumerate(parts, 1):
        days.write(f"{number}.csv", csv_text(part))
        asked = ASKED if number == 1 else Asked()
        days.update(number, asked, by_beam=number == 2, quality=CHECKED_THOROUGHLY)
    path = tmp_path / "all.csv"
    path.write_bytes(csv_text([item for part in parts for item in part]))
    warehouse = open_warehouse(f"duckdb:///{days.database}")

    def are_of(reckoning: Reckoning) -> None:
        ours = read_all(warehouse)
        with oracle_tables(path, ours, reckoning=reckoning) as oracle:
            assert differences(oracle, ours) == {}
        check_tables(warehouse, NOW)
        assert reckoning_of_tables(warehouse) == reckoning

    are_of(ZONE)
    apia = replace(ZONE, zone="Pacific/Apia")
    plain = ["--timezone", "UTC", "--week_start", "monday"]
    for options, reckoning in some(
        [(["--timezone", apia.zone], apia), ([], apia), (plain, Reckoning())], 1
    ):
        run_rebuild(days.database, *options)
        are_of(reckoning)


def test_another_zone_or_week_is_refused_with_the_way_out(built: Path) -> None:
    warehouse = open_warehouse(f"duckdb:///{built}")
    for asked, said in (
        (AskedFigures(zone="UTC"), "--timezone UTC: the dates .* in America/St_Johns.*rebuild"),
        (AskedFigures(week_start="monday"), "--week_start monday: the weeks .* sunday.*rebuild"),
    ):
        with pytest.raises(OptionError, match=said):
            types_of_tables(warehouse, asked)
    assert types_of_tables(warehouse, AskedFigures(zone=ZONE.zone)) == FIGURES
    assert types_to_build(warehouse, AskedFigures(zone="UTC")).reckoning == replace(
        ZONE, zone="UTC"
    )
    assert first_types(None, warehouse) == FIGURES
    assert first_types(AskedFigures(zone="UTC"), warehouse).reckoning.zone == "UTC"


def test_messages_and_dead_letters_lie_on_local_dates(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    bundles = [[*events(2), *events(20, 21)], [*events(3, 20)]]
    numbered = [
        [message(item, 100 * at + number) for number, item in enumerate(part)]
        for at, part in enumerate(bundles)
    ]
    run_stream(stream_of(numbered), path, reckoning=ZONE, late_horizon_days=10_000, quality="warn")
    everything = [*events(1, 2, 9), *(item for part in bundles for item in part)]
    assert differing(path, everything, FIGURES) == []
    days = Days(path, tmp_path)
    days.write("1.csv", csv_text([row("2009-11-01T02:35:00Z", "ann", "shar")]))
    days.update(5)
    run_replay(days.database, "--edit", "s/shar/share/")
    everything.append(row("2009-11-01T02:35:00Z", "ann", "share"))
    assert differing(path, everything, FIGURES) == []


def test_people_leave_and_others_live_on_under_pseudonyms(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    warehouse, before = open_warehouse(f"duckdb:///{path}"), contents(path)
    forget(job_of(warehouse, ["bob"], FIGURES, pseudonymise=True), None)
    after = contents(path)
    of_users = {"fct_events", "dim_users", "users_with_negative_miles", "dead_letter_events"}
    marts = set(TABLES) - of_users
    assert [name for name in marts if not after[name].equals(before[name])] == []
    forgotten(warehouse, None, ["ann", "cy"], FIGURES)
    check_tables(warehouse, NOW)


def test_the_report_says_in_which_zone_dates_are(built: Path) -> None:
    page = report_page(open_warehouse(f"duckdb:///{built}"), NOW)
    assert "dates are in America/St_Johns, weeks begin on Sunday" in page
