"""The bundle in a Superset that runs: imported, imported again, asked, and drawn in a browser."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pipeline.sample import write_sample
from pipeline.superset.bundle import bundle, files
from pipeline.superset.home import Home
from tests.browser.browsing import browsing
from tests.superset.install import missing
from tests.superset.server import PASSWORD, PATIENCE_SECONDS, USER, Superset, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response


@dataclass(frozen=True)
class Growth:
    """A Superset with the bundle of a warehouse.

    Attributes:
        superset: the server.
        database: the warehouse's file.
        bundle: what was imported.
        home: what it was made for.
    """

    superset: Superset
    database: Path
    bundle: Path
    home: Home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing(missing()) as started:
        yield started


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Growth]:
    """Of a sample."""
    folder = tmp_path_factory.mktemp("superset")
    write_sample(folder / "events.csv", 5_000, 7)
    database = folder / "growth.duckdb"
    url = f"duckdb:///{database}"
    command = (sys.executable, "-m", "pipeline", "batch", "--input", folder / "events.csv")
    subprocess.run([*command, "--warehouse", url], check=True, stdout=subprocess.DEVNULL)
    home = Home.of(url, str(database))
    path = folder / "growth.zip"
    path.write_bytes(bundle(home))
    with running(folder) as superset:
        superset.import_dashboards(path)
        yield Growth(superset, database, path, home)


def exported(growth: Growth) -> dict[str, bytes]:
    """The dashboard and all that it needs, as Superset exports it, without the moment."""
    (dashboard,) = growth.superset.all_of("dashboard")
    url = f"{growth.superset.url}/api/v1/dashboard/export/?q=!({dashboard['id']})"
    answer = growth.superset.session.get(url, timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {
            name.partition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if not name.endswith("metadata.yaml")
        }


def asked(growth: Growth, table: str, metrics: list[str]) -> dict[str, Any]:
    """Metrics of a dataset over all its rows, as a chart asks for them."""
    (dataset,) = (
        found for found in growth.superset.all_of("dataset") if found["table_name"] == table
    )
    question: Any = {
        "datasource": {"id": dataset["id"], "type": "table"},
        "queries": [{"metrics": metrics, "columns": [], "filters": [], "row_limit": 10}],
        "result_format": "json",
        "result_type": "full",
    }
    answer = growth.superset.session.post(
        f"{growth.superset.url}/api/v1/chart/data", json=question, timeout=PATIENCE_SECONDS
    )
    assert answer.ok, (table, answer.text)
    (row,) = answer.json()["result"][0]["data"]
    return dict(row)


def test_all_of_the_bundle_is_there_and_another_import_changes_nothing(growth: Growth) -> None:
    expected = files(growth.home)
    for kind in ("dataset", "chart", "dashboard"):
        found = growth.superset.all_of(kind)
        assert len(found) == sum(name.startswith(f"{kind}s/") for name in expected)
    before = exported(growth)
    growth.superset.import_dashboards(growth.bundle)
    assert exported(growth) == before


def test_every_metric_can_be_asked_for(growth: Growth) -> None:
    for name, dataset in files(growth.home).items():
        if name.startswith("datasets/") and dataset["metrics"]:
            metrics = [metric["metric_name"] for metric in dataset["metrics"]]
            assert set(asked(growth, dataset["table_name"], metrics)) == set(metrics)


def test_events_add_up_over_dates_and_users_do_not(growth: Growth) -> None:
    sql = """
        SELECT
            count(*),
            count(DISTINCT (user_id, event_date)) / (max(event_date) - min(event_date) + 1)
        FROM fct_events
    """
    with duckdb.connect(growth.database, read_only=True) as connection:
        ((events, users),) = connection.execute(sql).fetchall()
    assert asked(growth, "events_by_type", ["events"]) == {"events": events}
    found = asked(growth, "growth_metrics", ["daily_active_users"])
    assert found["daily_active_users"] == pytest.approx(users)


def test_every_chart_is_drawn_with_and_without_a_filter(browser: Browser, growth: Growth) -> None:
    charts = len(growth.superset.all_of("chart"))
    with browser.new_context(viewport={"width": 1400, "height": 3_500}) as context:
        page = context.new_page()
        page.set_default_timeout(1_000 * PATIENCE_SECONDS)
        failed: list[str] = []
        page.on("response", lambda answer: failed.append(answer.url) if refused(answer) else None)
        page.goto(f"{growth.superset.url}/login/")
        page.fill("input#username, input[name=username]", USER)
        page.fill("input[type=password]", PASSWORD)
        page.click("button[type=submit], input[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url, wait_until="commit")
        (dashboard,) = growth.superset.all_of("dashboard")
        page.goto(f"{growth.superset.url}{dashboard['url']}")
        wait_until_drawn(page, charts)
        choose(page, "Period is over", "TRUE")
        wait_until_drawn(page, charts)
        page.screenshot(path=growth.superset.folder / "dashboard.png")
        assert page.locator("[role=alert]").all_inner_texts() == []
        assert failed == []


def refused(answer: Response) -> bool:
    return bool(answer.status >= 400)


def wait_until_drawn(page: Page, charts: int) -> None:
    """Wait until each chart shows a picture or a table, and none is being loaded."""
    page.wait_for_function(
        """charts => {
            const holders = [...document.querySelectorAll(".dashboard-component-chart-holder")];
            const isDrawn = holder => holder.querySelector("canvas, table");
            return holders.length === charts && holders.every(isDrawn)
                && !document.querySelector(".dashboard-component-chart-holder .loading");
        }""",
        arg=charts,
    )


def choose(page: Page, name: str, value: str) -> None:
    """Set a filter of the dashboard; all charts that know its column are asked for again."""
    filters = page.locator("[data-test=filter-bar]")
    filters.get_by_text(name, exact=True).wait_for()
    filters.get_by_role("combobox").last.click()
    page.get_by_title(value, exact=True).last.click()
    page.keyboard.press("Escape")
    with page.expect_response(lambda answer: "/api/v1/chart/data" in answer.url) as answer:
        page.get_by_role("button", name="Apply filters").click()
    sent = answer.value.request.post_data or ""
    assert '"is_complete"' in sent
