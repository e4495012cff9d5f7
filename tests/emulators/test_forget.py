"""People forgotten on BigQuery: its tables are what a batch without them makes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.commands import forget as forget_command
from pipeline.commands.forget import ForgetOptions
from pipeline.errors import OptionError
from pipeline.forget.forget_job import forget
from pipeline.forget.leaving import WRITTEN
from pipeline.warehouse.run_ids import new_stream
from tests.emulators.support import Home
from tests.support.forgetting import expected, fill, forgotten, held, job_of, tables_of
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import NOW, Row, row
from tests.support.thorough import examples, some
from transforms.figure_settings import FigureSettings

pytestmark = pytest.mark.usefixtures("here")

TYPES = FigureSettings()
_NAMES = ["ann", "bob", "cy", "dé", "ᛖᚢᛖ"]


@pytest.mark.parametrize("filtered", some([True, False], 1))
def test_what_is_left_is_what_a_batch_without_them_makes(home: Home, filtered: bool) -> None:
    warehouse = home.warehouse(require_partition_filter=filtered)

    @settings(
        max_examples=examples(1, 5),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # What fails is made smaller on DuckDB, where an example takes a second.
        phases=[Phase.generate],
    )
    @given(
        st.lists(st.one_of(valid_rows, broken_rows), min_size=10, max_size=40),
        st.sets(st.sampled_from([*_NAMES, "nobody"]), min_size=1, max_size=3),
    )
    def check(rows: list[Row], gone: set[str]) -> None:
        fill(warehouse, home.temp, tables_of(rows, TYPES), TYPES)
        forgotten(warehouse, home.temp, gone, TYPES)
        others = [item for item in rows if item["user_id"] not in gone]
        assert held(warehouse) == expected(tables_of(others, TYPES))

    check()


def test_pseudonyms_leave_all_figures(home: Home) -> None:
    rows = [
        row("2024-01-01T10:00:00Z", "ann"),
        row("2024-01-01T10:10:00Z", "ann", "miles_redeemed"),
        row("2024-02-01T10:00:00Z", "bob"),
        row("never", "ann"),
    ]
    warehouse = home.warehouse()
    fill(warehouse, home.temp, tables_of(rows, TYPES), TYPES)
    before = held(warehouse)
    forget(job_of(warehouse, ["ann"], TYPES, pseudonymise=True), home.temp)
    after = held(warehouse)
    assert after["growth_counters"] == before["growth_counters"]
    assert after["growth_metrics"] == before["growth_metrics"]
    assert after["dead_letter_events"] == []
    names = {item["user_id"] for item in after["fct_events"]}
    assert names == {item["user_id"] for item in after["user_timelines"]}
    assert len(names) == 2
    assert "ann" not in names


def test_a_stream_that_may_be_at_work_is_told(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home.warehouse().claim(WRITTEN, home.temp, new_stream(NOW))
    ids = tmp_path_factory.mktemp("ids") / "ids.txt"
    ids.write_text("ann\n")
    with pytest.raises(OptionError, match="run this with --stream_stopped, and start the"):
        forget_command.run(
            ForgetOptions(user_ids=(str(ids),), warehouse=home.url, temp_location=home.temp)
        )
