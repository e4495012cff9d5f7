"""Dagster: each table is an asset by day, and the results of its checks are asset checks.

    dagster dev -f dagster_assets.py

Install the growth pipeline beside Dagster, so that the assets have the contract's descriptions, or
put its folder on PYTHONPATH. It reads GROWTH_FILES, a pattern of the day's files, in which {date}
stands for the partition, such as `gs://bucket/events/{date}/*.csv`, and GROWTH_WAREHOUSE, a URL.
"""

import os
import subprocess
from collections.abc import Iterator

import dagster as dg

from pipeline.warehouse import open_warehouse
from transforms.marts.registry import RESULTS, TABLES

FILES = os.environ.get("GROWTH_FILES", "events/{date}*.csv")
WAREHOUSE = os.environ.get("GROWTH_WAREHOUSE", "duckdb:///growth.duckdb")
RETRY_SECONDS = int(os.environ.get("GROWTH_RETRY_SECONDS", "600"))
FIRST_DAY = os.environ.get("GROWTH_FIRST_DAY", "2026-01-01")

SPECS = [
    dg.AssetSpec(
        name,
        description=table.description,
        group_name="growth",
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(
                        column.name,
                        column.type.value,
                        column.description,
                        dg.TableColumnConstraints(nullable=not column.required),
                    )
                    for column in table.columns
                ]
            )
        },
    )
    for name, table in TABLES.items()
]
CHECKS = [dg.AssetCheckSpec("keeps_its_checks", asset=name) for name in TABLES]


@dg.multi_asset(
    specs=SPECS,
    check_specs=CHECKS,
    partitions_def=dg.DailyPartitionsDefinition(FIRST_DAY),
    # Days may come in any order, but one writer at a time.
    pool="growth",
    # Running a day again changes nothing that was done.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=RETRY_SECONDS),
)
def growth_tables(
    context: dg.AssetExecutionContext,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Load the day's files, and tell of each table how many rows it has and what its checks say."""
    files = FILES.format(date=context.partition_key)
    subprocess.run(
        ["growth-pipeline", "update", "--input", files, "--warehouse", WAREHOUSE, "--quality=warn"],
        check=True,
    )
    home = open_warehouse(WAREHOUSE)
    (results,) = home.ask(
        [
            "SELECT table_name, check_id, severity, failing_rows, sample "
            f"FROM {home.source(RESULTS)} WHERE status = 'fail' AND checked_at = "
            f"(SELECT MAX(checked_at) FROM {home.source(RESULTS)})"
        ]
    )
    for name, table in TABLES.items():
        failed = [row for row in results if row["table_name"] == name]
        yield dg.MaterializeResult(name, metadata={"dagster/row_count": home.count(table) or 0})
        yield dg.AssetCheckResult(
            passed=not failed,
            asset_key=name,
            check_name="keeps_its_checks",
            severity=dg.AssetCheckSeverity.ERROR
            if any(row["severity"] == "error" for row in failed)
            else dg.AssetCheckSeverity.WARN,
            metadata={row["check_id"]: str(row["failing_rows"]) for row in failed},
        )


definitions = dg.Definitions(assets=[growth_tables])
