"""Airflow 3: every day the new files, then a look whether the tables are right and fresh.

Put it into the folder of DAGs, and `growth-pipeline` on the PATH of the workers. It reads three
environment variables: GROWTH_INPUT (files or globs), GROWTH_WAREHOUSE (a URL), and GROWTH_OPTIONS
(Beam's own options, such as `--runner DataflowRunner --temp_location gs://bucket/tmp`; may be
missing).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

INPUT = os.environ.get("GROWTH_INPUT", "gs://bucket/events/*.csv")
WAREHOUSE = os.environ.get("GROWTH_WAREHOUSE", "bigquery://project/dataset")
OPTIONS = os.environ.get("GROWTH_OPTIONS", "")

with DAG(
    dag_id="growth",
    schedule="0 4 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # A run loads all files that are new, whatever day they are of: there is nothing to catch up.
    catchup=False,
    # One writer at a time.
    max_active_runs=1,
    # Running it again changes nothing that was done.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
):
    # Values travel in the environment, so that no character of theirs is taken for the shell's.
    environment = {"INPUT": INPUT, "WAREHOUSE": WAREHOUSE}
    update = BashOperator(
        task_id="update",
        bash_command=f'growth-pipeline update --input "$INPUT" --warehouse "$WAREHOUSE" {OPTIONS}',
        env=environment,
        append_env=True,
    )
    check = BashOperator(
        task_id="check",
        bash_command='growth-pipeline check --warehouse "$WAREHOUSE" --max_age_hours "$HOURS"',
        env={**environment, "HOURS": os.environ.get("GROWTH_MAX_AGE_HOURS", "30")},
        append_env=True,
        # That the tables are wrong or old does not change by asking again.
        retries=0,
    )
    update >> check
