"""deploy.env: what is wrong with it is said."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pipeline.errors import OptionError
from templates.deploy import STEPS
from templates.settings import EXAMPLE, SETTINGS, example, load
from tests.support.deployment import FILLED, make


def test_a_tag_is_one_of_the_commit(file: Path) -> None:
    file.write_text(FILLED.replace("TAG=1.2.3", "TAG="))
    tag = load(file, {}).tag
    assert tag == load(file, {}).tag
    assert tag.startswith("0.")


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        ("PROJECT=", "image", "deploy.env lacks PROJECT (the project's id, e.g. my-project)"),
        ("PROJECT=No!", "image", "PROJECT 'No!' is wrong"),
        ("PROJCT=x", "image", "there is no setting PROJCT; did you mean PROJECT?"),
        ("REGION europe", "image", "write NAME=value"),
        ("TAG='1", "image", "quote the value"),
        ("INPUT=", "launch-batch", "lacks INPUT"),
        ("INPUT=", "schedule", "lacks INPUT"),
        ("STREAM_DATASET=growth", "image", "there is no setting STREAM_DATASET"),
        ("TEMPLATE_BUCKET=", "image", "lacks TEMPLATE_BUCKET"),
        ("TEMPLATE_BUCKET=test-bucket", "schedule", "BUCKET and TEMPLATE_BUCKET are the same"),
        ("INPUT=events.csv", "launch-batch", "INPUT 'events.csv' is wrong"),
        ("SUBSCRIPTION=", "launch-streaming", "lacks SUBSCRIPTION"),
        ("BATCH_PARAMETERS=shards=3", "launch-batch", "has no parameter 'shards'"),
        ("BATCH_PARAMETERS=user_shards=0", "launch-batch", "user_shards can't be '0'"),
        ("STREAM_PARAMETERS=flush_seconds=0", "update-streaming", "flush_seconds can't be '0'"),
    ],
)
def test_a_wrong_setting_is_named(change: str, target: str, message: str, file: Path) -> None:
    file.write_text(f"{FILLED}\n{change}\n")
    run = make(target, file, DRY_RUN="1")
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_without_a_file_its_example_is_named(tmp_path: Path) -> None:
    run = make("image", tmp_path / "deploy.env", DRY_RUN="1")
    assert run.returncode == 2
    assert "copy deploy.env.example to it" in run.stderr


def test_the_environment_goes_before_the_file(file: Path) -> None:
    assert load(file, {"TAG": "2"}).image.endswith("/growth-pipeline:2")


def test_the_example_on_record_is_that_of_the_settings() -> None:
    """Stale? `make templates` rewrites it."""
    assert EXAMPLE.read_text() == example()
    with pytest.raises(OptionError, match="lacks PROJECT"):
        STEPS["image"](load(EXAMPLE, {}))


def test_examples_of_settings_are_what_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "deploy.env"
    lines = [f"{setting.name}={shlex.quote(setting.example)}" for setting in SETTINGS]
    path.write_text("\n".join(lines))
    settings = load(path, {})
    for step in STEPS.values():
        assert step(settings).commands
