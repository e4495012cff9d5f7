"""The batch command into BigQuery, from the first byte to the summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline import __version__
from pipeline.warehouse import open_warehouse
from tests.emulators.support import Home, unlike
from tests.support.runs import command, contents
from tests.support.tables import csv_text, row
from transforms.marts.registry import ALL_TABLES, TABLES
from transforms.state.registry import STATE_TABLES


def in_duckdb(sample: Path, database: Path, *options: str) -> None:
    run = command(
        *("batch", "--input", str(sample), "--warehouse", f"duckdb:///{database}", *options),
        cwd=sample.parent,
    )
    assert run.returncode == 0, run.stderr


def primary_key(table: bigquery.Table) -> tuple[str, ...]:
    key = table.table_constraints.primary_key if table.table_constraints else None
    return tuple(key.columns) if key else ()


def test_all_tables_equal_those_in_duckdb(home: Home, sample: Path, tmp_path: Path) -> None:
    run = home.batch(sample, "--location", "EU", "--summary_file", f"{home.temp}/run.json")
    assert (run.returncode, run.stderr) == (0, "")
    in_duckdb(sample, tmp_path / "growth.duckdb")
    assert unlike(home.contents(), contents(tmp_path / "growth.duckdb")) == []
    assert home.client.get_dataset(home.dataset).location == "EU"
    assert json.loads((home.staged / "run.json").read_text())["input_rows"] == 3_000
    assert home.leftovers() == ["run.json"]
    for message in ("3,000 input rows =", "2025-", home.url, "bq query", f"{home.dataset}.growth"):
        assert message in run.stdout


def test_tables_are_as_the_contract_has_them(home: Home, sample: Path) -> None:
    assert home.batch(sample).returncode == 0
    for contract in (*ALL_TABLES, *STATE_TABLES.values()):
        table = home.table(contract.name)
        partition = table.time_partitioning
        found = (partition.type_, partition.field) if partition else None
        wanted = contract.partition
        assert found == ((wanted.by, wanted.column) if wanted else None)
        assert tuple(table.clustering_fields or ()) == contract.clustering
        assert primary_key(table) == contract.primary_key
        assert table.description == contract.description
        assert [(field.name, field.field_type, field.description) for field in table.schema] == [
            (column.name, column.type.value, column.description) for column in contract.columns
        ]
        assert table.expires is None
        assert not table.require_partition_filter


def test_jobs_tell_their_run_and_version(home: Home, sample: Path) -> None:
    assert home.batch(sample).returncode == 0
    label = home.table("fct_events").labels["growth_run"]
    jobs = [job for job in home.client.list_jobs() if label in job.job_id]
    assert {type(job) for job in jobs} == {bigquery.LoadJob, bigquery.CopyJob, bigquery.QueryJob}
    loads = [job for job in jobs if isinstance(job, bigquery.LoadJob)]
    # Nobody is forgotten, known by several ids, or left out for a rate of events.
    assert len(loads) == len(ALL_TABLES) + len(STATE_TABLES) - 3
    for job in jobs:
        assert job.labels == {
            "growth_run": label,
            "growth_version": __version__.replace(".", "-"),
        }
    for load in loads:
        assert load.source_format == "PARQUET"
        assert load.write_disposition == "WRITE_TRUNCATE"
        assert load.schema


def test_a_rerun_replaces_all_tables(home: Home, sample: Path, tmp_path: Path) -> None:
    assert home.batch(sample).returncode == 0
    before = home.contents()
    assert home.batch(sample).returncode == 0
    assert unlike(home.contents(), before) == []
    other = tmp_path / "other.csv"
    other.write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    assert home.batch(other).returncode == 1  # A day alone is not all history.
    assert home.batch(other, "--allow_shrink").returncode == 0
    assert [home.table(name).num_rows for name in ("fct_events", "dead_letter_events")] == [1, 0]
    in_duckdb(other, tmp_path / "growth.duckdb")
    assert unlike(home.contents(), contents(tmp_path / "growth.duckdb")) == []


@pytest.mark.parametrize(
    "options", [(), ("--direct_num_workers", "2", "--direct_running_mode", "multi_processing")]
)
def test_input_is_read_from_cloud_storage(
    home: Home, sample: Path, tmp_path: Path, options: Sequence[str]
) -> None:
    home.upload(sample, "in/events.csv")
    run = home.batch(f"{home.temp}/in/*.csv", *options)
    assert (run.returncode, run.stderr) == (0, "")
    in_duckdb(sample, tmp_path / "growth.duckdb")
    ours, theirs = home.contents(), contents(tmp_path / "growth.duckdb")
    assert unlike(ours, theirs) == ["dead_letter_events"]  # They name the file.
    dead_letters = ours["dead_letter_events"]
    assert set(dead_letters["source"].to_pylist()) == {f"{home.temp}/in/events.csv"}
    kept = ["error_type", "error_message", "payload", "position"]
    order = [("position", "ascending")]
    expected = theirs["dead_letter_events"].select(kept).sort_by(order)
    assert dead_letters.select(kept).sort_by(order).equals(expected)


def test_the_same_command_serves_both_homes(home: Home, sample: Path, here: None) -> None:
    assert home.batch(sample).returncode == 0
    warehouse = open_warehouse(home.url)
    for name, table in TABLES.items():
        read = warehouse.read(table)
        assert read.schema == table.arrow_schema
        key = [(column, "ascending") for column in table.primary_key or ("dead_letter_id",)]
        assert read.sort_by(key).equals(home.rows(name).sort_by(key))
