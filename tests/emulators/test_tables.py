"""Datasets and tables: created from the contract, and refused where they contradict it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.warehouse.bigquery.tables import end_of_scratch_life
from pipeline.warehouse.changes import Change, WriteDisposition
from tests.emulators.support import Home
from tests.support.staging import filled, stage
from tests.support.tables import csv_text, row
from transforms.contract import Table
from transforms.marts.registry import TABLES

FIELD = bigquery.SchemaField
ALL = tuple(TABLES.values())


def prepare(home: Home, run: str = "run", **options: object) -> None:
    with home.warehouse(**options).lock(ALL, home.temp, home.run(run)):
        pass


@pytest.fixture
def one_event(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    return path


def create(home: Home, name: str, schema: list[FIELD], **properties: object) -> None:
    home.client.create_dataset(home.dataset)
    table = bigquery.Table(f"{home.client.project}.{home.dataset}.{name}", schema=schema)
    for key, value in properties.items():
        setattr(table, key, value)
    home.client.create_table(table)


def schema_of(name: str, *left_out: str) -> list[FIELD]:
    return [
        FIELD(column.name, column.type.value, "REQUIRED" if column.required else "NULLABLE")
        for column in TABLES[name].columns
        if column.name not in left_out
    ]


def by_month(column: str) -> bigquery.TimePartitioning:
    return bigquery.TimePartitioning(type_="MONTH", field=column)


@pytest.mark.usefixtures("here")
def test_new_tables_have_the_contracts_modes(home: Home) -> None:
    prepare(home, location="europe-west3")
    assert home.client.get_dataset(home.dataset).location == "europe-west3"
    for contract in ALL:
        modes = {field.name: field.mode for field in home.table(contract.name).schema}
        assert modes == {
            column.name: "REQUIRED" if column.required else "NULLABLE"
            for column in contract.columns
        }


@pytest.mark.usefixtures("here")
def test_a_missing_nullable_column_is_added(home: Home) -> None:
    schema = schema_of("growth_metrics", "dau_growth", "wau_mau_stickiness")
    create(home, "growth_metrics", schema, time_partitioning=by_month("event_date"))
    home.warehouse().check(ALL, home.temp)
    prepare(home)
    table = home.table("growth_metrics")
    found = {field.name: field for field in table.schema}
    assert set(found) == set(TABLES["growth_metrics"].column_names)
    assert (found["dau_growth"].field_type, found["dau_growth"].mode) == ("INTEGER", "NULLABLE")
    described = {column.name: column.description for column in TABLES["growth_metrics"].columns}
    assert {name: field.description for name, field in found.items()} == described
    assert table.description == TABLES["growth_metrics"].description
    assert table.table_constraints is not None
    assert table.table_constraints.primary_key is not None
    assert table.table_constraints.primary_key.columns == ["event_date"]


def earlier(home: Home, *tables: Table) -> None:
    """Tables as a version wrote them that had no added columns yet."""
    home.client.create_dataset(home.dataset)
    for table in tables:
        lacking = [column.name for column in table.columns if column.is_added]
        found = bigquery.Table(
            f"{home.client.project}.{home.dataset}.{table.name}",
            schema=schema_of(table.name, *lacking),
        )
        assert table.partition is not None
        found.time_partitioning = by_month(table.partition.column)
        found.clustering_fields = list(table.clustering) or None
        home.client.create_table(found)


GROWN = [table for table in ALL if any(column.is_added for column in table.columns)]


def test_a_run_replaces_tables_of_an_earlier_version(home: Home, one_event: Path) -> None:
    earlier(home, *GROWN)
    run = home.batch(one_event)
    assert (run.returncode, run.stderr) == (0, "")
    for table in GROWN:
        assert [field.name for field in home.table(table.name).schema] == [*table.column_names]
        if "is_complete" in table.column_names:
            assert set(home.rows(table.name)["is_complete"].to_pylist()) == {False}
    (user,) = home.rows("dim_users").to_pylist()
    assert (user["active_days"], user["active_days_28d"]) == (1, 1)
    (day,) = home.rows("growth_drivers").to_pylist()
    assert (day["total_new_users"], day["new_other_users"]) == (1, 0)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("how", [WriteDisposition.MERGE, WriteDisposition.APPEND])
def test_an_updated_job_goes_on_in_tables_of_an_earlier_version(
    home: Home, how: WriteDisposition
) -> None:
    table = TABLES["retention_cohorts"]
    earlier(home, table)
    home.client.query_and_wait(
        f"INSERT INTO `{home.client.project}.{home.dataset}.{table.name}` "
        "VALUES (DATE '2024-01-01', 0, DATE '2024-01-01', 5, 5, 100.0)"
    )
    run, warehouse = home.run("stream"), home.warehouse()
    warehouse.check(ALL, home.temp)
    staging = warehouse.resume(ALL, home.temp, run)
    assert [field.name for field in home.table(table.name).schema] == [*table.column_names]
    rows = [filled(table, period_number=number, is_complete=number == 0) for number in (0, 1)]
    warehouse.commit([Change(table, how, stage(table, rows, staging))], f"{run}_1")
    found = {row["is_complete"] for row in home.rows(table.name).to_pylist()}
    assert found == {None, True, False}


def test_columns_in_another_order_are_filled_by_name(home: Home, one_event: Path) -> None:
    schema = schema_of("growth_metrics")[::-1]
    create(home, "growth_metrics", schema, time_partitioning=by_month("event_date"))
    assert home.batch(one_event).returncode == 0
    (found,) = home.rows("growth_metrics").to_pylist()
    assert (found["daily_active_users"], found["new_users"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "schema", "properties", "message"),
    [
        (
            "growth_metrics",
            schema_of("growth_metrics"),
            {},
            "growth_metrics: it is not partitioned, not partitioned by MONTH of event_date",
        ),
        (
            "fct_events",
            schema_of("fct_events"),
            {"time_partitioning": by_month("event_date")},
            "partitioned by MONTH of event_date, not partitioned by DAY of event_date; "
            "{dataset}.fct_events: it is clustered by nothing, not by user_id, event_type",
        ),
        (
            "users_with_negative_miles",
            [*schema_of("users_with_negative_miles", "user_id"), FIELD("user_id", "INTEGER")],
            {"clustering_fields": ["user_id"]},
            "its column user_id is INTEGER, not STRING",
        ),
        (
            "users_with_negative_miles",
            [*schema_of("users_with_negative_miles"), FIELD("note", "STRING")],
            {"clustering_fields": ["user_id"]},
            "it has a column note STRING that is not expected",
        ),
        (
            "users_with_negative_miles",
            schema_of("users_with_negative_miles", "negative_amount"),
            {"clustering_fields": ["user_id"]},
            "it lacks the column negative_amount INTEGER REQUIRED",
        ),
        (
            "growth_metrics",
            [
                *schema_of("growth_metrics", "dau_growth"),
                FIELD("dau_growth", "INTEGER", "REQUIRED"),
            ],
            {"time_partitioning": by_month("event_date")},
            "its column dau_growth is REQUIRED, not NULLABLE",
        ),
    ],
)
def test_a_table_that_contradicts_the_contract_is_refused_before_anything_is_read(
    home: Home,
    one_event: Path,
    name: str,
    schema: list[FIELD],
    properties: dict[str, object],
    message: str,
) -> None:
    create(home, name, schema, **properties)
    run = home.batch(one_event)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert message.format(dataset=f"{home.client.project}.{home.dataset}") in run.stderr
    assert "Rename or remove" in run.stderr
    assert [item.table_id for item in home.client.list_tables(home.dataset)] == [name]


def test_a_view_in_a_tables_place_is_refused(home: Home, one_event: Path) -> None:
    home.client.create_dataset(home.dataset)
    view = bigquery.Table(f"{home.client.project}.{home.dataset}.dim_users")
    view.view_query = "SELECT 1 AS user_id"
    home.client.create_table(view)
    assert "dim_users: it is a VIEW, not a TABLE" in home.batch(one_event).stderr


def test_queries_of_events_can_be_made_to_name_their_dates(home: Home, one_event: Path) -> None:
    for options, expected in (
        ([], False),
        (["--require_partition_filter"], True),
        ([], True),  # What was asked for once stays.
        (["--require_partition_filter", "false"], False),
        (["--require_partition_filter=true"], True),
    ):
        run = home.batch(one_event, *options)
        assert (run.returncode, run.stderr) == (0, "")
        assert bool(home.table("fct_events").require_partition_filter) == expected
        assert not home.table("dim_users").require_partition_filter


@pytest.mark.usefixtures("here")
def test_policy_tags_stay_with_their_columns(home: Home, one_event: Path) -> None:
    prepare(home)
    table = home.table("dim_users")
    tag = "projects/p/locations/us/taxonomies/1/policyTags/2"
    tagged = bigquery.PolicyTagList([tag])
    table.schema = [
        FIELD.from_api_repr({**field.to_api_repr(), "policyTags": tagged.to_api_repr()})
        if field.name == "user_id"
        else field
        for field in table.schema
    ]
    home.client.update_table(table, ["schema"])
    assert home.batch(one_event).returncode == 0
    tags = {field.name: field.policy_tags for field in home.table("dim_users").schema}
    assert tags.pop("user_id") == tagged
    assert set(tags.values()) == {None}


@pytest.mark.usefixtures("here")
def test_an_expiration_that_came_with_a_copy_is_taken_back(home: Home, one_event: Path) -> None:
    prepare(home)
    table = home.table("dim_users")
    table.expires = end_of_scratch_life()  # As a run may leave it that is killed behind a copy.
    home.client.update_table(table, ["expires"])
    prepare(home, "next")
    assert home.table("dim_users").expires is None


@pytest.mark.usefixtures("here")
def test_a_table_whose_queries_must_name_dates_is_read_all_the_same(
    home: Home, one_event: Path
) -> None:
    assert home.batch(one_event, "--require_partition_filter").returncode == 0
    assert home.warehouse().read(TABLES["fct_events"]).num_rows == 1


@pytest.mark.usefixtures("here")
def test_an_expiration_that_a_table_has_is_left_to_it(home: Home, one_event: Path) -> None:
    home.client.create_dataset(home.dataset)
    home.client.update_dataset(_expiring(home), ["default_table_expiration_ms"])
    assert home.batch(one_event).returncode == 0
    first = home.table("growth_metrics").expires
    assert first is not None
    assert home.batch(one_event).returncode == 0
    assert home.table("growth_metrics").expires == first


def _expiring(home: Home) -> bigquery.Dataset:
    dataset = home.client.get_dataset(home.dataset)
    dataset.default_table_expiration_ms = 60 * 24 * 3600 * 1000
    return dataset


def test_a_dataset_elsewhere_is_named(home: Home, one_event: Path) -> None:
    dataset = bigquery.Dataset(f"{home.client.project}.{home.dataset}")
    dataset.location = "EU"
    home.client.create_dataset(dataset)
    run = home.batch(one_event, "--location", "us-east1")
    assert run.returncode == 1
    assert "lies in EU, but --location is us-east1: leave out --location" in run.stderr
    assert home.batch(one_event, "--location", "eu").returncode == 0


@pytest.mark.usefixtures("here")
def test_a_dataset_that_is_not_there_can_not_be_read(home: Home) -> None:
    with pytest.raises(RunError, match=f"there is no dataset {home.client.project}"):
        home.warehouse().read(TABLES["dim_users"])
