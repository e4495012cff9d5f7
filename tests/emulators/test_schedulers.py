"""The examples of docs/examples, run by Airflow and by Dagster without their servers."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.emulators.conftest import required
from tests.emulators.install import ROOT, SCHEDULERS, missing_schedulers
from tests.support.tables import csv_text, row
from transforms.marts.registry import TABLES

EXAMPLES = ROOT / "docs" / "examples"
DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")

_DAGSTER = """
import sys
sys.path.insert(0, sys.argv[1])
import dagster as dg, dagster_assets
for day in sys.argv[2:]:
    found = dg.materialize([dagster_assets.growth_tables], partition_key=day)
    checks = found.get_asset_check_evaluations()
    print("\\nended:", found.success, len(checks), sum(check.passed for check in checks))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of each day, and the console script in a folder `bin`."""
    required(missing_schedulers())
    script = tmp_path / "bin" / "growth-pipeline"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pipeline "$@"\n')
    script.chmod(0o755)
    for day in DAYS:
        rows = [row(f"{day}T{hour:02}:00:00Z", user) for hour in (1, 9) for user in ("ann", "bob")]
        (tmp_path / f"{day}.csv").write_bytes(csv_text(rows))
    return tmp_path


def run(folder: Path, settings: Mapping[str, str], *arguments: str, ending: int = 0) -> str:
    """What Python prints with some arguments in the schedulers' environment."""
    path = (str(folder / "bin"), str(SCHEDULERS / "bin"), os.environ["PATH"])
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "GROWTH_RETRY_SECONDS": "0",
        "GROWTH_WAREHOUSE": f"duckdb:///{folder}/growth.duckdb",
        **settings,
    }
    command = [str(SCHEDULERS / "bin" / "python"), *arguments]
    found = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert found.returncode == ending, found.stdout + found.stderr
    return found.stdout


def airflow(folder: Path, max_age_hours: int, ending: int) -> dict[str, str]:
    """How the tasks of the example's DAG end, all days' files being there."""
    settings = {
        "GROWTH_INPUT": f"{folder}/2026-*.csv",
        "GROWTH_MAX_AGE_HOURS": str(max_age_hours),
    }
    for command in ("db migrate", "dags reserialize"):
        run(folder, settings, "-m", "airflow", *command.split())
    run(folder, settings, "-m", "airflow", "dags", "test", "growth", ending=ending)
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as connection:
        return dict(connection.execute("SELECT task_id, state FROM task_instance"))


def events_by_day(folder: Path) -> list[tuple[str, int]]:
    with duckdb.connect(str(folder / "growth.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT CAST(event_date AS VARCHAR), count(*) FROM fct_events GROUP BY 1 ORDER BY 1"
        ).fetchall()


@pytest.mark.parametrize(("hours", "ending"), [(1_000_000, "success"), (0, "failed")])
def test_airflow_updates_and_checks(folder: Path, hours: int, ending: str) -> None:
    found = airflow(folder, hours, ending=int(ending == "failed"))
    assert found == {"update": "success", "check": ending}
    assert events_by_day(folder) == [(day, 4) for day in DAYS]


def test_dagster_materializes_days_in_any_order(folder: Path) -> None:
    settings = {"GROWTH_FILES": f"{folder}/{{date}}.csv", "GROWTH_FIRST_DAY": DAYS[0]}
    order = (DAYS[1], DAYS[0], DAYS[2], DAYS[0])
    printed = run(folder, settings, "-c", _DAGSTER, str(EXAMPLES), *order)
    assert printed.count(f"ended: True {len(TABLES)} {len(TABLES)}") == len(order)
    assert events_by_day(folder) == [(day, 4) for day in DAYS]
