"""Where --summary_file leads: files, pipes, devices, stdout; what it must not touch."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline import summary_file
from pipeline.errors import OptionError, RunError
from pipeline.options.option_values import output_file

REPORT = {"input_rows": 3, "text": "ä" * 50_000}


def test_a_file_holds_the_summary_and_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    summary_file.write(REPORT, str(path))
    assert json.loads(path.read_text()) == REPORT
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_that_nobody_opens_is_reported_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="pipe: nobody reads that pipe"):
        summary_file.write(REPORT, str(tmp_path / "pipe"))


def test_a_pipe_whose_reader_does_not_read_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(RunError, match=r"nobody reads that pipe for 0\.01 s"):
        summary_file.write(REPORT, str(tmp_path / "pipe"), patience=0.01)
    os.close(reader)


def test_a_descriptor_goes_on_where_it_is(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.write(b"before\n")
        log.flush()
        summary_file.write({"a": 1}, f"/dev/fd/{log.fileno()}")
    assert (tmp_path / "log").read_bytes() == b"before\n" + summary_file.encode({"a": 1})


def test_stdout_by_any_name_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        assert output_file(name) == "-"
    summary_file.write(REPORT, "-")
    assert json.loads(capsys.readouterr().out) == REPORT


@pytest.mark.parametrize("path", ["/dev/full", "/none/run.json", "/dev/fd/999"])
def test_what_can_not_be_written_is_one_error(path: str) -> None:
    with pytest.raises(RunError, match=f"the summary can't be written to {path}: "):
        summary_file.write(REPORT, path)


def test_an_earlier_summary_is_removed_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("run.json")
    summary_file.clear(str(tmp_path / "link.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["link.json"]
    summary_file.clear(str(tmp_path / "link.json"))
    summary_file.write(REPORT, str(tmp_path / "link.json"))
    assert (tmp_path / "run.json").exists()


def test_pipes_and_devices_are_not_removed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/null", "-", None):
        summary_file.clear(path)
    assert (tmp_path / "pipe").exists()
    assert Path("/dev/null").exists()
    with (tmp_path / "log").open("w") as log:
        summary_file.clear(f"/dev/fd/{log.fileno()}")
    assert (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "path",
    [
        "growth.duckdb",
        "growth.duckdb.wal",
        "linked.json",
        "hard.json",
        "in/a.csv",
        "in/new.csv",
        "in/../growth.duckdb",
    ],
)
def test_the_warehouse_and_inputs_are_refused_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").touch()
    (tmp_path / "growth.duckdb").touch()
    (tmp_path / "linked.json").symlink_to("growth.duckdb")
    os.link("in/a.csv", "hard.json")
    with pytest.raises(OptionError, match="is the warehouse or an input"):
        summary_file.refuse_taken(
            output_file(path), [str(tmp_path / "growth.duckdb")], ["in/*.csv"]
        )
    summary_file.refuse_taken(output_file("run.json"), ["growth.duckdb"], ["in/*.csv"])


def test_a_remote_summary_that_would_be_an_input_is_refused() -> None:
    with pytest.raises(OptionError, match="is the warehouse or an input"):
        summary_file.refuse_taken("gs://b/in/run.csv", [], ["gs://b/in/*.csv"])
    summary_file.refuse_taken("gs://b/run.json", [], ["gs://b/in/*.csv"])


def test_what_comes_after_the_work_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with summary_file.forgiving("it is done") as is_done:
        is_done()
        raise RunError("this is missing")
    assert capsys.readouterr().err == "it is done, but this is missing\n"
    with pytest.raises(RunError), summary_file.forgiving("it is done"):
        raise RunError("this is missing")
