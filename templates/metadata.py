"""What Dataflow knows of a template and its parameters, from the options' one declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.commands.flex_template import MODE, OPTIONS
from pipeline.options.option import Option
from pipeline.options.option_values import Values

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Template:
    """A Flex Template.

    Attributes:
        name: of its files: NAME.json holds its metadata.
        command: what it launches.
        title: its name in the console.
        description: what it does.
        streaming: whether its job runs until it is drained.
    """

    name: str
    command: str
    title: str
    description: str
    streaming: bool

    @property
    def options(self) -> tuple[Option, ...]:
        """Of the command that it launches, and where it launches another one too, which."""
        options = tuple(found for found in OPTIONS[self.command] if found.parameter.is_offered)
        return options if self.streaming else (*options[:1], MODE, *options[1:])

    @property
    def path(self) -> Path:
        """The file of its metadata."""
        return FOLDER / f"{self.name}.json"


TEMPLATES: Final[Mapping[str, Template]] = {
    "batch": Template(
        "batch",
        "batch",
        "Growth tables from CSV",
        "Replaces the growth tables of a BigQuery dataset by those of all events in CSV files on "
        "Cloud Storage, or updates them by those of new files: events with sessions, users, growth "
        "accounting, retention, cohorts, miles. Nothing is lost: input rows = fct_events + "
        "duplicates + dead letters.",
        streaming=False,
    ),
    "streaming": Template(
        "streaming",
        "stream",
        "Growth tables from Pub/Sub",
        "Keeps the growth tables of a BigQuery dataset true from Pub/Sub messages, near real time. "
        "Late, repeated and out-of-order events end in the figures that batch would compute.",
        streaming=True,
    ),
}


def metadata(template: Template) -> dict[str, Any]:
    """A template's metadata, as Dataflow's TemplateMetadata in JSON.

    What is summed would count twice where messages are processed at least once, so that mode is
    not supported; a default mode is for templates that support both.
    """
    modes = {
        "streaming": True,
        "supportsAtLeastOnce": False,
        "supportsExactlyOnce": True,
        "defaultStreamingMode": "UNSPECIFIED",
    }
    return {
        "name": template.title,
        "description": template.description,
        **(modes if template.streaming else {"streaming": False}),
        "parameters": [_parameter(option) for option in template.options],
    }


def values_of(option: Option) -> Values:
    """What a parameter takes: what its option takes, or less."""
    if option.parameter.values is not None:
        return option.parameter.values
    return option.parse if isinstance(option.parse, Values) else Values(option.parse)


def _parameter(option: Option) -> dict[str, Any]:
    values, place = values_of(option), option.parameter
    described: dict[str, Any] = {
        "name": option.name,
        "label": place.label or option.name.replace("_", " ").capitalize(),
        "helpText": _sentence(place.help or option.help),
        "groupName": place.group,
        "isOptional": not place.required,
        "paramType": values.kind,
    }
    if values.choices:
        described["enumOptions"] = [{"value": value, "label": value} for value in values.choices]
        described["paramType"] = "ENUM"
    else:
        described["regexes"] = [f"^({values.pattern})$"]
    if option.default is not None and not place.required:
        described["defaultValue"] = _text(option.default)
    return described


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _text(value: object) -> str:
    """A default as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def spec(template: Template, image: str) -> dict[str, Any]:
    """A template's container spec, which a launch reads from Cloud Storage.

    `gcloud dataflow flex-template build` leaves out what the metadata says of streaming (seen in
    version 528), so the spec is written here.
    """
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": metadata(template),
        "defaultEnvironment": {
            "sdkContainerImage": image,
            **({"enableStreamingEngine": True} if template.streaming else {}),
        },
    }


def as_json(content: Mapping[str, Any]) -> str:
    """JSON as it stands in a file."""
    return json.dumps(content, indent=2) + "\n"
