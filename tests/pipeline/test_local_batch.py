"""A batch by processes of this machine: the tables of the graph, however many share the work."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.input_versions import local_file
from pipeline.local_batch import batch_here as here
from pipeline.local_batch import parse_files
from pipeline.local_batch.batch_here import batch_here
from pipeline.local_batch.parse_files import ranges_of
from pipeline.local_batch.shuffled_events import ShuffleReader, ShuffleWriter
from pipeline.local_batch.worker_processes import results, worker_processes, worker_threads
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support.reading import reading
from tests.support.runs import CHECKED, contents, run_graph
from tests.support.strategies import valid_rows
from tests.support.tables import NOW, Row, csv_text, parse, row
from tests.support.thorough import examples, some
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.user_shards import shard_key
from transforms.marts.registry import TABLES, all_checks


def job_of(paths: list[Path], database: Path, shards: int = 3) -> BatchJob:
    """A batch over files, without a staging folder."""
    return BatchJob(
        files=[local_file(str(path)) for path in paths],
        warehouse=open_warehouse(f"duckdb:///{database}"),
        user_shards=shards,
        figures=FigureSettings(),
        max_dead_letter_pct=100.0,
        run="test",
        started_at=NOW,
    )


def run_here(paths: list[Path], database: Path, workers: int, shards: int = 3) -> None:
    """A batch as the command runs it."""
    job = job_of(paths, database, shards)
    with job.warehouse.lock(tuple(TABLES.values()), None, "test") as staging:
        batch_here(replace(job, staging=staging), workers)


_OF_A_RUN = ("data_quality_results", "loaded_files", "user_timelines", "growth_counters")


def all_of(database: Path) -> dict[str, pa.Table]:
    """Marts, results of checks and state, without moments."""
    with reading(database) as connection:
        others = {
            name: connection.sql(
                f"SELECT COLUMNS(lambda name: name NOT IN ('checked_at', 'written_at')) "
                f"FROM {name} ORDER BY ALL"
            ).to_arrow_table()
            for name in _OF_A_RUN
        }
    return {**contents(database), **others}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A sample with all kinds of broken rows, a small file, and one with a header alone."""
    folder = tmp_path_factory.mktemp("files")
    write_sample(folder / "sample.csv", 8_000, 3)
    (folder / "few.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z"), row("never")]))
    (folder / "none.csv").write_bytes(csv_text([]))
    return sorted(folder.glob("*.csv"))


@pytest.fixture(scope="module")
def of_graph(files: list[Path]) -> dict[str, pa.Table]:
    """What the graph makes of these files."""
    database = files[0].with_name("graph.duckdb")
    run_graph(files, database, CHECKED)
    return all_of(database)


@pytest.mark.parametrize(("workers", "shards"), some([(2, 8), (1, 3), (2, 3)], 2))
def test_the_tables_are_those_of_the_graph(
    workers: int,
    shards: int,
    files: list[Path],
    of_graph: dict[str, pa.Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for bound in ("_LEAST_BYTES", "_MOST_BYTES"):  # Several ranges of a file.
        monkeypatch.setattr(here, bound, 100_000)
    monkeypatch.setattr(parse_files, "_TOGETHER_BYTES", 10_000)
    run_here(files, tmp_path / "here.duckdb", workers, shards)
    ours = all_of(tmp_path / "here.duckdb")
    assert [name for name, table in of_graph.items() if not ours[name].equals(table)] == []
    assert not list(tmp_path.glob("*.staging*"))


def test_an_input_without_a_row_leaves_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_bytes(csv_text([]))
    run_here([tmp_path / "none.csv"], tmp_path / "here.duckdb", 2)
    tables = all_of(tmp_path / "here.duckdb")
    # All checks are answered, also those of dead letters.
    assert tables.pop("data_quality_results").num_rows == len(all_checks(FigureSettings()))
    assert {name: tables[name].num_rows for name in TABLES} == dict.fromkeys(TABLES, 0)


def test_small_files_are_read_together_and_counted_each(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:02}.csv" for number in range(30)]
    for number, path in enumerate(paths):
        path.write_bytes(csv_text([row("2024-01-01T00:00:00Z"), *[row("never")] * number]))
    (together,) = ranges_of(job_of(paths, tmp_path / "here.duckdb"), None)
    assert len(together) == 30
    run_here(paths, tmp_path / "here.duckdb", 2)
    with reading(tmp_path / "here.duckdb") as connection:
        found = connection.sql(
            "SELECT input_rows, dead_letters FROM loaded_files ORDER BY path"
        ).fetchall()
    assert found == [(1 + number, number) for number in range(30)]


def test_what_a_worker_finds_wrong_ends_the_run(files: list[Path], tmp_path: Path) -> None:
    database, broken = tmp_path / "here.duckdb", tmp_path / "broken.csv.gz"
    run_here(files[:1], database, 1)
    before = contents(database)
    broken.write_bytes(gzip.compress(csv_text([row("2024-01-01T00:00:00Z")]))[:-9])
    with pytest.raises(DataError, match=r"broken.csv.gz: the .* is damaged or cut short"):
        run_here([*files, broken], database, 2, shards=8)
    after = contents(database)
    assert all(before[name].equals(after[name]) for name in TABLES)


def _end(number: int, _: object) -> None:
    os.kill(os.getpid(), number)


def test_a_worker_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"a worker process has ended .* run with --workers 1"),
        worker_processes(2, str(tmp_path)) as executor,
    ):
        results(executor, partial(_end, signal.SIGKILL), range(3))


