"""A streaming job on Dataflow that is updated goes on with what the job before it has staged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import OptionError
from pipeline.graphs.streaming_graph import StreamJob
from pipeline.launch.dry_run import REAL_RUN
from pipeline.launch.stream_launch import claimed, taken_over
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.run_ids import new_stream
from tests.emulators.support import Home
from tests.support.staging import at, filled, in_order, stage
from tests.support.tables import NOW, csv_text, row
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.kernels.codecs.head_codec import decode_head
from transforms.kernels.codecs.record_codec import decode_records
from transforms.marts import dim_users

USERS = dim_users.TABLE

pytestmark = pytest.mark.usefixtures("here")


def job_of(home: Home, month: int = 1) -> StreamJob:
    return StreamJob(
        subscription="projects/p/subscriptions/s",
        warehouse=home.warehouse(),
        run=new_stream(datetime(2025, month, 1)),
        started_at=NOW,
        figures=FigureSettings(("share",)),
    )


def updated(home: Home) -> StreamJob:
    return taken_over(job_of(home, 2), None, home.temp, REAL_RUN)


def test_an_updated_job_finds_its_run_and_what_it_has_staged(home: Home) -> None:
    job = claimed(job_of(home), None, home.temp, REAL_RUN)
    ann = filled(USERS, user_id="ann", updated_at=at(0))
    under_way = stage(USERS, [ann], job.staging)  # The job's state knows of it when it is updated.
    other = updated(home)
    assert (other.run, other.staging) == (job.run, job.staging)
    assert home.table(USERS.name).labels["growth_run"] == job.run
    job.warehouse.commit([Change(USERS, WriteDisposition.MERGE, under_way)], f"{job.run}_7")
    assert in_order(home.rows(USERS.name).to_pylist()) == [ann]


def test_a_launch_clears_what_other_runs_have_left(home: Home) -> None:
    first = claimed(job_of(home), None, home.temp, REAL_RUN)
    stage(USERS, [filled(USERS, user_id="ann")], first.staging)
    assert home.leftovers() != []
    second = claimed(job_of(home, 2), None, home.temp, REAL_RUN)
    assert second.run != first.run
    assert home.leftovers() == []


def test_tables_that_no_stream_keeps_are_not_taken_for_an_updated_one(
    home: Home, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="they are not there; name the warehouse of the job"):
        updated(home)
    (tmp_path / "events.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    assert home.batch(tmp_path / "events.csv").returncode == 0
    with pytest.raises(OptionError, match=r"were last written by the run \d+t\d+_"):
        updated(home)


def test_a_new_job_begins_with_what_the_tables_hold_and_one_in_its_place_as_well(
    home: Home, tmp_path: Path
) -> None:
    rows = [
        row("2025-12-30T10:00:00Z"),
        row("2025-12-30T10:10:00Z"),
        row("2024-01-01T00:00:00Z", "bob"),
    ]
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    assert home.batch(tmp_path / "events.csv", "--active_event_types", "share,like").returncode == 0
    job = claimed(replace(job_of(home), late_horizon_days=3_650), None, home.temp, REAL_RUN)
    assert str(job.figures) == "share,like"
    assert job.start is not None
    assert (job.start.held.events, job.start.totals.counters.events) == (3, 3)
    found = job.start.users.find("ann")
    assert found is not None
    assert decode_head(found.head).last.sequence == 2
    assert len(decode_records(found.recent)) == 2
    assert job.start.users.find("cy") is None
    assert updated(home).start == job.start
    with pytest.raises(OptionError, match="can't add event types to a job, and signed_up are"):
        taken_over(job_of(home, 2), AskedFigures(own=("signed_up",)), home.temp, REAL_RUN)
    with pytest.raises(OptionError, match="share: the tables were built with"):
        claimed(job_of(home), AskedFigures(("share",)), home.temp, REAL_RUN)
