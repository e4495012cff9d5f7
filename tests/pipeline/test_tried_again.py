"""A job that a runner begins again once its tables were written, as Flink does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.__main__ import main
from pipeline.commands import batch, update
from pipeline.launch import beam_run
from tests.support.in_process import start
from tests.support.runs import CHECKED_THOROUGHLY, contents
from tests.support.tables import csv_text, row
from tests.support.thorough import some

FIRST = [row("2025-12-01T10:00:00Z", "ann"), row("2025-12-01T11:00:00Z", "bob"), row("never")]
SECOND = [
    *(row("2025-12-01T10:00:00Z", "ann"), row("2025-12-01T10:05:00Z", "ann"), row("ever")),
    *(row("2025-12-02T10:00:00Z", "cy"), row("2025-12-02T10:00:00Z", "cy")),
]
OPTIONS = ("--quality", CHECKED_THOROUGHLY, "--max_dead_letter_pct", "100")


@pytest.mark.parametrize("name", some(["update", "batch"], 1))
def test_its_tables_and_its_report_are_those_of_the_first_attempt(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.csv").write_bytes(csv_text(FIRST))
    (tmp_path / "2.csv").write_bytes(csv_text(SECOND))
    monkeypatch.chdir(tmp_path)
    start("batch", "--input", "1.csv", "--warehouse", "duckdb:///once.duckdb", *OPTIONS)
    shutil.copy("once.duckdb", "twice.duckdb")
    attempts: list[int] = []

    def twice(lay: Callable[..., None], options: PipelineOptions) -> None:
        run_once(lay, options)
        # As if it had been killed before it could note that on its disk.
        for mark in tmp_path.rglob("*.committed"):
            mark.unlink()
            attempts.append(1)
        run_once(lay, options)

    run_once = beam_run.run_to_end
    for module in (batch, update):
        monkeypatch.setattr(module, "leave_at_once_on_interrupt", lambda _: None)
        monkeypatch.setattr(module, "keep_to_owner", lambda: None)
    reports = []
    for database, runs in (("once", run_once), ("twice", twice)):
        monkeypatch.setattr(beam_run, "run_to_end", runs)
        main(
            [
                *(name, "--input", "*.csv", "--warehouse", f"duckdb:///{database}.duckdb"),
                *("--runner", "FnApiRunner", "--summary_file", f"{database}.json", *OPTIONS),
            ]
        )
        reports.append(json.loads((tmp_path / f"{database}.json").read_text()))
    assert attempts
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]
    assert contents(tmp_path / "once.duckdb") == contents(tmp_path / "twice.duckdb")
