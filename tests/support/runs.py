"""Whole runs: the graph in this process, and the command as a user types it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult

from pipeline.graphs.batch_graph import build
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.staged_corrections import stage_corrections
from pipeline.inputs.input_versions import InputFile, local_file
from pipeline.local_batch.batch_here import batch_here
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.duckdb import DuckDBWarehouse
from tests.support import forks
from tests.support.reading import reading
from tests.support.tables import NOW
from tests.support.thorough import THOROUGH
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES
from transforms.quality.policy import Mode
from transforms.vocabulary import EVENT_TYPES

ROOT = Path(__file__).parents[2]
_CLIENT = Path(__file__).with_name("fork_client.py")
# Beyond any run of a test on any machine: what takes longer hangs.
PATIENCE_SECONDS = 600.0
# No message is broken over lines.
WIDTH: Final = "200"


# Checks of the tables take a third of a small run, and more of a stream: they are for the tests
# of them, and for .ci/run.
CHECKED_THOROUGHLY: Final[Mode | Literal["off"]] = "enforce" if THOROUGH else "off"


@dataclass(frozen=True)
class Run:
    """How a run of the graph is cut up; `CHECKED` is for tests of checks."""

    user_shards: int = 3
    range_bytes: int | None = None
    active_types: Sequence[str] = EVENT_TYPES
    max_dead_letter_pct: float = 100.0
    started_at: datetime = NOW
    quality: Mode | Literal["off"] = CHECKED_THOROUGHLY
    max_shrink_pct: float | None = None
    run: str = "test"


CHECKED = Run(quality="enforce")


def run_graph(
    paths: Sequence[Path | InputFile], database: Path, run: Run = Run()
) -> dict[str, pa.Table]:
    """Run the batch graph on the pinned local runner; returns all tables."""
    finished(paths, database, run)
    return read_all(open_warehouse(f"duckdb:///{database}"))


def run_batch(
    paths: Sequence[Path | InputFile], database: Path, run: Run = Run()
) -> dict[str, pa.Table]:
    """The same without a runner, as the command runs it, for half of the time: for tests of what
    follows a batch."""
    with _begun(paths, database, run) as job:
        batch_here(job, 1)
    return read_all(job.warehouse)


def finished(paths: Sequence[Path | InputFile], database: Path, run: Run = Run()) -> PipelineResult:
    """Run the batch graph on the pinned local runner; returns what Beam knows of the run."""
    with _begun(paths, database, run) as job:
        pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
        build(pipeline, job)
        result = pipeline.run()
        result.wait_until_finish()
    return result


@contextmanager
def _begun(paths: Sequence[Path | InputFile], database: Path, run: Run) -> Iterator[BatchJob]:
    """A batch whose warehouse is its own."""
    warehouse = open_warehouse(f"duckdb:///{database}")
    with warehouse.lock(tuple(TABLES.values()), None, run.run) as staging:
        yield BatchJob(
            files=[_listed(path) for path in paths],
            warehouse=warehouse,
            staging=staging,
            user_shards=run.user_shards,
            figures=FigureSettings(tuple(run.active_types)),
            max_dead_letter_pct=run.max_dead_letter_pct,
            run=run.run,
            started_at=run.started_at,
            range_bytes=run.range_bytes,
            quality=run.quality,
            corrections=stage_corrections(warehouse, staging),
            max_shrink_pct=run.max_shrink_pct,
        )


def _listed(file: Path | InputFile) -> InputFile:
    return file if isinstance(file, InputFile) else local_file(str(file))


def read_all(warehouse: Warehouse) -> dict[str, pa.Table]:
    """Every table of a warehouse."""
    if not isinstance(warehouse, DuckDBWarehouse):
        return {name: warehouse.read(table) for name, table in TABLES.items()}
    # One connection, not one a table: it takes 20 ms, and each test reads all tables.
    with reading(warehouse.path) as connection:
        return {
            name: connection.sql(f'FROM "{name}"').to_arrow_table().cast(table.arrow_schema)
            for name, table in TABLES.items()
        }


def contents(database: Path) -> dict[str, pa.Table]:
    """Every table of a DuckDB file, without the times of writing, in a fixed order."""
    tables = read_all(open_warehouse(f"duckdb:///{database}"))
    return {name: comparable(name, table) for name, table in tables.items()}


def comparable(name: str, table: pa.Table) -> pa.Table:
    """A table without its time of writing, in a fixed order of rows."""
    contract = TABLES[name]
    kept = [column for column in contract.column_names if column != contract.written_at]
    keys = contract.primary_key or ("dead_letter_id",)
    plain = table.select(kept).cast(pa.schema([contract.arrow_schema.field(name) for name in kept]))
    return plain.sort_by([(key, "ascending") for key in keys])


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline` with these arguments, from `cwd`."""
    whole = process_environment(**environment)
    if not any(name.startswith("PYTHON") for name in environment.keys() - {"PYTHONIOENCODING"}):
        return forks.run(arguments, cwd, whole)
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=cwd,
        env=whole,
        capture_output=True,
        text=True,
        check=False,
    )


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash in which PIPELINE is the command, in a process of its own."""
    return _bash(line, cwd, "-m", "pipeline")


def quick_shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same with a fork for a new interpreter, unless thoroughly: 1.6 CPU seconds less."""
    if THOROUGH:
        return shell(line, cwd)
    return _bash(line, cwd, "-S", "-E", str(_CLIENT), forks.server())


def _bash(line: str, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ours = shlex.join([sys.executable, *words])
    return subprocess.run(
        ["bash", "-c", line.replace("PIPELINE", ours)],
        cwd=cwd,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def process_environment(**environment: str) -> dict[str, str]:
    """The environment of a process that finds the package, whatever its folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": WIDTH, **environment}


def wait_until_printed(
    process: subprocess.Popen[str], path: Path, message: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a process that writes to a file has printed something."""
    deadline = time.monotonic() + seconds
    while message not in (text := path.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
