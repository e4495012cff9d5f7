"""The report: what it says of which month, what it holds, and that it needs nothing but itself."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.report import COMMAND, ReportOptions
from pipeline.errors import OptionError, RunError
from pipeline.report.about_data import about_data
from pipeline.report.headline import headline
from pipeline.report.mart_rows import Marts, by_week, read_marts, with_weeks
from pipeline.report.write_report import report_page, sections
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.whole_file import write_whole
from tests.unit.test_display_growth import warehouse_of
from transforms.marts import data_quality_results
from transforms.quality.compile import Check
from transforms.quality.declaration import AddsUp
from transforms.quality.results import Result
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import Run, RunState

NOW = datetime(2026, 1, 1)
# Two cohorts, one who stays, one who comes back, and a month that runs.
LIVES = (
    *("ann 2025-09-01", "bob 2025-09-02", "ann 2025-10-06", "cy 2025-10-07", "bob 2025-11-05"),
    *("ann 2025-11-05", "eve 2025-11-06", "ann 2025-12-01", "zoe 2025-12-01"),
)


def marts_of(folder: Path, *lives: str) -> Marts:
    return read_marts(warehouse_of(folder, *lives))


def page_of(warehouse: Warehouse) -> str:
    return report_page(warehouse, NOW)


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse of LIVES."""
    return warehouse_of(tmp_path_factory.mktemp("lives"), *LIVES)


@pytest.fixture(scope="module")
def page(alive: Warehouse) -> str:
    """Its report."""
    return page_of(alive)


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def embedded(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_last_complete_month_is_told_against_the_one_before(alive: Warehouse) -> None:
    words = headline(read_marts(alive))
    assert words.title == "November 2025: 3 active users, 1 more (50.0 %) than in October 2025"
    assert words.sentences[0] == (
        "2 users were won (1 new, 1 came back) for 1 lost: a quick ratio of 2.00, "
        "Excellent Consumer."
    )
    assert words.sentences[1].startswith("What changed most: users who came back, +1 (new users ±0")
    assert words.sentences[2] == "Most new users came by the channel organic: 1 of 1."
    assert not words.alert
    assert [tile.change for tile in words.tiles[:2]] == ["+1 on the month before", "was 1.00"]


def test_an_alert_is_part_of_the_words(tmp_path: Path) -> None:
    words = headline(marts_of(tmp_path, "ann 2025-10-05", "bob 2025-10-06", "ann 2025-12-01"))
    assert words.alert
    assert "CRITICAL: Quick Ratio Below 1.0." in words.sentences
    assert words.title == "November 2025: 0 active users, 2 fewer (100.0 %) than in October 2025"


def test_a_month_that_runs_is_judged_by_nobody(tmp_path: Path) -> None:
    words = headline(marts_of(tmp_path, "ann 2025-12-01", "bob 2025-12-03"))
    assert "counts as running" in words.title
    assert (words.sentences, words.tiles, words.alert) == ((), (), False)


def test_the_first_month_has_none_before(tmp_path: Path) -> None:
    words = headline(marts_of(tmp_path, "ann 2025-11-01", "ann 2025-12-03"))
    assert words.title == "November 2025: 1 active users, in the first month"
    assert words.sentences[0] == "1 users were won, and nobody was lost."


@pytest.mark.parametrize(
    ("first", "dates", "expected"),
    [
        # From a Thursday on: the week that is not whole is left out, the last one runs.
        (
            "2025-01-02",
            19,
            [("2025-01-06", 7, True), ("2025-01-13", 7, True), ("2025-01-20", 1, False)],
        ),
        ("2025-01-06", 8, [("2025-01-06", 7, True), ("2025-01-13", 1, False)]),
        ("2025-01-02", 5, [("2025-01-02", 4, True), ("2025-01-06", 1, False)]),
        ("2025-01-02", 1, [("2025-01-02", 1, False)]),
    ],
)
def test_weeks_add_up_dates(first: str, dates: int, expected: list[tuple[str, int, bool]]) -> None:
    start = date.fromisoformat(first)
    days = [{"event_date": start + timedelta(days=n), "events": 1} for n in range(dates)]
    found = by_week(with_weeks(days, "monday"), ["events"])
    monday = [date.fromisoformat(week) for week, _, _ in expected]
    monday = [day - timedelta(days=day.weekday()) for day in monday]
    assert [(week["week"], week["events"], week["is_complete"]) for week in found] == [
        (day, events, over) for day, (_, events, over) in zip(monday, expected, strict=True)
    ]


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    elements = Elements(page).found
    for tag, attributes in elements:
        assert tag not in ("link", "iframe", "object", "base", "img")
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith("#")
    policies = [found["content"] for tag, found in elements if found.get("http-equiv")]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'")
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.S))
    assert "@import" not in styles
    assert "http" not in styles


