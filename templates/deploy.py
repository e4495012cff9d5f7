"""The commands behind `make image`, `make template-batch` and the like.

python -m templates.deploy STEP   # reads deploy.env; DRY_RUN=1 prints the commands only
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pipeline.commands.flex_template import MODE
from pipeline.commands.update import COMMAND
from pipeline.errors import OptionError, RunError
from templates.base_images import DOCKERFILE, without_digest
from templates.commands import Command, Step, perform
from templates.grants import grant
from templates.metadata import TEMPLATES, Template, as_json, spec, values_of
from templates.settings import FILE, ROOT, Settings, load

# Where specs and request bodies are written before they are uploaded; git ignores it.
_BUILD: Final = "build/templates"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_WHERE: Final = ("PROJECT", "REGION", "BUCKET", "TEMPLATE_BUCKET")


def image(settings: Settings) -> Step:
    """Build the image by Cloud Build as the build's own account, and push it."""
    settings.require(*_WHERE)
    build = settings.account("BUILD_ACCOUNT")
    words = [
        *("gcloud", "builds", "submit", ".", "--config=templates/cloudbuild.yaml"),
        f"--substitutions=_IMAGE={settings.image}",
        f"--service-account=projects/{settings['PROJECT']}/serviceAccounts/{build}",
        f"--gcs-source-staging-dir={settings.template_bucket}/source",
        *_place(settings),
    ]
    return Step([Command(words)], {}, first=_without_digest())


def _without_digest() -> str:
    names = without_digest(DOCKERFILE.read_text())
    if not names:
        return ""
    return (
        f"the Dockerfile names {', '.join(names)} by tag, which can move: run make base-images, "
        "look at what it changes, and commit it"
    )


def template(name: str) -> Callable[[Settings], Step]:
    """Check and upload a template's container spec."""

    def upload(settings: Settings) -> Step:
        settings.require(*_WHERE)
        found = TEMPLATES[name]
        path = f"{_BUILD}/{name}.json"
        check = [
            *("gcloud", "dataflow", "flex-template", "build", settings.spec(name)),
            *(f"--image={settings.image}", "--sdk-language=PYTHON", "--print-only"),
            *(f"--metadata-file=templates/{name}.json", f"--project={settings['PROJECT']}"),
        ]
        copy = ["gcloud", "storage", "cp", path, settings.spec(name)]
        return Step(
            [Command(check), Command([*copy, f"--project={settings['PROJECT']}"])],
            {path: as_json(spec(found, settings.image))},
        )

    return upload


def launch(name: str, *, update: bool = False) -> Callable[[Settings], Step]:
    """Launch a job from a template, or let it take over from the job that runs."""

    def run(settings: Settings) -> Step:
        environment = _environment(settings, TEMPLATES[name])
        given = parameters(settings, TEMPLATES[name]) | ({"continues": "true"} if update else {})
        words = [
            *("gcloud", "dataflow", "flex-template", "run", _job(settings, name)),
            f"--template-file-gcs-location={settings.spec(name)}",
            *_place(settings),
            *(f"--{flag}" if value is True else f"--{flag}={value}" for flag, value in environment),
            f"--parameters={_dictionary(given)}",
        ]
        if update:
            words.append("--update")
            if settings["TRANSFORM_NAME_MAPPINGS"]:
                words.append(f"--transform-name-mappings={settings['TRANSFORM_NAME_MAPPINGS']}")
        return Step([Command(words)], {})

    return run


def parameters(settings: Settings, template: Template) -> dict[str, str]:
    """A launch's parameters, checked against the metadata.

    Raises:
        OptionError: if one is missing, unknown or wrong.
    """
    source = {"subscription": "SUBSCRIPTION"} if template.streaming else {"input": "INPUT"}
    settings.require(*_WHERE, *source.values())
    found = {
        **{name: settings[setting] for name, setting in source.items()},
        "warehouse": f"bigquery://{settings['PROJECT']}/{settings['DATASET']}",
        "location": settings.location,
    }
    more = "STREAM_PARAMETERS" if template.streaming else "BATCH_PARAMETERS"
    if template.streaming and settings["DEAD_LETTER_TOPIC"]:
        found["dead_letter_topic"] = settings["DEAD_LETTER_TOPIC"]
    found |= {name: value for name, _, value in map(_parted, shlex.split(settings[more]))}
    options = {option.name: option for option in template.options}
    for name, value in found.items():
        if name not in options:
            raise OptionError(
                f"{FILE}: {more}: the {template.name} template has no parameter {name!r}; it has "
                f"{', '.join(options)}"
            )
        if not re.fullmatch(values_of(options[name]).pattern, value):
            help_text = options[name].parameter.help or options[name].help
            raise OptionError(f"{FILE}: the parameter {name} can't be {value!r}: {help_text}")
    return found


def _parted(word: str) -> tuple[str, str, str]:
    return word.partition("=")