def test_what_one_worker_finds_wrong_is_said_while_others_work() -> None:
    may_end, ended = threading.Event(), []

    def work(number: int) -> None:
        if number:
            raise DataError("b.csv is damaged")
        may_end.wait(5)
        ended.append(number)

    with worker_threads(2) as executor:
        with pytest.raises(DataError, match=r"b\.csv is damaged"):
            results(executor, work, range(2))
        assert not ended
        may_end.set()


def test_a_folder_of_events_is_cleared_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows are staged on Cloud Storage."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    job = replace(job_of([], tmp_path / "here.duckdb"), staging="gs://bucket/tmp")
    killed = here._folder(job)
    left = Path(killed.__enter__())
    with here._folder(job) as folder:
        assert [str(path) for path in tmp_path.iterdir()] == [folder]
    assert not left.exists()


def _wait(folder: str, _: object) -> None:
    Path(folder, str(os.getpid())).touch()
    threading.Event().wait()


def _lead(folder: str) -> None:
    """A run whose workers never end by themselves."""
    with worker_processes(2, folder) as executor:
        results(executor, partial(_wait, folder), range(2))


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    leader = multiprocessing.get_context("spawn").Process(target=_lead, args=(str(tmp_path),))
    leader.start()
    while len(workers := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert leader.is_alive()
        time.sleep(0.02)
    leader.kill()
    leader.join()
    while any(Path("/proc", str(worker)).exists() for worker in workers):
        time.sleep(0.02)


@settings(max_examples=examples(25, 200))
@given(
    batches=st.lists(st.lists(valid_rows, min_size=1, max_size=12), max_size=6),
    shards=st.integers(1, 9),
    rows_of_file=st.integers(1, 30),
)
def test_events_come_back_by_shard(
    batches: list[list[Row]], shards: int, rows_of_file: int
) -> None:
    events = [part.events for rows in batches for part in parse(csv_text(rows))]
    with tempfile.TemporaryDirectory() as folder:
        writer = ShuffleWriter(folder, shards, shard_key("run"), rows_of_file)
        for batch in events:
            writer.add(batch)
        reader = ShuffleReader(writer.close())
        found = [reader.events_of(shard) for shard in range(shards)]
    came = Counter(map(_plain, chain.from_iterable(batch.to_pylist() for batch in events)))
    back = [list(chain.from_iterable(batch.to_pylist() for batch in part)) for part in found]
    assert Counter(map(_plain, chain.from_iterable(back))) == came
    # Nobody is in two shards.
    users = [{event["user_id"] for event in part} for part in back]
    assert sum(map(len, users)) == len(set().union(*users))


def _some_events() -> pa.RecordBatch:
    rows = [row("2024-01-01T00:00:00Z", user) for user in ("ann", "bob", "cyd")]
    (events,) = (found.events for found in parse(csv_text(rows)))
    return events


def test_files_of_events_are_read_without_staying_open(tmp_path: Path) -> None:
    writer = ShuffleWriter(str(tmp_path), 2, shard_key("run"), rows_of_file=1)
    for _ in range(40):
        writer.add(_some_events())
    before = len(os.listdir("/proc/self/fd"))
    reader = ShuffleReader(writer.close())
    assert sum(map(len, reader.events_of(0) + reader.events_of(1))) == 120
    assert len(os.listdir("/proc/self/fd")) < before + 40


def test_events_with_much_text_are_written_before_there_are_many(tmp_path: Path) -> None:
    events = _some_events()
    writer = ShuffleWriter(str(tmp_path), 2, shard_key("run"), bytes_of_file=2 * events.nbytes)
    for _ in range(4):
        writer.add(events)
    assert len(list(tmp_path.iterdir())) == 2


def _plain(event: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(event.values())