def test_every_chart_says_what_it_shows(alive: Warehouse, page: str) -> None:
    marts = read_marts(alive)
    charts = [chart for section in sections(marts) for chart in section.charts]
    assert len({chart.name for chart in charts}) == len(charts) >= 10
    for chart in charts:
        for text in (chart.title, chart.definition, chart.alternative):
            assert len(text) > 15
        assert chart.definition.endswith(".")
        assert chart.columns and chart.rows
        assert set(chart.figures) <= {column.name for column in chart.columns}
        assert _measured(chart.spec) & {column.name for column in chart.columns} <= {*chart.figures}
        assert _fields(chart.spec) - _made(chart.spec) <= {column.name for column in chart.columns}
    figures = [found for tag, found in Elements(page).found if tag == "figure"]
    alternatives = [found for _, found in Elements(page).found if found.get("role") == "img"]
    assert [found["id"] for found in figures] == [chart.name for chart in charts]
    assert len(alternatives) == len(charts)
    assert all(found["aria-label"] for found in alternatives)


def _measured(spec: Any) -> set[str]:
    """Columns that have a vertical axis, or a fold for one: without a value it has no scale."""
    if isinstance(spec, list):
        return set().union(*map(_measured, spec))
    if not isinstance(spec, dict):
        return set()
    axis = spec.get("y", {})
    own = {axis["field"]} if axis.get("type") == "quantitative" else set()
    own |= set(spec.get("fold", ()))
    return own.union(*(_measured(value) for value in spec.values()))


def _fields(spec: Any) -> set[str]:
    """Columns that encodings of a specification name."""
    if isinstance(spec, list):
        return set().union(*map(_fields, spec))
    if not isinstance(spec, dict):
        return set()
    own = {spec["field"]} if isinstance(spec.get("field"), str) else set()
    return own.union(*(_fields(value) for name, value in spec.items() if name != "data"))


def _made(spec: Any) -> set[str]:
    """Columns that a specification makes itself."""
    if isinstance(spec, list):
        return set().union(*map(_made, spec))
    if not isinstance(spec, dict):
        return set()
    made = spec.get("as", [])
    own = {made} if isinstance(made, str) else set(made)
    if "pivot" in spec or "values" in spec.get("data", {}):
        own |= {"bound", "label"}
    # What a pivot makes has the labels of series.
    own |= set(_domains(spec))
    return own.union(*(_made(value) for value in spec.values()))


def _domains(spec: dict[str, Any]) -> list[str]:
    scale = spec.get("scale")
    domain = scale.get("domain", []) if isinstance(scale, dict) else []
    return [each for each in domain if isinstance(each, str)]


def test_the_numbers_are_those_of_the_marts(page: str) -> None:
    (accounting,) = [
        chart for chart in embedded(page, "charts") if chart["name"] == "growth-accounting"
    ]
    everybody = accounting["values"]["segment"].index("channel organic")
    values = {name: column[:everybody] for name, column in accounting["values"].items()}
    assert set(values["segment"]) == {"Everybody"}
    assert values["activity_month"] == ["2025-09-01", "2025-10-01", "2025-11-01", "2025-12-01"]
    assert values["new_users"] == [2, 1, 1, 1]
    assert values["retained_users"] == [0, 1, 1, 1]
    assert values["resurrected_users"] == [0, 0, 1, 0]
    assert values["churned_users_below"] == [0, -1, -1, -2]
    assert values["is_complete"] == [True, True, True, False]


def test_segments_can_be_chosen_and_stand_side_by_side(page: str) -> None:
    charts = {chart["name"]: chart["values"] for chart in embedded(page, "charts")}
    shown = dict.fromkeys(charts["quick-ratio"]["segment"])
    assert list(shown) == ["Everybody", "channel organic", "country SG", "platform iOS"]
    assert "<option>Everybody</option><option>channel organic</option>" in page
    compared = charts["segments-compared"]
    assert compared["segment"] == list(shown)[1:]
    # November, the last month that is over: ann stayed, bob came back, eve is new, cy left.
    for name, expected in {"retained_users": 1, "new_users": 1, "churned_users_below": -1}.items():
        assert compared[name] == [expected] * 3


def test_power_users_are_those_of_the_last_date_that_is_over(tmp_path: Path) -> None:
    lives = [f"ann 2025-11-{day:02}" for day in range(1, 21)] + ["bob 2025-11-20"]
    page = page_of(warehouse_of(tmp_path, *lives))
    (users,) = [
        chart["values"]["users"]
        for chart in embedded(page, "charts")
        if chart["name"] == "power-users"
    ]
    assert [days for days, count in enumerate(users, start=1) if count] == [19]


