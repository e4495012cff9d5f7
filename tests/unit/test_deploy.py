"""The commands behind `make image` and the like: what they print, run and refuse."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.cloud import dataflow_v1beta3
from google.protobuf import json_format

from pipeline.errors import OptionError
from templates.commands import Step
from templates.deploy import STEPS
from templates.settings import EXAMPLE, ROOT, SETTINGS, Settings, example, load

FILLED = """
PROJECT=test-project   # a comment
REGION=europe-west3
BUCKET=test-bucket
INPUT='gs://test-bucket/in/*.csv,gs://other-bucket/more/**.csv.gz'
SUBSCRIPTION=projects/test-project/subscriptions/events
DEAD_LETTER_TOPIC=projects/test-project/topics/dead
SUBNETWORK=regions/europe-west3/subnetworks/data
BATCH_PARAMETERS="user_shards=64 summary_file=gs://test-bucket/run.json"
STREAM_PARAMETERS=flush_seconds=120
TRANSFORM_NAME_MAPPINGS="Old step=New step,Gone="
TAG=1.2.3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deploy.env"
    path.write_text(FILLED)
    return path


@pytest.fixture
def settings(file: Path) -> Settings:
    return load(file, {})


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


@pytest.mark.parametrize("target", STEPS)
def test_a_dry_run_prints_commands_and_runs_none(target: str, file: Path) -> None:
    run = make(target, file, DRY_RUN="1", PATH="/nonexistent")
    assert (run.returncode, run.stderr) == (0, "")
    commands = printed(run)
    assert commands
    for words in commands:
        assert words[0] in ("gcloud", "bq")
        assert any("test-project" in word for word in words)


def test_every_step_is_a_make_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = {line.split()[1] for line in listed.stdout.splitlines() if line.strip()}
    assert set(STEPS) <= shown
    for target in STEPS:
        plan = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert f"templates.deploy {target}" in plan.stdout


def test_batch_is_launched(settings: Settings) -> None:
    (command,) = STEPS["launch-batch"](settings).commands
    assert command.words[:5] == ["gcloud", "dataflow", "flex-template", "run", "growth-batch"]
    found = flags(list(command.words))
    assert found.pop("template-file-gcs-location") == "gs://test-bucket/templates/1.2.3/batch.json"
    assert dictionary(found.pop("parameters")) == {
        "input": "gs://test-bucket/in/*.csv,gs://other-bucket/more/**.csv.gz",
        "warehouse": "bigquery://test-project/growth",
        "location": "europe-west3",
        "user_shards": "64",
        "summary_file": "gs://test-bucket/run.json",
    }
    assert found == {
        "region": "europe-west3",
        "project": "test-project",
        "service-account-email": "growth-pipeline@test-project.iam.gserviceaccount.com",
        "temp-location": "gs://test-bucket/tmp",
        "staging-location": "gs://test-bucket/staging",
        "worker-machine-type": "n2-standard-4",
        "max-workers": "20",
        "subnetwork": "regions/europe-west3/subnetworks/data",
        "disable-public-ips": "",
    }


def test_an_update_is_a_launch_under_the_same_name_with_mappings(settings: Settings) -> None:
    (launched,) = STEPS["launch-streaming"](settings).commands
    (updated,) = STEPS["update-streaming"](settings).commands
    assert list(updated.words) == [
        *launched.words,
        "--update",
        "--transform-name-mappings=Old step=New step,Gone=",
    ]
    assert "--enable-streaming-engine" in launched.words
    assert dictionary(flags(list(launched.words))["parameters"]) == {
        "subscription": "projects/test-project/subscriptions/events",
        "warehouse": "bigquery://test-project/growth",
        "location": "europe-west3",
        "dead_letter_topic": "projects/test-project/topics/dead",
        "flush_seconds": "120",
    }


