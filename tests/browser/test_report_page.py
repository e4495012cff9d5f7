"""The report as a person sees it: drawn, filtered, dark, printed, and without a network."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.report.segment_rows import EVERYBODY
from pipeline.report.write_report import report_page
from tests.browser.browsing import browsing
from tests.browser.install import missing
from tests.unit.test_display_growth import warehouse_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"phone": (390, 844), "tablet": (800, 1100), "desk": (1280, 900)}
NOW = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of four users over fourteen months."""
    folder = tmp_path_factory.mktemp("report")
    start = date(2024, 11, 1)
    lives = [
        f"{user} {start + timedelta(days=day)}"
        for number, user in enumerate(("ann", "bob", "cy", "eve"))
        for day in range(40 * number, 400 - 30 * number, 3 + 4 * number)
    ]
    path = folder / "growth.html"
    path.write_text(report_page(warehouse_of(folder, *lives), NOW), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing(missing()) as started:
        yield started


def drawn(page: Page) -> None:
    """Wait until what is chosen is drawn."""
    page.wait_for_selector("html[data-drawn=yes]")


@contextmanager
def opened(browser: Browser, path: Path, address: str = "", **context: Any) -> Iterator[Page]:
    """The page, drawn; nothing may be said on its console, and nothing fetched."""
    said: list[str] = []
    with browser.new_context(accept_downloads=True, **context) as own:
        page = own.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(f"{path.as_uri()}{address}")
        drawn(page)
        yield page
        assert [text for text in said if not text.startswith((path.as_uri(), "blob:"))] == []


# The labels of legends that lie beyond their chart.
CUT_OFF = """[...document.querySelectorAll(".chart svg")].flatMap((svg) => {
  const chart = svg.getBoundingClientRect();
  return [...svg.querySelectorAll(".role-legend-label text")].filter((label) => {
    const { top, bottom } = label.getBoundingClientRect();
    return top < chart.top - 1 || bottom > chart.bottom + 1;
  }).map((label) => label.textContent);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_chart_is_drawn_and_nothing_sticks_out(
    browser: Browser, page_file: Path, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    look: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    with opened(browser, page_file, **look) as page:
        charts = page.locator("figure")
        assert charts.count() >= 10
        for number in range(charts.count()):
            drawn = charts.nth(number).locator(".chart svg")
            assert drawn.count() == 1
            assert drawn.locator("path, rect").count() > 3
            box = drawn.bounding_box()
            assert box and box["width"] > 150 and box["height"] > 100
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT_OFF) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
        assert light == (scheme == "light")


def test_colours_can_be_chosen(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.select_option("#theme", "dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"
        assert "theme=dark" in page.url


def months_shown(page: Page, months: int) -> list[str]:
    """The months of the table, once there are so many."""
    from playwright.sync_api import expect

    page.locator("#growth-accounting summary").click()
    cells = page.locator("#growth-accounting tbody td:first-child")
    expect(cells).to_have_count(months)
    found: list[str] = cells.all_inner_texts()
    page.locator("#growth-accounting summary").click()
    return found


def test_a_range_filters_charts_and_numbers(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        months_shown(page, 12)
        page.check("input[name=range][value='3']")
        assert months_shown(page, 3) == ["2025-10-01", "2025-11-01", "2025-12-01"]
        bars = "#growth-accounting .chart .mark-rect path"
        page.wait_for_function(f"document.querySelectorAll({json.dumps(bars)}).length <= 12")
        page.check("input[name=range][value='0']")
        months_shown(page, 14)
        page.select_option("#segment", "platform iOS")
        months_shown(page, 14)
        assert "segment=platform+iOS" in page.url
        address = page.url.partition("#")[2]
    with opened(browser, page_file, f"#{address.replace('range=0', 'range=3')}") as page:
        months_shown(page, 3)


def test_numbers_are_saved_as_csv(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    with opened(browser, page_file) as page:
        page.locator("#quick-ratio summary").click()
        with page.expect_download() as started:
            page.locator("#quick-ratio .save").click()
        started.value.save_as(tmp_path / "saved.csv")
        assert started.value.suggested_filename == "quick-ratio.csv"
    with (tmp_path / "saved.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["Month"] for row in rows[-2:]] == ["2025-11-01", "2025-12-01"]
    assert [row["Over"] for row in rows[-2:]] == ["yes", "no, runs"]


def test_it_prints_in_light_without_controls(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        shown = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(shown) == "rgb(255, 255, 255)"
        assert len(page.pdf()) > 20_000


def test_all_ranges_of_all_segments_are_drawn(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        segments = page.locator("#segment option").all_inner_texts()
        assert len(segments) > 3
        for segment in segments:
            page.select_option("#segment", segment)
            for months in ("3", "6", "12", "0"):
                page.check(f"input[name=range][value='{months}']")
                drawn(page)


def without_rows(chart: dict[str, Any]) -> None:
    chart["values"] = {name: [] for name in chart["values"]}


def with_one_row(chart: dict[str, Any]) -> None:
    chart["values"] = {name: column[-1:] for name, column in chart["values"].items()}


def with_all_over(chart: dict[str, Any]) -> None:
    if "is_complete" in chart["values"]:
        chart["values"]["is_complete"] = [True] * len(chart["values"]["is_complete"])


def without_figures(chart: dict[str, Any]) -> None:
    _empty(chart, chart["figures"])


def with_the_first_figure(chart: dict[str, Any]) -> None:
    _empty(chart, chart["figures"][1:])


def with_the_last_figure(chart: dict[str, Any]) -> None:
    _empty(chart, chart["figures"][:-1])


def without_what_runs(chart: dict[str, Any]) -> None:
    """What runs has no value in any figure."""
    values = chart["values"]
    over = values.get("is_complete", [])
    for name in chart["figures"] if over else ():
        values[name] = [
            value if done else None for value, done in zip(values[name], over, strict=True)
        ]


def _empty(chart: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        chart["values"][name] = [None] * len(chart["values"][name])


@pytest.mark.parametrize(
    "change",
    [
        *(without_rows, with_one_row, with_all_over, without_figures, without_what_runs),
        *(with_the_first_figure, with_the_last_figure),
    ],
)
def test_what_has_no_value_says_so_and_the_rest_is_drawn(
    browser: Browser, page_file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    text = page_file.read_text(encoding="utf-8")
    mark = '<script type="application/json" id="charts">'
    before, _, rest = text.partition(mark)
    found, end, after = rest.partition("</script>")
    charts = json.loads(found)
    for chart in charts:
        change(chart)
    path = tmp_path / "growth.html"
    path.write_text(before + mark + json.dumps(charts) + end + after, encoding="utf-8")
    with opened(browser, path) as page:
        for months in ("3", "0"):
            page.check(f"input[name=range][value='{months}']")
            drawn(page)
            for chart in charts:
                _says_what_is_absent(page, chart, whole=months == "0")


def _says_what_is_absent(page: Page, chart: dict[str, Any], whole: bool) -> None:
    figure = page.locator(f"#{chart['name']}")
    absent = figure.locator(".absent")
    if not figure.locator(".chart svg").count():
        assert absent.inner_text() in ("No value yet", "No value in what is chosen")
    elif absent.is_visible():
        assert ": " in absent.inner_text()
    if whole:
        wanted = [
            column["label"]
            for column in chart["columns"]
            if column["name"] in chart["figures"]
            and not any(value is not None for value in _everybody(chart, column["name"]))
        ]
        said = absent.inner_text() if absent.is_visible() else ""
        if len(wanted) < len(chart["figures"]):
            assert said == (f"No value yet: {', '.join(wanted)}" if wanted else "")
        else:
            assert said == "No value yet"


def _everybody(chart: dict[str, Any], name: str) -> list[Any]:
    """The column's values for the segment that is chosen when the page opens."""
    values = chart["values"]
    if not chart["segment"]:
        found: list[Any] = values[name]
        return found
    segments = values[chart["segment"]]
    return [
        value for value, segment in zip(values[name], segments, strict=True) if segment == EVERYBODY
    ]