def _environment(settings: Settings, template: Template) -> list[tuple[str, str | bool]]:
    """What a launch says of the job's machines, as gcloud's flags."""
    found: list[tuple[str, str | bool]] = [
        ("service-account-email", settings.account("SERVICE_ACCOUNT")),
        ("temp-location", f"{settings.bucket}/tmp"),
        ("staging-location", f"{settings.bucket}/staging"),
        ("worker-machine-type", settings["WORKER_MACHINE_TYPE"]),
        ("max-workers", settings["MAX_WORKERS"]),
    ]
    if settings["SUBNETWORK"]:
        found += [("subnetwork", settings["SUBNETWORK"]), ("disable-public-ips", True)]
    if template.streaming:
        found += [("enable-streaming-engine", True)]
    return found


def drain(settings: Settings) -> Step:
    """Drain the streaming job: it reads no more, flushes what it has read, and ends."""
    settings.require(*_WHERE)
    job = settings["STREAM_JOB"]
    find = [
        *("gcloud", "dataflow", "jobs", "list", "--status=active", f"--filter=name={job}"),
        *("--format=value(id)", *_place(settings)),
    ]
    words = ["gcloud", "dataflow", "jobs", "drain", "{}", *_place(settings)]
    missing = f"no job {job} is running in {settings['REGION']}: see STREAM_JOB in {FILE}"
    return Step([Command(words, of=find, missing=missing)], {})


def schedule(settings: Settings) -> Step:
    """Have Cloud Scheduler launch the batch template, daily unless SCHEDULE says otherwise.

    It loads what is new, unless BATCH_PARAMETERS say that it builds all tables each time.
    """
    found = {MODE.name: COMMAND.name, **parameters(settings, TEMPLATES["batch"])}
    path = f"{_BUILD}/launch.json"
    name = f"{settings['BATCH_JOB']}-daily"
    where = [f"--location={settings['REGION']}", f"--project={settings['PROJECT']}"]
    jobs = ["gcloud", "scheduler", "jobs"]
    common = [
        *(f"--schedule={settings['SCHEDULE']}", f"--time-zone={settings['TIME_ZONE']}"),
        f"--uri=https://dataflow.googleapis.com/v1b3/projects/{settings['PROJECT']}"
        f"/locations/{settings['REGION']}/flexTemplates:launch",
        *("--http-method=POST", f"--message-body-from-file={path}"),
        f"--oauth-service-account-email={settings.account('SCHEDULER_ACCOUNT')}",
        *(f"--oauth-token-scope={_SCOPE}", *where),
    ]
    exists = [*jobs, "describe", name, *where]
    return Step(
        [
            Command(
                [*jobs, "create", "http", name, "--headers=Content-Type=application/json", *common],
                unless=exists,
            ),
            Command(
                [
                    *(*jobs, "update", "http", name),
                    *("--update-headers=Content-Type=application/json", *common),
                ]
            ),
        ],
        {path: as_json(request(settings, found))},
    )


def request(settings: Settings, found: Mapping[str, str]) -> dict[str, Any]:
    """The body of flexTemplates:launch for the batch template."""
    environment: dict[str, Any] = {
        "serviceAccountEmail": settings.account("SERVICE_ACCOUNT"),
        "tempLocation": f"{settings.bucket}/tmp",
        "stagingLocation": f"{settings.bucket}/staging",
        "machineType": settings["WORKER_MACHINE_TYPE"],
        "maxWorkers": int(settings["MAX_WORKERS"]),
    }
    if settings["SUBNETWORK"]:
        environment |= {
            "subnetwork": settings["SUBNETWORK"],
            "ipConfiguration": "WORKER_IP_PRIVATE",
        }
    return {
        "launchParameter": {
            "jobName": settings["BATCH_JOB"],
            "containerSpecGcsPath": settings.spec("batch"),
            "parameters": dict(found),
            "environment": environment,
        }
    }


STEPS: Final[Mapping[str, Callable[[Settings], Step]]] = {
    "image": image,
    "template-batch": template("batch"),
    "template-streaming": template("streaming"),
    "launch-batch": launch("batch"),
    "launch-streaming": launch("streaming"),
    "update-streaming": launch("streaming", update=True),
    "drain": drain,
    "schedule": schedule,
    "grant": grant,
}


def _place(settings: Settings) -> list[str]:
    return [f"--region={settings['REGION']}", f"--project={settings['PROJECT']}"]


def _job(settings: Settings, name: str) -> str:
    return settings["BATCH_JOB" if name == "batch" else "STREAM_JOB"]


def _dictionary(values: Mapping[str, str]) -> str:
    """As gcloud takes it: `gcloud topic escaping`; commas are within values."""
    delimiter = next(mark for mark in "~|;#" if not any(mark in each for each in values.values()))
    return f"^{delimiter}^" + delimiter.join(f"{name}={value}" for name, value in values.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step; returns the exit code: 1 where a command fails, 2 for a wrong setting."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    try:
        step = STEPS[name](load(ROOT / os.environ.get("DEPLOY_ENV", FILE)))
        perform(step, ROOT, dry=os.environ.get("DRY_RUN", "") not in ("", "0"))
    except OptionError as error:
        print(f"make {name}: {error}", file=sys.stderr)
        return 2
    except FileNotFoundError as error:
        print(
            f"make {name}: {error.filename} is not installed: install the Google Cloud CLI",
            file=sys.stderr,
        )
        return 1
    except (RunError, subprocess.CalledProcessError) as error:
        print(f"make {name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
