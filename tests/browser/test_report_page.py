"""The report as a person sees it: drawn, filtered, dark, printed, and without a network."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.write_report import report_page
from tests.unit.test_display_growth import warehouse_of

_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_REQUIRED = os.environ.get("BROWSER") == "required"
if not _REQUIRED:
    pytest.importorskip("playwright.sync_api", reason="make test-browser installs Playwright")
    if _CHROMIUM is None:
        pytest.skip("no Chromium is installed", allow_module_level=True)

from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

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
    assert _CHROMIUM, "no Chromium is installed: apt-get install chromium"
    # Containers have no user namespaces for its sandbox; the page is our own.
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"]) as chromium,
    ):
        yield chromium


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
        page.wait_for_selector("html[data-drawn=yes]")
        yield page
        assert [text for text in said if not text.startswith((path.as_uri(), "blob:"))] == []


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
