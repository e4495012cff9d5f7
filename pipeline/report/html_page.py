"""The report as one HTML file that needs nothing but itself."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any

from pipeline import __version__
from pipeline.report.about_data import Fact
from pipeline.report.chart import Chart, Section
from pipeline.report.headline import Headline
from pipeline.report.mart_rows import as_json
from pipeline.report.vega import CONFIG

# Nothing may be fetched or sent; Vega makes functions of a chart's expressions.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
)
_RANGES = (("3", "3 months"), ("6", "6 months"), ("12", "12 months"), ("0", "All"))
_DEFAULT_RANGE = "12"


def html_page(
    words: Headline,
    sections: Sequence[Section],
    facts: Sequence[Fact],
    source: str,
    written_at: datetime,
) -> str:
    """The whole page.

    Args:
        words: what stands first.
        sections: the charts.
        facts: the strip about the data.
        source: the warehouse's URL.
        written_at: in UTC without a zone.
    """
    charts = [chart for section in sections for chart in section.charts]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Growth: {escape(words.title)}</title>
<style>
{_asset("report.css")}
</style>
</head>
<body>
{_asset("patterns.svg")}
<a class="skip" href="#main">To the figures</a>
{_header(words)}
{_controls(sections)}
<main id="main">
<noscript><p class="alert">The charts need JavaScript, which this page brings along and your
browser does not run. The words above hold without it.</p></noscript>
{"".join(map(_section, sections))}
{_facts(facts)}
</main>
<footer>
<p>{escape(source)}, written {written_at:%Y-%m-%d %H:%M} UTC by growth-pipeline {__version__}.
All times are UTC. Definitions of every column: docs/tables.md. Charts: Vega and Vega-Lite,
University of Washington Interactive Data Lab, BSD 3-Clause.</p>
</footer>
<script type="application/json" id="charts">{_json([chart.data for chart in charts])}</script>
<script type="application/json" id="looks">{_json(CONFIG)}</script>
<script>
{_vega()}
</script>
<script>
{_asset("report.js")}
</script>
</body>
</html>
"""


def _header(words: Headline) -> str:
    sentences = "\n".join(f"<p>{escape(text)}</p>" for text in words.sentences)
    tiles = "\n".join(
        f"<div class=tile><dt>{escape(tile.label)}</dt><dd><b>{escape(tile.value)}</b> "
        f"<span>{escape(tile.change)}</span></dd></div>"
        for tile in words.tiles
    )
    return f"""<header>
<p class="kind">Growth report</p>
<h1>{escape(words.title)}</h1>
<div class="words{" alert" if words.alert else ""}">
{sentences}
</div>
<dl class="tiles">
{tiles}
</dl>
</header>"""


def _controls(sections: Sequence[Section]) -> str:
    links = "\n".join(
        f'<a href="#{section.name}">{escape(section.heading)}</a>' for section in sections
    )
    ranges = "\n".join(
        f'<label><input type="radio" name="range" value="{months}"'
        f"{' checked' if months == _DEFAULT_RANGE else ''}> {escape(label)}</label>"
        for months, label in _RANGES
    )
    # In the order of rows, in which everybody comes first.
    segments = dict.fromkeys(
        row[chart.segment]
        for section in sections
        for chart in section.charts
        if chart.segment
        for row in chart.rows
    )
    options = "".join(f"<option>{escape(name)}</option>" for name in segments)
    chosen = f'<label>Growth of <select id="segment">{options}</select></label>'
    return f"""<nav aria-label="Parts of the page, and what it shows">
<div class="links">{links} <a href="#data">Data</a></div>
<div class="filters">
<fieldset><legend>Range</legend>{ranges}</fieldset>
{chosen}
<label class="theme">Colours <select id="theme"><option value="">as the system</option>
<option value="light">light</option><option value="dark">dark</option></select></label>
</div>
</nav>"""


def _section(section: Section) -> str:
    charts = "\n".join(map(_figure, section.charts))
    return f"""<section id="{section.name}" aria-labelledby="{section.name}-heading">
<h2 id="{section.name}-heading">{escape(section.heading)}</h2>
<div class="charts">
{charts}
</div>
</section>
"""


def _figure(chart: Chart) -> str:
    name = escape(chart.name)
    return f"""<figure id="{name}" class="{"wide" if chart.wide else ""}">
<h3>{escape(chart.title)}</h3>
<div class="chart" role="img" aria-label="{escape(f"{chart.title}. {chart.alternative}")}"></div>
<p class="absent" hidden></p>
<figcaption>{escape(chart.definition)}{_running(chart)}
<span class="source">{escape(chart.source)}</span></figcaption>
<details><summary>Numbers<span class="hidden"> of {escape(chart.title)}</span></summary>
<p><button type="button" class="copy">Copy</button>
<button type="button" class="save">Save as CSV</button> <output></output></p>
<div class="numbers" tabindex="0" role="region" aria-label="Numbers: {escape(chart.title)}"></div>
</details>
</figure>"""


def _running(chart: Chart) -> str:
    """What a caption says of a period that still runs."""
    if not chart.time or all(row["is_complete"] for row in chart.rows):
        return ""
    return f" What still runs is pale or hollow: {as_json(chart.rows[-1][chart.time])}."


def _facts(facts: Sequence[Fact]) -> str:
    items = "\n".join(
        f'<div class="fact{" care" if fact.needs_care else ""}"><dt>{escape(fact.name)}</dt>'
        f"<dd><b>{'Look: ' if fact.needs_care else ''}{escape(fact.value)}</b> "
        f"<span>{escape(fact.note)}</span></dd></div>"
        for fact in facts
    )
    return f"""<section id="data" aria-labelledby="data-heading">
<h2 id="data-heading">The data itself</h2>
<dl class="facts">
{items}
</dl>
</section>"""


def _json(value: Any) -> str:
    """JSON that can't end the script that it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return files("pipeline.report").joinpath("assets", name).read_text(encoding="utf-8").rstrip()


def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script; docs/report.md says where it comes from."""
    packed = files("pipeline.report").joinpath("assets", "vega.js.gz").read_bytes()
    return gzip.decompress(packed).decode()