def test_the_schedule_sends_what_dataflow_takes(settings: Settings) -> None:
    step = STEPS["schedule"](settings)
    (text,) = step.files.values()
    request = dataflow_v1beta3.LaunchFlexTemplateRequest()
    json_format.ParseDict(json.loads(text), request._pb)
    launched = request.launch_parameter
    (command,) = STEPS["launch-batch"](settings).commands
    by_hand = flags(list(command.words))
    assert dict(launched.parameters) == dictionary(by_hand["parameters"])
    assert launched.job_name == "growth-batch"
    assert launched.container_spec_gcs_path == by_hand["template-file-gcs-location"]
    environment = launched.environment
    assert environment.service_account_email == by_hand["service-account-email"]
    assert environment.temp_location == by_hand["temp-location"]
    assert environment.staging_location == by_hand["staging-location"]
    assert environment.machine_type == by_hand["worker-machine-type"]
    assert str(environment.max_workers) == by_hand["max-workers"]
    assert environment.subnetwork == by_hand["subnetwork"]
    create, update = step.commands
    assert create.unless
    uri = flags(list(create.words))["uri"]
    assert uri.endswith("/v1b3/projects/test-project/locations/europe-west3/flexTemplates:launch")
    assert flags(list(create.words))["oauth-service-account-email"].startswith("growth-scheduler@")
    assert flags(list(update.words))["uri"] == uri


def test_roles_are_the_least_and_where_they_are_needed(settings: Settings) -> None:
    commands = [list(command.words) for command in STEPS["grant"](settings).commands]
    workers = "growth-pipeline@test-project.iam.gserviceaccount.com"
    scheduler = "growth-scheduler@test-project.iam.gserviceaccount.com"
    granted = set()
    for words in commands:
        if "add-iam-policy-binding" in words:
            kind, where = words[words.index("add-iam-policy-binding") - 1 :][0:3:2]
            found = flags(words)
            member = found["member"].removeprefix("serviceAccount:")
            granted.add((member, found["role"].removeprefix("roles/"), kind, where))
    subscription = "projects/test-project/subscriptions/events"
    assert granted == {
        (workers, "dataflow.worker", "projects", "test-project"),
        (workers, "bigquery.jobUser", "projects", "test-project"),
        (workers, "storage.objectAdmin", "buckets", "gs://test-bucket"),
        (workers, "storage.objectViewer", "buckets", "gs://other-bucket"),
        (workers, "artifactregistry.reader", "repositories", "growth"),
        (workers, "pubsub.subscriber", "subscriptions", subscription),
        (workers, "pubsub.viewer", "subscriptions", subscription),
        (workers, "pubsub.publisher", "topics", "projects/test-project/topics/dead"),
        (scheduler, "dataflow.developer", "projects", "test-project"),
        (scheduler, "storage.objectViewer", "buckets", "gs://test-bucket"),
        (scheduler, "iam.serviceAccountUser", "service-accounts", workers),
    }
    (statement,) = [words[-1] for words in commands if "query" in words]
    assert statement == (
        "GRANT `roles/bigquery.dataEditor` ON SCHEMA `test-project.growth` "
        f'TO "serviceAccount:{workers}"'
    )


def test_the_spec_that_is_uploaded_is_dataflows_message(settings: Settings) -> None:
    for name in ("batch", "streaming"):
        step = STEPS[f"template-{name}"](settings)
        ((path, text),) = step.files.items()
        json_format.ParseDict(json.loads(text), dataflow_v1beta3.ContainerSpec()._pb)
        check, copy = (list(command.words) for command in step.commands)
        assert "--print-only" in check
        assert copy[:4] == ["gcloud", "storage", "cp", path]
        assert copy[4] == f"gs://test-bucket/templates/1.2.3/{name}.json"


def test_the_image_is_built_under_the_name_that_specs_have(settings: Settings) -> None:
    (command,) = STEPS["image"](settings).commands
    substitutions = flags(list(command.words))["substitutions"]
    assert substitutions == f"_IMAGE={settings.image}"
    build = (ROOT / "templates" / "cloudbuild.yaml").read_text()
    for told in ('images: ["${_IMAGE}"]', '"--build-arg=IMAGE=${_IMAGE}"', '"--tag=${_IMAGE}"'):
        assert told in build


def test_a_tag_is_one_of_the_commit(file: Path) -> None:
    file.write_text(FILLED.replace("TAG=1.2.3", "TAG="))
    tag = load(file, {}).tag
    assert tag == load(file, {}).tag
    assert tag.startswith("0.")


