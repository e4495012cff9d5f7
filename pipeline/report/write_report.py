"""The report of a warehouse, from its marts to the file."""

from __future__ import annotations

from datetime import datetime

from pipeline.report import growth_charts, retention_charts, session_charts, use_charts
from pipeline.report.about_data import about_data
from pipeline.report.chart import Section
from pipeline.report.headline import headline
from pipeline.report.html_page import html_page
from pipeline.report.mart_rows import Marts, read_marts
from pipeline.warehouse import TableReader


def report_page(warehouse: TableReader, now: datetime) -> str:
    """The HTML of a warehouse's report.

    Args:
        warehouse: with the marts.
        now: in UTC without a zone.

    Raises:
        RunError: if the marts are missing, can't be read, or hold nothing yet.
    """
    # Opening a DuckDB file takes 12 ms, and it is asked some thirty times.
    with warehouse.kept_open():
        marts = read_marts(warehouse)
        facts = about_data(warehouse, now)
    return html_page(headline(marts), sections(marts), facts, warehouse.url, now)


def sections(marts: Marts) -> list[Section]:
    """All charts, in the order of the page."""
    return [
        growth_charts.growth(marts),
        retention_charts.retention(marts),
        growth_charts.activity(marts),
        use_charts.segments(marts),
        use_charts.engagement(marts),
        session_charts.sessions(marts),
        use_charts.miles(marts),
    ]
