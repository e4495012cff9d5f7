"""A deployment as tests see it: settings, the steps of make, and what they print."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from templates.settings import ROOT

FILLED: Final = """
PROJECT=test-project   # a comment
REGION=europe-west3
BUCKET=test-bucket
TEMPLATE_BUCKET=test-templates
INPUT='gs://test-bucket/in/*.csv,gs://other-bucket/more/**.csv.gz'
SUBSCRIPTION=projects/test-project/subscriptions/events
DEAD_LETTER_TOPIC=projects/test-project/topics/dead
SUBNETWORK=regions/europe-west3/subnetworks/data
BATCH_PARAMETERS="user_shards=64 summary_file=gs://test-bucket/run.json"
STREAM_PARAMETERS=flush_seconds=120
TRANSFORM_NAME_MAPPINGS="Old step=New step,Gone="
TAG=1.2.3
"""


def make(target: str, file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make TARGET`, without the environment that make sets up."""
    return subprocess.run(
        [sys.executable, "-m", "templates.deploy", target],
        cwd=ROOT,
        env={**os.environ, "DEPLOY_ENV": str(file), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def printed(run: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """The commands of a dry run, word by word."""
    lines = [line for line in run.stdout.splitlines() if not line.startswith("#")]
    return [shlex.split(line) for line in lines]


def flags(words: list[str]) -> dict[str, str]:
    parted = [word.removeprefix("--").partition("=") for word in words if word.startswith("--")]
    return {name: value for name, _, value in parted}


def dictionary(text: str) -> dict[str, str]:
    """As `gcloud topic escaping` has it."""
    _, mark, pairs = text.split("^")
    return dict(pair.split("=", 1) for pair in pairs.split(mark))


def gcloud(*words: str, folder: Path) -> str:
    """What a command of gcloud prints that needs neither network nor credentials."""
    run = subprocess.run(
        ["gcloud", *words],
        cwd=ROOT,
        env={**os.environ, "CLOUDSDK_CONFIG": str(folder), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def refused(commands: Sequence[str], folder: Path) -> list[tuple[str, str]]:
    """The commands that gcloud's own parser refuses, and why; it asks nobody.

    Args:
        commands: each as it is typed.
        folder: where files may be written.
    """
    listed = folder / "commands.json"
    listed.write_text(json.dumps([{"command_string": line} for line in commands]))
    output = gcloud("meta", "lint-gcloud-commands", f"--commands-file={listed}", folder=folder)
    results: list[dict[str, Any]] = json.loads(output)
    assert len(results) == len(commands)
    return [(r["command_string"], r["error_message"]) for r in results if not r["success"]]
