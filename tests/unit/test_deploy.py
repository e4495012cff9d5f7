"""The commands behind `make image` and the like, and what they send."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from google.cloud import dataflow_v1beta3
from google.protobuf import json_format

from templates.deploy import STEPS
from templates.settings import ROOT, Settings
from tests.support.deployment import dictionary, flags, make, printed


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
    assert (
        found.pop("template-file-gcs-location") == "gs://test-templates/templates/1.2.3/batch.json"
    )
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
    asked, given = flags(list(updated.words)), flags(list(launched.words))
    assert dictionary(asked.pop("parameters")) == {
        **dictionary(given.pop("parameters")),
        "continues": "true",
    }
    assert asked == {
        **given,
        "update": "",
        "transform-name-mappings": "Old step=New step,Gone=",
    }
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
    asked = dictionary(by_hand["parameters"])
    assert dict(launched.parameters) == {"mode": "update", **asked}
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
    launcher = "projects/test-project/roles/growthLauncher"
    build = "growth-build@test-project.iam.gserviceaccount.com"
    assert granted == {
        (workers, "dataflow.worker", "projects", "test-project"),
        (workers, "bigquery.jobUser", "projects", "test-project"),
        (workers, "bigquery.readSessionUser", "projects", "test-project"),
        (workers, "storage.objectAdmin", "buckets", "gs://test-bucket"),
        (workers, "storage.objectViewer", "buckets", "gs://other-bucket"),
        (workers, "artifactregistry.reader", "repositories", "growth"),
        (workers, "pubsub.subscriber", "subscriptions", subscription),
        (workers, "pubsub.viewer", "subscriptions", subscription),
        (workers, "pubsub.publisher", "topics", "projects/test-project/topics/dead"),
        (scheduler, launcher, "projects", "test-project"),
        (scheduler, "storage.objectViewer", "buckets", "gs://test-templates"),
        (scheduler, "iam.serviceAccountUser", "service-accounts", workers),
        (build, "logging.logWriter", "projects", "test-project"),
        (build, "storage.objectViewer", "buckets", "gs://test-templates"),
        (build, "artifactregistry.writer", "repositories", "growth"),
    }
    (role,) = (words for words in commands if words[1:4] == ["iam", "roles", "create"])
    assert flags(role)["permissions"].split(",") == [
        "compute.machineTypes.get",
        "dataflow.jobs.create",
        "dataflow.jobs.get",
        "resourcemanager.projects.get",
    ]
    assert [words[-1] for words in commands if "query" in words] == [
        "GRANT `roles/bigquery.dataEditor` ON SCHEMA `test-project.growth` "
        f'TO "serviceAccount:{workers}"'
    ]


def test_the_spec_that_is_uploaded_is_dataflows_message(settings: Settings) -> None:
    for name in ("batch", "streaming"):
        step = STEPS[f"template-{name}"](settings)
        ((path, text),) = step.files.items()
        json_format.ParseDict(json.loads(text), dataflow_v1beta3.ContainerSpec()._pb)
        check, copy = (list(command.words) for command in step.commands)
        assert "--print-only" in check
        assert copy[:4] == ["gcloud", "storage", "cp", path]
        assert copy[4] == f"gs://test-templates/templates/1.2.3/{name}.json"


def test_the_image_is_built_under_the_name_that_specs_have(settings: Settings) -> None:
    (command,) = STEPS["image"](settings).commands
    given = flags(list(command.words))
    assert given["substitutions"] == f"_IMAGE={settings.image}"
    assert given["gcs-source-staging-dir"] == "gs://test-templates/source"
    assert given["service-account"] == (
        "projects/test-project/serviceAccounts/growth-build@test-project.iam.gserviceaccount.com"
    )
    build = (ROOT / "templates" / "cloudbuild.yaml").read_text()
    for message in ('images: ["${_IMAGE}"]', '"--build-arg=IMAGE=${_IMAGE}"', '"--tag=${_IMAGE}"'):
        assert message in build
