"""data_quality_results: one row per check and run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from transforms.contract import INTEGER, STRING, TIMESTAMP, Partition, Table, nullable, required
from transforms.measures import ROWS, Measure
from transforms.quality.results import Result

TABLE = Table(
    name="data_quality_results",
    description="One row per check and run: what was checked, how many rows fail, and some keys.",
    columns=(
        required("run_id", STRING, "The run that checked"),
        required("check_id", STRING, "The check's name, the same in every run"),
        required("table_name", STRING, "The table that it guards"),
        nullable("column_name", STRING, "The column that it guards, if it is one"),
        required(
            "check_type",
            STRING,
            "not_null, unique, accepted_values, range, pattern, references, relation or totals",
        ),
        required("severity", STRING, "error, which stops a commit, or warn"),
        required("status", STRING, "pass or fail"),
        required(
            "failing_rows",
            INTEGER,
            "Rows that fail; of totals 1 where they differ",
            measure=Measure(ROWS, "sum"),
        ),
        required(
            "checked_rows",
            INTEGER,
            "Rows that were looked at; of totals 1",
            measure=Measure(ROWS, "sum"),
        ),
        nullable("sample", STRING, "JSON: some failing keys; of totals both sides"),
        required("checked_at", TIMESTAMP, "When the run began"),
    ),
    partition=Partition("checked_at", "DAY"),
    written_at="checked_at",
)


def rows(results: Sequence[Result], run: str, checked_at: datetime) -> pa.Table:
    """The rows of the results of one run, in their order."""
    checks = [result.check for result in results]
    return TABLE.build(
        {
            "run_id": pa.array([run] * len(results), pa.string()),
            "check_id": [check.check_id for check in checks],
            "table_name": [check.table for check in checks],
            "column_name": [check.column for check in checks],
            "check_type": [check.check_type for check in checks],
            "severity": [check.severity for check in checks],
            "status": ["pass" if result.passed else "fail" for result in results],
            "failing_rows": [result.failing_rows for result in results],
            "checked_rows": [result.checked_rows for result in results],
            "sample": [result.sample for result in results],
            "checked_at": [checked_at] * len(results),
        }
    )
