"""Who may do what: three service accounts, each with what it needs and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from templates.commands import Command, Step
from templates.settings import Settings

# Of roles/dataflow.developer what a launch needs: no job is cancelled, drained or updated by it.
_LAUNCHER: Final = "growthLauncher"
_LAUNCHER_PERMISSIONS: Final = (
    "compute.machineTypes.get",
    "dataflow.jobs.create",
    "dataflow.jobs.get",
    "resourcemanager.projects.get",
)
# Sessions are for reading what earlier replays have corrected.
_ROLES_OF_WORKERS: Final = (
    "roles/dataflow.worker",
    "roles/bigquery.jobUser",
    "roles/bigquery.readSessionUser",
)


def grant(settings: Settings) -> Step:
    """Create the service accounts and grant them what they need, where they need it."""
    settings.require("PROJECT", "REGION", "BUCKET", "TEMPLATE_BUCKET")
    workers, scheduler = settings.account("SERVICE_ACCOUNT"), settings.account("SCHEDULER_ACCOUNT")
    build = settings.account("BUILD_ACCOUNT")
    return Step(
        [
            _account(settings, "SERVICE_ACCOUNT", "Growth pipeline: workers"),
            _account(settings, "SCHEDULER_ACCOUNT", "Growth pipeline: scheduler"),
            _account(settings, "BUILD_ACCOUNT", "Growth pipeline: image builds"),
            *_grants_of_project(settings, workers, *_ROLES_OF_WORKERS),
            *_grants_of_buckets(settings, workers),
            _grant_of_repository(settings, workers, "artifactregistry.reader"),
            *_grants_of_dataset(settings, workers),
            *_grants_of_pubsub(settings, workers),
            _launcher_role(settings),
            *_grants_of_project(
                settings, scheduler, f"projects/{settings['PROJECT']}/roles/{_LAUNCHER}"
            ),
            _on_bucket(settings, settings.template_bucket, scheduler, "storage.objectViewer"),
            _acting_as(settings, workers, scheduler),
            *_grants_of_project(settings, build, "roles/logging.logWriter"),
            _on_bucket(settings, settings.template_bucket, build, "storage.objectViewer"),
            _grant_of_repository(settings, build, "artifactregistry.writer"),
        ],
        {},
    )


def _account(settings: Settings, name: str, title: str) -> Command:
    words, project = ["gcloud", "iam", "service-accounts"], f"--project={settings['PROJECT']}"
    return Command(
        [*words, "create", settings[name], f"--display-name={title}", project],
        unless=[*words, "describe", settings.account(name), project],
    )


def _launcher_role(settings: Settings) -> Command:
    words, project = ["gcloud", "iam", "roles"], f"--project={settings['PROJECT']}"
    permissions = f"--permissions={','.join(_LAUNCHER_PERMISSIONS)}"
    title = "--title=Growth pipeline: launch jobs"
    return Command(
        [*words, "create", _LAUNCHER, title, permissions, "--stage=GA", project],
        unless=[*words, "describe", _LAUNCHER, project],
    )


def _grant(words: Sequence[str], account: str, role: str) -> Command:
    return Command([*words, f"--member=serviceAccount:{account}", f"--role=roles/{role}"])


def _grants_of_project(settings: Settings, account: str, *roles: str) -> list[Command]:
    """Roles by their full names: a project has some of its own."""
    words = ["gcloud", "projects", "add-iam-policy-binding", settings["PROJECT"]]
    member = f"--member=serviceAccount:{account}"
    return [Command([*words, "--condition=None", member, f"--role={role}"]) for role in roles]


def _grants_of_buckets(settings: Settings, account: str) -> list[Command]:
    """The bucket of staged rows to write, those of the input to read."""
    sources = {"/".join(part.split("/")[:3]) for part in settings["INPUT"].split(",") if part}
    return [
        _on_bucket(settings, settings.bucket, account, "storage.objectAdmin"),
        *(
            _on_bucket(settings, source, account, "storage.objectViewer")
            for source in sorted(sources - {settings.bucket})
        ),
    ]


def _on_bucket(settings: Settings, bucket: str, account: str, role: str) -> Command:
    words = ["gcloud", "storage", "buckets", "add-iam-policy-binding", bucket]
    return _grant([*words, f"--project={settings['PROJECT']}"], account, role)


def _grant_of_repository(settings: Settings, account: str, role: str) -> Command:
    words = ["gcloud", "artifacts", "repositories", "add-iam-policy-binding"]
    place = [f"--location={settings['REGION']}", f"--project={settings['PROJECT']}"]
    return _grant([*words, settings["REPOSITORY"], *place], account, role)


def _acting_as(settings: Settings, workers: str, scheduler: str) -> Command:
    """A launch hands the job to the workers' account, which its launcher must be allowed to."""
    words = ["gcloud", "iam", "service-accounts", "add-iam-policy-binding", workers]
    project = f"--project={settings['PROJECT']}"
    return _grant([*words, project], scheduler, "iam.serviceAccountUser")


def _grants_of_dataset(settings: Settings, account: str) -> list[Command]:
    """The dataset, unless it is there, and the right to write its tables and no other."""
    project, dataset = settings["PROJECT"], settings["DATASET"]
    bq = ["bq", f"--project_id={project}"]
    statement = (
        f"GRANT `roles/bigquery.dataEditor` ON SCHEMA `{project}.{dataset}` "
        f'TO "serviceAccount:{account}"'
    )
    return [
        Command(
            [*bq, "mk", "--dataset", f"--location={settings.location}", f"{project}:{dataset}"],
            unless=[*bq, "show", "--dataset", f"{project}:{dataset}"],
        ),
        Command(
            [*bq, f"--location={settings.location}", "query", "--use_legacy_sql=false", statement]
        ),
    ]


def _grants_of_pubsub(settings: Settings, account: str) -> list[Command]:
    commands: list[Command] = []
    if settings["SUBSCRIPTION"]:
        words = ["gcloud", "pubsub", "subscriptions", "add-iam-policy-binding"]
        # The subscriber's role lets read, not look: the viewer's has pubsub.subscriptions.get.
        commands += [
            _grant([*words, settings["SUBSCRIPTION"]], account, role)
            for role in ("pubsub.subscriber", "pubsub.viewer")
        ]
    if settings["DEAD_LETTER_TOPIC"]:
        words = ["gcloud", "pubsub", "topics", "add-iam-policy-binding"]
        topic = settings["DEAD_LETTER_TOPIC"]
        commands.append(_grant([*words, topic], account, "pubsub.publisher"))
    return commands
