"""A stream that begins with what its tables hold ends in the tables of a batch over everything."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.warehouse import open_warehouse
from tests.support.strategies import valid_rows
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, Row, row
from tests.support.thorough import examples
from tests.support.updates import Home, differing
from transforms.state import user_timelines

_SETTINGS = settings(
    max_examples=examples(1, 15),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def at(hours: float, user: str = "ann", kind: str = "share", **others: str) -> dict[str, str]:
    """An event so many hours before now."""
    return row((NOW - timedelta(hours=hours)).isoformat(), user, kind, **others)


def stream(
    path: Path, *bundles: Sequence[Row], run: str = "stream", horizon_days: int = 3_650
) -> dict[str, pa.Table]:
    numbered = [
        [message(event, 100 * at + number) for number, event in enumerate(rows)]
        for at, rows in enumerate(bundles)
    ]
    return run_stream(stream_of(numbered), path, run=run, late_horizon_days=horizon_days)


@st.composite
def parts(draw: st.DrawFn) -> list[list[Row]]:
    """A history, and two streams of one or two bundles, with repeated events between them."""
    rows: list[Row] = draw(st.lists(valid_rows, min_size=3, max_size=20))
    waiting = draw(st.permutations([*rows, *draw(st.lists(st.sampled_from(rows), max_size=5))]))
    cuts = sorted(draw(st.lists(st.integers(1, len(waiting)), min_size=3, max_size=3)))
    return [list(waiting[a:b]) for a, b in zip([0, *cuts], [*cuts, len(waiting)], strict=True)]


@_SETTINGS
@given(parts=parts())
def test_batch_and_streams_over_parts_end_in_the_tables_of_one_batch(
    parts: list[list[Row]],
) -> None:
    history, first, second, third = parts
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "growth.duckdb")
        Home.at(path).batch(history)
        stream(path, first, run="stream_a")
        # As a job that was drained or lost: what it was sent may be sent again.
        stream(path, [*first, *second], third, run="stream_b")
        assert differing(path, [row for part in parts for row in part]) == []


def test_users_of_the_tables_go_on_with_their_sessions_and_their_events_count_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "growth.duckdb"
    history = [at(900, "bob"), at(48.2), at(48), at(2.5), at(2.2), at(2.1, "bob")]
    live = [
        [at(2), at(48), at(2.1, "bob"), at(1, "new")],  # In order; repeated; repeated; new.
        [at(48.1), at(2.3), at(1, "bob", "miles_redeemed", amount="5")],  # Late; late; in order.
    ]
    Home.at(path).batch(history)
    stream(path, *live, horizon_days=7)
    assert differing(path, [*history, *live[0], *live[1]]) == []


def test_a_session_that_the_horizon_cuts_keeps_its_numbers(tmp_path: Path) -> None:
    """Eight days without a pause: it began before all events that a stream reads."""
    path = tmp_path / "growth.duckdb"
    history = [at(hours / 4) for hours in range(4, 4 * 24 * 8 + 80)]
    live = [at(0.8), at(0.9), at(3.1)]
    Home.at(path).batch(history)
    stream(path, live[:1], live[1:], horizon_days=1)
    assert differing(path, [*history, *live]) == []


def test_rows_that_no_event_touches_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "growth.duckdb"
    Home.at(path).batch([at(100), at(2), at(100, "bob")])
    before = open_warehouse(f"duckdb:///{path}").read(user_timelines.TABLE).to_pylist()
    tables = stream(path, [at(1)], horizon_days=7)
    after = open_warehouse(f"duckdb:///{path}").read(user_timelines.TABLE).to_pylist()
    assert [found for found in after if found in before] == [before[1]]
    written = {
        event["event_time"]: event["processed_at"] for event in tables["fct_events"].to_pylist()
    }
    assert sorted(written.values())[1] < written[NOW - timedelta(hours=1)]
