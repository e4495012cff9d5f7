"""The gap of sessions and the date of the earliest events, as rules say them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from pipeline.errors import OptionError
from pipeline.launch.rules_of_run import (
    rules_to_add,
    rules_to_keep,
    rules_to_try,
    with_own_types,
)
from tests.oracle.oracle import build_from_events
from tests.support.tables import (
    compute,
    csv_text,
    differences,
    parse,
    row,
    time_of,
)
from tests.support.thorough import paired
from tests.unit.test_rules_of_run import noting, rules
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.parse import Limits
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.results import conclude
from transforms.reckoning import Reckoning
from transforms.rules.rule_additions import only_add
from transforms.rules.rules_document import canonical, document_of, rules_of
from transforms.state.warehouse_settings import noted_figures, reckoning_of
from transforms.vocabulary import EVENT_TYPES

BOUNDS = '[time]\nearliest = "1990-01-01"\n[sessions]\ngap_minutes = 20\n'


def test_rules_say_them_and_they_are_noted() -> None:
    found = rules(BOUNDS)
    assert (found.session_gap_minutes, found.time.earliest) == (20, date(1990, 1, 1))
    assert rules_of(document_of(found)) == found
    asked = with_own_types(None, found)
    assert asked.first().reckoning == Reckoning("UTC", "monday", 20, date(1990, 1, 1))
    assert with_own_types(None, None).first() == FigureSettings()
    for reckoning in (asked.first().reckoning, Reckoning("Asia/Singapore", "sunday")):
        noted = noted_figures(FigureSettings(reckoning=reckoning))
        assert reckoning_of(noted) == reckoning
    assert reckoning_of({}) == Reckoning()


def test_what_is_usual_need_not_be_said() -> None:
    usual = rules('[time]\nearliest = "2000-01-01"\n[sessions]\ngap_minutes = 30\n')
    assert canonical(usual) == canonical(rules("")) == "{}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sessions]\ngap_minutes = 0", "sessions.gap_minutes is 0: give .* from 1 to 480"),
        ("[sessions]\ngap_minutes = 481", "sessions.gap_minutes is 481"),
        ("[sessions]\ngap_minutes = 1.5", "sessions.gap_minutes is a .*: give a whole number"),
        ('[sessions]\ngap_minutes = "20"', "sessions.gap_minutes is a .*without quotes"),
        ("[sessions]\ngap = 20", "gap_minutes"),
        ('[time]\nearliest = "1990"', "is no date such as 1997-01-01"),
        ('[time]\nearliest = "1969-12-31"', "is no date from 1970-01-02 to 2000-01-01"),
        ('[time]\nearliest = "2001-01-01"', "is no date from 1970-01-02 to 2000-01-01"),
    ],
)
def test_what_can_not_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        rules(text)


@pytest.mark.parametrize(
    ("time", "problem"),
    [("1989-12-31T23:59:59.999999Z", "event_time_out_of_range"), ("1990-01-01T00:00:00Z", None)],
)
def test_earlier_events_are_dead_letters(time: str, problem: str | None) -> None:
    limits = Limits.of(FigureSettings(reckoning=Reckoning(earliest=date(1990, 1, 1))))
    (found,) = parse(csv_text([row(time)]), limits=limits)
    letters = found.rejections.table
    assert letters["error_type"].to_pylist() == ([problem] if problem else [])
    for message in letters["message"].to_pylist():
        assert "lies before 1990-01-01T00:00:00Z" in message
        assert message.endswith("replay it by rules that take older events ([time] earliest)")


def test_replay_takes_earlier_events_and_rebuild_another_gap(tmp_path: Any) -> None:
    def file(text: str) -> str:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return str(path)

    earlier = '[time]\nearliest = "1990-01-01"\n'
    gap = "[sessions]\ngap_minutes = 20\n"
    assert only_add(rules(""), rules(earlier))
    assert not only_add(rules(earlier), rules(""))
    assert not only_add(rules(""), rules(gap))
    assert rules_to_keep(noting(""), file(gap)) == rules(gap)
    assert rules_to_try(noting(""), file(earlier)) == rules(earlier)
    with pytest.raises(OptionError, match=r"gap_minutes is not said there and 20.* rebuild"):
        rules_to_try(noting(""), file(gap))
    with pytest.raises(OptionError, match=r"gap_minutes is not said there and 20.* rebuild"):
        rules_to_add(noting(""), rules(gap), file(gap))
    with pytest.raises(OptionError, match=r"time.earliest is .* batch"):
        rules_to_keep(noting(earlier), file(""))


@pytest.mark.parametrize(
    ("zone", "first"),
    paired(["UTC", "Pacific/Pago_Pago", "Asia/Singapore"], [date(1970, 1, 2), date(1997, 1, 1)]),
)
def test_events_of_long_ago_are_in_all_tables(zone: str, first: date) -> None:
    reckoning = Reckoning(zone, "sunday", 20, first)
    start = datetime.combine(first, datetime.min.time())
    rows = [
        row(
            f"{(start + timedelta(minutes=19 * number, days=number % 5 * 9)).isoformat()}Z",
            "ann" if number % 3 else "bob",
            "like",
        )
        for number in range(40)
    ]
    limits = Limits.of(FigureSettings(reckoning=reckoning))
    ours = compute(
        [part.events for part in parse(csv_text(rows), limits=limits)], reckoning=reckoning
    )
    assert ours["fct_events"].num_rows == len(rows)
    with duckdb.connect() as connection:
        connection.register("our_ids", ours["fct_events"])
        time = time_of(reckoning)
        build_from_events(connection, "our_ids", EVENT_TYPES, "our_ids", time)
        assert differences(connection, ours) == {}
    checks = all_checks(FigureSettings(reckoning=reckoning))
    over = ArrowChecks(checks, TABLES)
    counts = over.evaluate({name: ours[name] for name in TABLES if name in ours})
    over.close()
    assert [its.check.check_id for its in conclude(checks, counts) if its.failing_rows] == []
