"""deploy.env: where the templates are deployed and how they are launched."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import __version__
from pipeline.errors import OptionError
from pipeline.google_names import DATASET, PROJECT
from pipeline.options.option_values import GCS_FILES, LOCATION, resource

ROOT: Final = Path(__file__).parents[1]
FILE: Final = "deploy.env"
EXAMPLE: Final = ROOT / "deploy.env.example"
_BUCKET: Final = "[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_NAME: Final = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True)
class Setting:
    """One line of deploy.env.

    Attributes:
        name: left of the equals sign.
        help: what it says.
        pattern: what it may be, as a regular expression.
        example: what it may look like, where there is no default.
        default: what it is where the line is missing or empty.
    """

    name: str
    help: str
    pattern: str
    example: str = ""
    default: str = ""


SETTINGS: Final = (
    Setting("PROJECT", "the project's id", PROJECT, "my-project"),
    Setting(
        "REGION",
        "where jobs run; the bucket lies there",
        "[a-z]+-[a-z]+[0-9]+",
        "europe-west3",
    ),
    Setting(
        "BUCKET",
        "a bucket for staged rows and Dataflow's own files, which workers write; without gs://",
        _BUCKET,
        "my-growth-bucket",
    ),
    Setting(
        "TEMPLATE_BUCKET",
        "another one for container specs and the sources of images, which workers may not touch",
        _BUCKET,
        "my-growth-templates",
    ),
    Setting("REPOSITORY", "a Docker repository of Artifact Registry", _NAME, default="growth"),
    Setting("DATASET", "the BigQuery dataset of all tables", DATASET, default="growth"),
    Setting(
        "DATASET_LOCATION",
        "where it lies; REGION where this is empty",
        LOCATION.pattern,
        "EU",
    ),
    Setting(
        "INPUT",
        "the batch template's CSV files: globs on gs://, comma-separated",
        GCS_FILES,
        "gs://my-events/*.csv",
    ),
    Setting(
        "SUBSCRIPTION",
        "the streaming template's Pub/Sub subscription",
        resource("subscriptions", "").pattern,
        "projects/my-project/subscriptions/events",
    ),
    Setting(
        "DEAD_LETTER_TOPIC",
        "a Pub/Sub topic that gets the stream's dead letters too; empty for none",
        resource("topics", "").pattern,
        "projects/my-project/topics/growth-dead-letters",
    ),
    Setting(
        "BATCH_PARAMETERS",
        "more parameters of the batch template: name=value, separated by spaces",
        r"\S.*",
        "max_dead_letter_pct=1 user_shards=256",
    ),
    Setting(
        "STREAM_PARAMETERS",
        "more parameters of the streaming template",
        r"\S.*",
        "flush_seconds=120 late_horizon_days=14",
    ),
    Setting(
        "SERVICE_ACCOUNT",
        "the account of the workers, without @ and what follows",
        "[a-z][a-z0-9-]{4,28}[a-z0-9]",
        default="growth-pipeline",
    ),
    Setting(
        "SCHEDULER_ACCOUNT",
        "the account by which Cloud Scheduler launches the batch template",
        "[a-z][a-z0-9-]{4,28}[a-z0-9]",
        default="growth-scheduler",
    ),
    Setting(
        "BUILD_ACCOUNT",
        "the account by which Cloud Build builds and pushes the image",
        "[a-z][a-z0-9-]{4,28}[a-z0-9]",
        default="growth-build",
    ),
    Setting("BATCH_JOB", "the batch job's name", _NAME, default="growth-batch"),
    Setting("STREAM_JOB", "the streaming job's name", _NAME, default="growth-streaming"),
    Setting("WORKER_MACHINE_TYPE", "of all workers", "[a-z][a-z0-9-]+", default="n2-standard-4"),
    Setting("MAX_WORKERS", "the most workers of a job", "[1-9][0-9]{0,3}", default="20"),
    Setting(
        "SUBNETWORK",
        "of the workers, which then have no public addresses; empty for the default network",
        "https://www.googleapis.com/compute/v1/projects/[^/]+/regions/[^/]+/subnetworks/[^/]+"
        "|regions/[^/]+/subnetworks/[^/]+",
        "regions/europe-west3/subnetworks/data",
    ),
    Setting(
        "TRANSFORM_NAME_MAPPINGS",
        "what make update-streaming tells of renamed steps: old=new, comma-separated",
        "[^=,]+=[^=,]*(,[^=,]+=[^=,]*)*",
        "Old step=New step",
    ),
    Setting(
        "SCHEDULE",
        "when the batch template is launched, as cron; it loads the files that are new, or with "
        "mode=batch in BATCH_PARAMETERS builds all tables from all files",
        r"(\S+ ){4}\S+",
        default="0 3 * * *",
    ),
    Setting("TIME_ZONE", "of SCHEDULE", "[A-Za-z0-9_+/-]+", default="Etc/UTC"),
    Setting(
        "TAG",
        "of the image and the container specs; the version and the commit where this is empty",
        "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "0.2.0-1a2b3c4d5e6f",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings of a deployment, checked; `settings["PROJECT"]` is one of them.

    Attributes:
        values: by name; "" for what is not set.
    """

    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def require(self, *names: str) -> None:
        """Raise OptionError unless all of these are set."""
        by_name = {setting.name: setting for setting in SETTINGS}
        missing = [by_name[name] for name in names if not self[name]]
        if missing:
            lines = "; ".join(
                f"{setting.name} ({setting.help}"
                + (f", e.g. {setting.example})" if setting.example else ")")
                for setting in missing
            )
            raise OptionError(f"{FILE} lacks {lines}: copy deploy.env.example and fill it in")

    @property
    def tag(self) -> str:
        """Of the image and the container specs: one for each commit, so that it never moves."""
        return self["TAG"] or f"{__version__}-{_commit()}"

    @property
    def image(self) -> str:
        """The image's full name."""
        project = self["PROJECT"].replace(":", "/")
        return (
            f"{self['REGION']}-docker.pkg.dev/{project}/{self['REPOSITORY']}"
            f"/growth-pipeline:{self.tag}"
        )

    @property
    def bucket(self) -> str:
        """The bucket that workers write, as a URL."""
        return f"gs://{self['BUCKET']}"

    @property
    def template_bucket(self) -> str:
        """The bucket of what is launched, as a URL."""
        return f"gs://{self['TEMPLATE_BUCKET']}"

    @property
    def location(self) -> str:
        """Where the datasets lie."""
        return self["DATASET_LOCATION"] or self["REGION"]

    def spec(self, template: str) -> str:
        """Where a template's container spec lies."""
        return f"{self.template_bucket}/templates/{self.tag}/{template}.json"

    def account(self, name: str) -> str:
        """The address of the service account that a setting names."""
        # Of a project in a domain, as domain:name, the domain comes behind the name.
        project = ".".join(reversed(self["PROJECT"].split(":")))
        return f"{self[name]}@{project}.iam.gserviceaccount.com"


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file; the environment goes before it, so `make image TAG=1` works.

    Raises:
        OptionError: if there is no such file, or a line of it is wrong.
    """
    if not path.exists():
        raise OptionError(f"there is no {path.name}: copy deploy.env.example to it, and fill it in")
    by_name = {setting.name: setting for setting in SETTINGS}
    values = {setting.name: setting.default for setting in SETTINGS}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        place = f"{path.name}, line {number}"
        for name, value in _assignments(line, place):
            if name not in by_name:
                close = difflib.get_close_matches(name, by_name, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise OptionError(f"{place}: there is no setting {name}{hint}")
            values[name] = value or by_name[name].default
    for name in by_name:
        if environment.get(name):
            values[name] = environment[name]
    if values["BUCKET"] and values["BUCKET"] == values["TEMPLATE_BUCKET"]:
        raise OptionError(
            f"{FILE}: BUCKET and TEMPLATE_BUCKET are the same, {values['BUCKET']!r}: a worker "
            "could replace what the scheduler launches; name two"
        )
    for name, value in values.items():
        if value and not re.fullmatch(by_name[name].pattern, value):
            raise OptionError(f"{FILE}: {name} {value!r} is wrong: give {by_name[name].help}")
    return Settings(values)


def _assignments(line: str, place: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise OptionError(f"{place}: {error}: quote the value") from error
    if len(words) > 1 or (words and "=" not in words[0]):
        raise OptionError(f"{place}: write NAME=value, and quote a value with spaces")
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def _commit() -> str:
    """The commit that is checked out, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise OptionError(f"{FILE} lacks TAG, which is needed outside a git clone: name a version")
    return found.stdout.strip()


def example() -> str:
    """What deploy.env.example holds."""
    lines = ["# Copy this file to deploy.env, and fill it in. make reads it; git ignores it.", ""]
    for setting in SETTINGS:
        hint = f" E.g. {setting.example}" if setting.example else ""
        lines += [f"# {setting.help[0].upper()}{setting.help[1:]}.{hint}"]
        lines += [f"{setting.name}={shlex.quote(setting.default) if setting.default else ''}", ""]
    return "\n".join(lines)
