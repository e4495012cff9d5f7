"""A streaming job on Dataflow that is updated goes on with what the job before it has staged."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import OptionError
from pipeline.launch.runners import Runner
from pipeline.launch.stream_launch import StreamPlan, _launched
from pipeline.warehouse.changes import Change, WriteDisposition
from tests.emulators.support import Home
from tests.support.staging import at, filled, in_order, stage
from tests.support.tables import csv_text, row
from transforms.marts import dim_users

USERS = dim_users.TABLE

pytestmark = pytest.mark.usefixtures("here")


def plan_of(home: Home) -> StreamPlan:
    options = Namespace(
        subscription="projects/p/subscriptions/s",
        active_event_types=("share",),
        late_horizon_days=7,
        flush_seconds=60.0,
        dead_letter_topic=None,
    )
    dataflow = Runner("DataflowRunner", local=False, workers=None)
    return StreamPlan(options, [], home.warehouse(), dataflow, home.temp, datetime(2025, 1, 1))


def test_an_updated_job_finds_its_run_and_what_it_has_staged(home: Home) -> None:
    plan = plan_of(home)
    run, staging = _launched(plan)
    ann = filled(USERS, user_id="ann", updated_at=at(0))
    under_way = stage(USERS, [ann], staging)  # The job's state knows of it when it is updated.
    updated, folder = _launched(replace(plan, updates=True, started_at=datetime(2025, 2, 1)))
    assert (updated, folder) == (run, staging)
    assert home.table(USERS.name).labels["growth_run"] == run
    plan.warehouse.commit([Change(USERS, WriteDisposition.MERGE, under_way)], f"{run}_7")
    assert in_order(home.rows(USERS.name).to_pylist()) == [ann]


def test_a_launch_clears_what_other_runs_have_left(home: Home) -> None:
    plan = plan_of(home)
    first, staging = _launched(plan)
    stage(USERS, [filled(USERS, user_id="ann")], staging)
    assert home.leftovers() != []
    second, _ = _launched(replace(plan, started_at=datetime(2025, 2, 1)))
    assert second != first
    assert home.leftovers() == []


def test_tables_that_no_stream_keeps_are_not_taken_for_an_updated_one(
    home: Home, tmp_path: Path
) -> None:
    plan = replace(plan_of(home), updates=True)
    with pytest.raises(OptionError, match="they are not there; name the warehouse of the job"):
        _launched(plan)
    (tmp_path / "events.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    assert home.batch(tmp_path / "events.csv").returncode == 0
    with pytest.raises(OptionError, match=r"were last written by the run \d+t\d+_"):
        _launched(plan)