@pytest.mark.parametrize(
    ("change", "target", "told"),
    [
        ("PROJECT=", "image", "deploy.env lacks PROJECT (the project's id, e.g. my-project)"),
        ("PROJECT=No!", "image", "PROJECT 'No!' is wrong"),
        ("PROJCT=x", "image", "there is no setting PROJCT; did you mean PROJECT?"),
        ("REGION europe", "image", "write NAME=value"),
        ("TAG='1", "image", "quote the value"),
        ("INPUT=", "launch-batch", "lacks INPUT"),
        ("INPUT=", "schedule", "lacks INPUT"),
        ("INPUT=events.csv", "launch-batch", "INPUT 'events.csv' is wrong"),
        ("SUBSCRIPTION=", "launch-streaming", "lacks SUBSCRIPTION"),
        ("BATCH_PARAMETERS=shards=3", "launch-batch", "has no parameter 'shards'"),
        ("BATCH_PARAMETERS=user_shards=0", "launch-batch", "user_shards can't be '0'"),
        ("STREAM_PARAMETERS=flush_seconds=0", "update-streaming", "flush_seconds can't be '0'"),
    ],
)
def test_a_wrong_setting_is_named(change: str, target: str, told: str, file: Path) -> None:
    file.write_text(f"{FILLED}\n{change}\n")
    run = make(target, file, DRY_RUN="1")
    assert (run.returncode, run.stdout) == (2, "")
    assert told in run.stderr
    assert run.stderr.count("\n") == 1


def test_without_a_file_its_example_is_named(tmp_path: Path) -> None:
    run = make("image", tmp_path / "deploy.env", DRY_RUN="1")
    assert run.returncode == 2
    assert "copy deploy.env.example to it" in run.stderr


def test_the_environment_goes_before_the_file(file: Path) -> None:
    assert load(file, {"TAG": "2"}).image.endswith("/growth-pipeline:2")


def test_the_example_on_record_is_that_of_the_settings() -> None:
    """Stale? `make templates` writes it anew."""
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
    run = make("image", file, PATH="/nonexistent")
    assert run.returncode == 1
    assert "gcloud is not installed: install the Google Cloud CLI" in run.stderr


def all_commands(settings: Settings) -> list[list[str]]:
    steps: list[Step] = [step(settings) for step in STEPS.values()]
    found = [command for step in steps for command in step.commands]
    every = [words for c in found for words in (c.words, c.unless, c.of) if words]
    return [[word.replace("{}", "JOB_ID") for word in words] for words in every]


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud_knows_every_command_and_flag(settings: Settings, tmp_path: Path) -> None:
    """By gcloud's own parser, offline."""
    # It takes a quoted flag that follows one without a value for that value.
    commands = [
        sorted(words, key=lambda word: word.startswith("--") and "=" not in word)
        for words in all_commands(settings)
        if words[0] == "gcloud"
    ]
    listed = tmp_path / "commands.json"
    listed.write_text(json.dumps([{"command_string": shlex.join(words)} for words in commands]))
    run = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={listed}"],
        env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    assert len(results) == len(commands)
    assert [(r["command_string"], r["error_message"]) for r in results if not r["success"]] == []


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
@pytest.mark.parametrize("name", ["batch", "streaming"])
def test_gcloud_would_build_the_same_spec(name: str, settings: Settings, tmp_path: Path) -> None:
    """But for what it leaves out of the metadata, and the environment, which it takes as flags."""
    step = STEPS[f"template-{name}"](settings)
    run = subprocess.run(
        step.commands[0].words,
        cwd=ROOT,
        env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    theirs = json.loads(run.stdout.partition("\n")[2])
    ours = json.loads(next(iter(step.files.values())))
    left_out = ("streaming", "supportsAtLeastOnce", "supportsExactlyOnce", "defaultStreamingMode")
    for content in (ours, theirs):
        content.pop("defaultEnvironment", None)
        for key in left_out:
            content["metadata"].pop(key, None)
    assert theirs == ours
