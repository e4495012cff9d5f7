"""The steps of make as they run: with a gcloud that only notes its calls, and gcloud's parser."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import OptionError
from templates.commands import Command, Step, perform
from templates.deploy import STEPS
from templates.settings import Settings
from tests.support.deployment import gcloud, make, printed, refused
from tests.support.thorough import thorough

FAKE = """#!{python}
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[3:4] == ["describe"] or "list" in sys.argv:
    print(os.environ.get("FOUND", ""))
    sys.exit(not os.environ.get("FOUND"))
sys.exit(int(os.environ.get("FAIL", "0")))
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder with a gcloud that notes how it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gcloud").write_text(FAKE.format(python=sys.executable))
    (folder / "gcloud").chmod(0o755)
    return folder


def calls(fake: Path) -> list[list[str]]:
    return [json.loads(line) for line in (fake.parent / "calls").read_text().splitlines()]


def run_with(fake: Path, target: str, file: Path, **more: str) -> subprocess.CompletedProcess[str]:
    path = f"{fake}{os.pathsep}{os.environ['PATH']}"
    return make(target, file, PATH=path, CALLS=str(fake.parent / "calls"), **more)


def test_what_must_be_done_before_is_said_and_nothing_else_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = tmp_path / "marked"
    step = Step([Command(["touch", str(marked)])], {}, first="run this first")
    with pytest.raises(OptionError, match="run this first"):
        perform(step, tmp_path, dry=False)
    perform(step, tmp_path, dry=True)
    assert capsys.readouterr().out == f"# before that: run this first\ntouch {marked}\n"
    assert not marked.exists()


def test_drain_finds_the_job_by_its_name(fake: Path, file: Path) -> None:
    run = run_with(fake, "drain", file, FOUND="2026-11-23_1")
    assert run.returncode == 0, run.stderr
    listed, drained = calls(fake)
    assert "--filter=name=growth-streaming" in listed
    assert drained[:4] == ["dataflow", "jobs", "drain", "2026-11-23_1"]
    assert [words[1:] for words in printed(run)] == [listed, drained]


def test_drain_says_where_no_job_runs(fake: Path, file: Path) -> None:
    (fake / "gcloud").write_text(FAKE.format(python=sys.executable).replace("sys.exit(not", "(not"))
    run = run_with(fake, "drain", file)
    assert run.returncode == 1
    assert "no job growth-streaming is running in europe-west3" in run.stderr


def test_what_is_there_is_not_created_again(fake: Path, file: Path) -> None:
    run_with(fake, "schedule", file, FOUND="it")
    assert [words[2] for words in calls(fake)] == ["describe", "update"]
    (fake.parent / "calls").unlink()
    run = run_with(fake, "schedule", file)
    assert run.returncode == 0, run.stderr
    assert [words[2] for words in calls(fake)] == ["describe", "create", "update"]


def test_a_command_that_fails_ends_the_step(fake: Path, file: Path) -> None:
    run = run_with(fake, "template-batch", file, FAIL="3")
    assert run.returncode == 1
    assert "returned non-zero exit status 3" in run.stderr
    assert len(calls(fake)) == 1


def test_without_gcloud_that_is_said(file: Path) -> None:
    run = make("template-batch", file, PATH="/nonexistent")
    assert run.returncode == 1
    assert "gcloud is not installed: install the Google Cloud CLI" in run.stderr


def all_commands(settings: Settings) -> list[list[str]]:
    steps: list[Step] = [step(settings) for step in STEPS.values()]
    found = [command for step in steps for command in step.commands]
    every = [words for c in found for words in (c.words, c.unless, c.of) if words]
    return [[word.replace("{}", "JOB_ID") for word in words] for words in every]


WITH_GCLOUD = pytest.mark.skipif(
    shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"
)


@thorough
@WITH_GCLOUD
def test_gcloud_knows_every_command_and_flag(settings: Settings, tmp_path: Path) -> None:
    # It takes a quoted flag that follows one without a value for that value.
    commands = [
        sorted(words, key=lambda word: word.startswith("--") and "=" not in word)
        for words in all_commands(settings)
        if words[0] == "gcloud"
    ]
    assert refused([shlex.join(words) for words in commands], tmp_path) == []


@WITH_GCLOUD
def test_gcloud_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    line = "gcloud dataflow jobs drain id --regionn=x --project=test-project"
    ((found, reason),) = refused([line], tmp_path)
    assert (found, "--regionn" in reason) == (line, True)


@thorough
@WITH_GCLOUD
@pytest.mark.parametrize("name", ["batch", "streaming"])
def test_gcloud_would_build_the_same_spec(name: str, settings: Settings, tmp_path: Path) -> None:
    """But for what it leaves out of the metadata, and the environment, which it takes as flags."""
    step = STEPS[f"template-{name}"](settings)
    output = gcloud(*step.commands[0].words[1:], folder=tmp_path)
    theirs = json.loads(output.partition("\n")[2])
    ours = json.loads(next(iter(step.files.values())))
    left_out = ("streaming", "supportsAtLeastOnce", "supportsExactlyOnce", "defaultStreamingMode")
    for content in (ours, theirs):
        content.pop("defaultEnvironment", None)
        for key in left_out:
            content["metadata"].pop(key, None)
    assert theirs == ours
