"""What a command says can't change what it has done, nor its exit code."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.telling import Guarded, tell
from tests.support.runs import process_environment


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash in which PIPELINE is the command."""
    ours = f"{shlex.quote(sys.executable)} -m pipeline"
    return subprocess.run(
        ["bash", "-c", line.replace("PIPELINE", ours)],
        cwd=folder,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("PIPELINE sample --events 10 --output a.csv >&-", 0),
        ("PIPELINE sample --events 10 --output a.csv 2>&-", 0),
        ("PIPELINE sample --events 10 --output a.csv <&- >&- 2>&-", 0),
        ("PIPELINE sample --events 10 --output a.csv 2>/dev/full", 0),
        ("PIPELINE docs --output a.csv >&-", 0),
        ("PIPELINE docs --output a.csv | true; exit $PIPESTATUS", 0),
        ("PIPELINE sample --events x 2>&-", 2),
        ("PIPELINE sample --events x 2>/dev/full", 2),
        ("PIPELINE check --warehouse duckdb:///none.duckdb 2>/dev/full", 1),
        ("PIPELINE --help >/dev/full", 0),
    ],
)
def test_a_command_ends_as_it_would_without_anybody_listening(
    tmp_path: Path, line: str, code: int
) -> None:
    run = shell(line, tmp_path)
    assert (run.returncode, run.stderr) == (code, "")
    assert (tmp_path / "a.csv").exists() == ("a.csv" in line)


@pytest.mark.parametrize("command", ["sample --events 10 --output a.csv", "docs --output a.csv"])
def test_a_full_stdout_is_told_and_fails_nothing(tmp_path: Path, command: str) -> None:
    run = shell(f"PIPELINE {command} >/dev/full", tmp_path)
    assert run.returncode == 0
    assert run.stderr.count("\n") == 1
    assert "can't print to stdout (No space left on device)" in run.stderr
    assert (tmp_path / "a.csv").stat().st_size > 100


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os; from pipeline.telling import steady_streams\n"
        "with steady_streams(): print(os.open('x', os.O_CREAT) > 2, file=open('told', 'w'))"
    )
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} >&- 2>&-"
    assert shell(line, tmp_path).returncode == 0
    assert (tmp_path / "told").read_text() == "True\n"


def test_what_is_told_arrives_whole(tmp_path: Path) -> None:
    code = "from pipeline.telling import tell; tell('\\udce9' + 'x' * 200_000)"
    run = shell(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", tmp_path)
    assert run.stderr == "\\udce9" + "x" * 200_000 + "\n"


def test_a_stream_without_a_number_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    tell("something")
    assert stream.getvalue() == "something\n"
    monkeypatch.setattr(sys, "stderr", None)
    tell("to nobody")


def test_a_guarded_stream_gives_up_once() -> None:
    class Full(io.StringIO):
        writes = 0

        def write(self, text: str, /) -> int:
            self.writes += 1
            raise OSError(28, "No space left on device")

    full = Full()
    guarded = Guarded(full)
    for _ in range(3):
        assert guarded.write("x") == 1
        guarded.flush()
    assert full.writes == 1
    assert not guarded.isatty()
    assert Guarded(None).write("nowhere") == 7