def test_a_run_that_failed_names_nobody_and_has_changed_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path, "ann 2024-01-05")
    run = Run("run_1", "update", "0.2.0", NOW)
    state = RunState(run, "failed", NOW, None, "the first line is 'bob, share'")
    warehouse.note(pipeline_runs.TABLE, pipeline_runs.row(state))
    check = Check("t.adds_up", "t", None, "totals", "error", "", AddsUp("adds_up", (), (), ""))
    results = data_quality_results.rows([Result(check, 1, 1, "[]")], "run_1", NOW)
    warehouse.note(data_quality_results.TABLE, results)
    facts = {fact.name: (fact.value, fact.note) for fact in about_data(warehouse, NOW)}
    assert facts["Last run"][0] == "update, failed"
    assert "why stands in" in facts["Last run"][1]
    assert "Checks of a run that failed: the tables are as before it" in facts
    assert "bob" not in page_of(warehouse)


def test_what_stands_in_a_warehouse_ends_no_script(tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)"
    folder.mkdir()
    page = page_of(warehouse_of(folder, *LIVES))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def values_of(page: str, name: str) -> list[dict[str, Any]]:
    """The rows of a chart."""
    (values,) = [found["values"] for found in embedded(page, "charts") if found["name"] == name]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def test_curves_are_of_months_that_are_over(page: str) -> None:
    rows = values_of(page, "retention-curves")
    curves: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for found in rows:
        cell = (found["period_number"], found["users"], found["cohort_size"])
        curves.setdefault((found["segment"], found["curve"]), []).append(cell)
    # September's two users and October's one, by November; December still runs.
    assert curves["Everybody", "All cohorts"] == [(0, 4, 4), (1, 1, 3), (2, 2, 2)]
    assert curves["Everybody", "2025-09"] == [(0, 2, 2), (1, 1, 2), (2, 2, 2)]
    # November's cohort has no month behind it that is over.
    assert [curve for segment, curve in curves if segment == "Everybody"] == [
        *("All cohorts", "2025-09", "2025-10")
    ]
    assert curves["platform iOS", "All cohorts"] == curves["Everybody", "All cohorts"]
    assert rows[0]["segment"] == "Everybody"


def test_days_are_told_exactly_and_or_later(tmp_path: Path) -> None:
    lives = (
        "ann 2025-11-01",
        "ann 2025-11-04",
        "bob 2025-11-01",
        "bob 2025-11-03",
        "cy 2025-11-06",
    )
    rows = values_of(page_of(warehouse_of(tmp_path, *lives)), "retention-by-day")
    found = {(line["curve"], line["period_number"]): line["retention_rate"] for line in rows}
    exactly = [found["On exactly that day", day] for day in range(5)]
    assert exactly == [100, 0, 50, 50, 0]
    assert [found["On that day or later", day] for day in range(5)] == [100, 100, 100, 50, 0]


def test_sessions_are_shown_by_week_and_date(page: str) -> None:
    weeks = {line["week"]: line for line in values_of(page, "sessions-by-week")}
    assert weeks["2025-11-03"] == {
        "week": "2025-11-03",
        "longer_sessions": 0,
        "single_event_sessions": 3,
        "sessions": 3,
        "is_complete": True,
    }
    days = {line["event_date"]: line for line in values_of(page, "session-length")}
    assert (days["2025-11-05"]["mean"], days["2025-11-05"]["median"]) == (0, 0)
    assert (days["2025-11-07"]["mean"], days["2025-11-07"]["median"]) == (None, None)
    events = {line["event_date"]: line for line in values_of(page, "session-events")}
    assert events["2025-11-05"]["users_with_sessions"] == 2


def test_a_warehouse_without_marts_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no warehouse"):
        read_marts(open_warehouse(f"duckdb:///{tmp_path}/none.duckdb"))
    with pytest.raises(RunError, match="holds no active user yet"):
        marts_of(tmp_path)


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "reports" / "growth.html"
    write_whole(str(target), b"one")
    write_whole(str(target), b"two")
    assert target.read_text() == "two"
    assert [path.name for path in target.parent.iterdir()] == ["growth.html"]
    with pytest.raises(RunError, match=r"can't write .*: Is a directory: name another --output"):
        write_whole(str(target.parent), b"three")
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_the_command_writes_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = warehouse_of(tmp_path, *LIVES).url
    output = str(tmp_path / "growth.html")
    COMMAND.run(ReportOptions(url, output))
    assert capsys.readouterr().out.startswith(f"The growth report: {output} (1.")
    with pytest.raises(OptionError, match="is the warehouse: name another file"):
        COMMAND.run(ReportOptions(url, str(tmp_path / "growth.duckdb")))
