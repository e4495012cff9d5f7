"""The bundle for Superset: what it says follows from the contract, and holds together."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.superset import COMMAND, SupersetOptions
from pipeline.errors import OptionError, RunError
from pipeline.superset.bundle import bundle, files
from pipeline.superset.home import Home
from transforms.marts.registry import TABLES

DUCKDB = Home.of("duckdb:///growth.duckdb", "/data/growth.duckdb")
BIGQUERY = Home.of("bigquery://my-project/growth", "bigquery://my-project/growth")
HOMES = [DUCKDB, BIGQUERY]


def parts(home: Home, folder: str) -> list[dict[str, Any]]:
    return [content for name, content in files(home).items() if name.startswith(f"{folder}/")]


@pytest.mark.parametrize("home", HOMES)
def test_everything_refers_to_what_is_there(home: Home) -> None:
    (database,) = parts(home, "databases")
    datasets = {found["uuid"]: found for found in parts(home, "datasets")}
    charts = {found["uuid"]: found for found in parts(home, "charts")}
    (dashboard,) = parts(home, "dashboards")
    assert {found["database_uuid"] for found in datasets.values()} == {database["uuid"]}
    for chart in charts.values():
        dataset = datasets[chart["dataset_uuid"]]
        columns = {column["column_name"] for column in dataset["columns"]}
        params = chart["params"]
        used = [params.get("x_axis"), *params.get("groupby", []), *params.get("groupbyRows", [])]
        used += [each["subject"] for each in params["adhoc_filters"]]
        assert {name for name in used if name} <= columns
        metrics = {metric["metric_name"] for metric in dataset["metrics"]}
        assert {each for each in params["metrics"] if isinstance(each, str)} <= metrics
    placed = [
        place["meta"]["uuid"]
        for place in dashboard["position"].values()
        if isinstance(place, dict) and place["type"] == "CHART"
    ]
    assert sorted(placed) == sorted(charts)
    for each in dashboard["metadata"]["native_filter_configuration"]:
        for target in each["targets"]:
            assert target.get("datasetUuid", next(iter(datasets))) in datasets


def test_each_column_has_the_contracts_description() -> None:
    for dataset in parts(DUCKDB, "datasets"):
        table = TABLES.get(dataset["table_name"])
        if table:
            assert dataset["description"] == table.description
            assert [(c["column_name"], c["description"]) for c in dataset["columns"]] == [
                (column.name, column.description) for column in table.columns
            ]


@pytest.mark.parametrize(
    ("table", "column", "aggregation"),
    [
        ("growth_metrics", "daily_active_users", "mean"),
        ("growth_metrics", "weekly_active_users_7d", "mean"),
        ("growth_metrics", "retained_users", "mean"),
        ("growth_metrics", "new_users", "sum"),
        ("growth_metrics", "daily_quick_ratio", "ratio"),
        ("retention_quality_framework", "new_stage_users", "mean"),
        ("user_resurrection_analysis", "total_resurrections", "sum"),
        ("user_resurrection_analysis", "avg_7d_resurrections", "mean"),
        ("growth_drivers", "users_earning_miles", "mean"),
        ("growth_drivers", "ios_users", "mean"),
        ("growth_drivers", "total_daily_events", "sum"),
        ("growth_drivers", "new_paid_users", "sum"),
        ("miles_analytics", "daily_miles_earned", "sum"),
        ("miles_analytics", "cumulative_miles_earned", "mean"),
        ("miles_analytics", "avg_7d_miles_earned", "mean"),
        ("events_by_type", "events", "sum"),
        ("events_by_type", "events_per_user", "ratio"),
        ("events_by_type", "users", "mean"),
        ("engagement_distribution", "users", "mean"),
        ("session_metrics", "sessions", "sum"),
        ("session_metrics", "session_seconds", "sum"),
        ("session_metrics", "users_with_sessions", "mean"),
        ("session_metrics", "median_session_seconds", "mean"),
        # Rows are users: the dates of each are those of no other.
        ("dim_users", "active_days", "sum"),
        ("social_capital_growth_accounting", "churned_users", "mean"),
        ("retention_cohorts", "period_number", None),
        ("retention_cohorts", "cohort_size", "mean"),
    ],
)
def test_distinct_users_are_not_added_up(table: str, column: str, aggregation: str | None) -> None:
    contract = TABLES[table]
    found = contract.column(column)
    assert found
    assert (found.measure and found.measure.aggregation) == aggregation


def test_a_bundle_is_the_same_each_time_and_another_ones_ids_are_others() -> None:
    assert bundle(DUCKDB) == bundle(Home.of("duckdb:///growth.duckdb", "/data/growth.duckdb"))
    ids = [
        {content["uuid"] for content in files(home).values() if "uuid" in content} for home in HOMES
    ]
    assert not ids[0] & ids[1]
    with zipfile.ZipFile(io.BytesIO(bundle(DUCKDB))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert json.loads(archive.read("growth/metadata.yaml"))["type"] == "Dashboard"
    assert len(set(names)) == len(names) == len(files(DUCKDB))


def test_events_and_people_stay_out() -> None:
    names = {found["table_name"] for found in parts(DUCKDB, "datasets")}
    assert not names & {
        "fct_events",
        "dim_users",
        "users_with_negative_miles",
        "dead_letter_events",
    }
    assert "user_id" not in json.dumps(files(DUCKDB))


def test_homes_are_as_sqlalchemy_names_them() -> None:
    assert DUCKDB.database["sqlalchemy_uri"] == "duckdb:////data/growth.duckdb"
    assert DUCKDB.database["extra"]["engine_params"] == {"connect_args": {"read_only": True}}
    assert BIGQUERY.database["sqlalchemy_uri"] == "bigquery://my-project"
    assert {found["schema"] for found in parts(BIGQUERY, "datasets")} == {"growth"}


def test_two_homes_are_two_databases_by_name() -> None:
    other = Home.of("duckdb:///live.duckdb", "/data/live.duckdb")
    elsewhere = Home.of("bigquery://other-project/growth", "bigquery://other-project/growth")
    names = {home.database["database_name"] for home in (DUCKDB, other, BIGQUERY, elsewhere)}
    assert len(names) == 4 and "Growth (my-project.growth)" in names


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = f"duckdb:///{tmp_path}/none.duckdb"
    with pytest.raises(RunError, match="there is no warehouse"):
        COMMAND.run(SupersetOptions(missing, str(tmp_path / "growth.zip")))
    with pytest.raises(OptionError, match="is the warehouse: name another file"):
        COMMAND.run(SupersetOptions(missing, str(tmp_path / "none.duckdb")))
    assert list(tmp_path.iterdir()) == []
