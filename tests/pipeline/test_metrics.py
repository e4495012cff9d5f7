"""The numbers for operators: what Beam gives, what the tables have, what the page lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import Change
from tests.support.metrics import every_bundle_counted, measured
from tests.support.runs import CHECKED, ROOT, finished, read_all
from tests.support.streams import Around, finished_stream, message, stream_of
from tests.support.tables import NOW, csv_text, row
from transforms import metrics


def test_batch_counts_what_its_tables_hold(tmp_path: Path) -> None:
    rows = [row(f"2024-01-{day:02}T00:00:00Z", user) for user in "abc" for day in (1, 2, 3)]
    rows = [*rows[:-1], *rows[:4], row("never"), row("now"), row("2024-01-01T00:00:00Z", "")]
    rows.append(row("2024-02-01T00:00:00Z", "d", kind="share", amount="7"))
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    result = finished(
        [tmp_path / "events.csv"], tmp_path / "growth.duckdb", replace(CHECKED, user_shards=2)
    )
    counters, distributions = measured(result, metrics.NAMESPACE)
    assert counters == {
        "input_rows": 16,
        "events": 9,
        "duplicates": 4,
        "dead_letters": 3,
        "dead_letters_bad_event_time": 2,
        "dead_letters_missing_user_id": 1,
        "ignored_miles_amounts": 1,
    }
    tables = read_all(open_warehouse(f"duckdb:///{tmp_path / 'growth.duckdb'}"))
    of_user = Counter(tables["fct_events"]["user_id"].to_pylist())
    (per_user,) = distributions.pop("events_per_user")
    assert (per_user.min, per_user.max, per_user.sum, per_user.count) == (
        min(of_user.values()),
        max(of_user.values()),
        sum(of_user.values()),
        len(of_user),
    )
    (flush,) = distributions.pop("flush_duration_ms")
    assert flush.count == 1
    assert flush.sum > 0
    assert distributions == {}


class Counted(Around):
    """A warehouse that leaves a file for each commit."""

    def commit(self, changes: Sequence[Change], run: str) -> None:
        self._home.commit(changes, run)
        Path(f"{self._home.location}.{run}.commit").touch()


def test_streaming_counts_what_its_tables_hold(tmp_path: Path) -> None:
    at = [NOW - timedelta(hours=hours) for hours in (0, 1, 48, -1)]
    rows = [row(moment.isoformat(), "ann") for moment in at]
    rows += [rows[1], row("never"), row((NOW - timedelta(days=30)).isoformat())]
    rows.append(row(NOW.isoformat(), "bob", amount="3"))
    messages = [message(item, number) for number, item in enumerate(rows)]
    bundles = [messages[:1], messages[1:3], messages[3:]]
    with every_bundle_counted():
        result = finished_stream(
            stream_of(bundles), tmp_path / "growth.duckdb", late_horizon_days=7, kind=Counted
        )
    counters, distributions = measured(result, metrics.NAMESPACE)
    assert counters == {
        "input_rows": 8,
        "events": 5,
        "duplicates": 1,
        "dead_letters": 2,
        "dead_letters_bad_event_time": 1,
        "dead_letters_too_late": 1,
        "ignored_miles_amounts": 1,
    }
    (lateness,) = distributions.pop("lateness_seconds")
    hours = (0, 1, 48, -1, 1, 0)
    assert lateness.count == len(hours)
    assert (lateness.min, lateness.max) == (-3_600, 48 * 3_600)
    assert lateness.sum == sum(hours) * 3_600
    (per_user,) = distributions.pop("events_per_user")
    # One, three and four events of ann after a bundle each, and one of bob.
    assert (per_user.count, per_user.min, per_user.max) == (4, 1, 4)
    assert per_user.sum == 1 + 3 + 4 + 1
    (flush,) = distributions.pop("flush_duration_ms")
    assert flush.count == len(list(tmp_path.glob("*.commit"))) >= 1
    assert 0 < flush.min <= flush.max
    assert distributions == {}


@pytest.mark.parametrize("users", [1, 999, 1_000, 1_001, 54_321])
def test_a_sample_has_the_extremes(users: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(users).integers(1, 1_000_000, users)
    taken: list[int] = []
    monkeypatch.setattr(metrics.Metric, "observe", lambda _, seen: taken.extend(seen.tolist()))
    metrics.EVENTS_PER_USER.observe_sample(values)
    assert len(taken) == min(users, 1_000)
    assert (min(taken), max(taken)) == (values.min(), values.max())
    assert set(taken) <= set(values.tolist())
    if users > 10_000:
        assert abs(np.mean(taken) - values.mean()) < 0.1 * values.mean()


def test_names_are_unique_and_stay() -> None:
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    # Alerts hang on them: another name is another metric.
    assert metrics.NAMESPACE == "growth"
    assert {name for name in names if not name.startswith("dead_letters_")} == {
        "input_rows",
        "events",
        "duplicates",
        "dead_letters",
        "ignored_miles_amounts",
        "forgotten",
        "excluded",
        "events_per_user",
        "lateness_seconds",
        "flush_duration_ms",
    }
    assert "dead_letters_bad_country" in names


def test_every_metric_is_updated_somewhere_and_declared_here_alone() -> None:
    sources = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "transforms").rglob("*.py")]
    others = [path for path in sources if path.name != "metrics.py"]
    assert [path for path in others if "apache_beam.metrics" in path.read_text()] == []


def test_the_operators_page_lists_the_metrics() -> None:
    assert metrics.markdown_table() in (ROOT / "docs" / "operations.md").read_text()
