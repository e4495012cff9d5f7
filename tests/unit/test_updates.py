"""Batches and updates in any sequence leave a DuckDB file as one batch over everything does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import row
from tests.support.thorough import examples
from tests.support.updates import Home, Rows, differing
from tests.unit.test_increments import every, in_parts
from transforms.data_error import DataError

_SETTINGS = settings(
    max_examples=examples(2, 200),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def check(parts: Sequence[Rows], batches: Sequence[bool]) -> None:
    """That parts, each taken in by an update or by a batch over all so far, end as one batch."""
    with tempfile.TemporaryDirectory() as name:
        path, came = Path(name, "growth.duckdb"), 0
        home = Home.at(path)
        for number, (part, is_batch) in enumerate(zip(parts, batches, strict=True), 1):
            so_far = [item for each in parts[:number] for item in each]
            if is_batch:
                home.batch(so_far)
            else:
                report = home.update(part)
                assert report.counts.input_rows == len(part)
                assert report.counts.processed == len(part)
            came += len(part)
            assert differing(path, so_far) == []


@_SETTINGS
@given(rows=row_lists, data=st.data())
def test_any_sequence_ends_as_one_batch(rows: list[dict[str, str]], data: st.DataObject) -> None:
    parts = in_parts(rows, data)
    batches = [
        True,
        *data.draw(st.lists(st.booleans(), min_size=len(parts) - 1, max_size=len(parts) - 1)),
    ]
    check(parts, batches)


_NIGHT = datetime(2024, 2, 28, 23)
# By what is hard about it: of one user what each of several files holds.
HARD: Mapping[str, Sequence[Rows]] = {
    "a session goes on in the next day's file": [
        [row("2024-01-01T23:50:00Z")],
        [row("2024-01-02T00:10:00Z"), row("2024-01-02T00:30:00Z")],
    ],
    "a late event bridges two sessions": [
        [row("2024-01-01T10:00:00Z"), row("2024-01-01T10:50:00Z")],
        [row("2024-01-01T10:25:00Z")],
    ],
    "a late event renumbers a session over three midnights": [
        every(20, _NIGHT, _NIGHT + timedelta(hours=50)),
        [row("2024-02-28T22:45:00Z")],
    ],
    "a first event that turns out earlier moves its cohort": [
        [row("2024-03-05T10:00:00Z", source="paid", platform="Web")],
        [row("2024-01-05T10:00:00Z", source="organic", country="DE")],
    ],
    "a negative balance recovers and comes again": [
        [row("2024-01-05T10:00:00Z", kind="miles_redeemed", amount="50")],
        [row("2024-01-04T10:00:00Z", kind="miles_earned", amount="60")],
        [row("2024-01-06T10:00:00Z", kind="miles_redeemed", amount="11")],
    ],
    "all of it came before": [[row("2024-01-05T10:00:00Z"), row("2024-01-05T10:10:00Z")]] * 2,
}


def test_hard_cases_end_as_one_batch() -> None:
    """Each is another user's, so that they need not be tried one by one."""
    steps = max(map(len, HARD.values()))
    parts = [
        [
            {**item, "user_id": user}
            for user, its_parts in HARD.items()
            for part in its_parts[step : step + 1]
            for item in part
        ]
        for step in range(steps)
    ]
    check(parts, [True, *[False] * (steps - 1)])


def test_the_history_grows_at_both_ends_and_in_a_month_that_was_empty() -> None:
    parts = [
        [row("2024-01-05T10:00:00Z"), row("2024-04-05T10:00:00Z")],
        [row("2024-02-05T10:00:00Z", "bob")],
        [row("2023-11-05T10:00:00Z", "cy"), row("2024-05-31T23:59:59Z", "cy")],
    ]
    check(parts, [True, False, False])


def test_a_cohort_that_loses_its_only_user_is_gone() -> None:
    parts = [[row("2024-03-05T10:00:00Z")], [row("2024-01-05T10:00:00Z")]]
    check(parts, [True, False])


def test_events_that_somebody_has_removed_are_missed_at_once(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "growth.duckdb")
    home.batch([row("2024-01-01T23:50:00Z", "bob"), row("2024-01-02T10:00:00Z", "bob")])
    with duckdb.connect(home.warehouse.location) as connection:
        connection.execute("DELETE FROM fct_events")
    for late in ("2024-01-01T10:00:00Z", "2024-01-02T00:10:00Z"):
        with pytest.raises(DataError, match="has 0 events of user 'bob' on 2024-01-0"):
            home.update([row(late, "bob")])
