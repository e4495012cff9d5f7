"""Which options Beam knows, from a list beside this module: importing Beam takes a second.

`python -m pipeline.options.beam_options` rewrites the list, for another version of Beam.
"""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from pipeline.errors import OptionError

_FILE: Final = "beam_options.json"
_TYPES: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "loads": (json.loads, "JSON"),
}
# Of Flink's job server, which tells Beam what it knows when a job is sent to it.
OF_FLINK: Final[dict[str, dict[str, Any]]] = {
    "checkpointing_interval": {"takes": "one", "type": "int"},
    "checkpointing_mode": {"takes": "one", "choices": ["EXACTLY_ONCE", "AT_LEAST_ONCE"]},
    "checkpoint_timeout_millis": {"takes": "one", "type": "int"},
    "externalized_checkpoints_enabled": {"takes": "one"},
    "finish_bundle_before_checkpointing": {"takes": "nothing"},
    "min_pause_between_checkpoints": {"takes": "one", "type": "int"},
    "retain_externalized_checkpoints_on_cancellation": {"takes": "one"},
    "savepoint_path": {"takes": "one"},
    "state_backend": {"takes": "one"},
    "state_backend_storage_path": {"takes": "one"},
}


@dataclass(frozen=True)
class BeamArguments:
    """What a command line says to Beam.

    Attributes:
        values: Beam's own options by name; one without a value has "".
        own: the arguments that are Beam's alone.
        whole: all arguments of the command, ours among them, which Beam shows.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    @classmethod
    def of(cls, own: Sequence[str], whole: Sequence[str], ours: Collection[str]) -> BeamArguments:
        """The arguments once they are checked; see `check`.

        Raises:
            OptionError: if one is no option of Beam, or its value is not one that it takes.
        """
        return cls(check(own, ours), tuple(own), tuple(whole))

    @property
    def of_runner(self) -> list[str]:
        """The names of Beam's options that ask something of a runner: all but where to stage."""
        return sorted(self.values.keys() - {"temp_location"})

    @property
    def temp_location(self) -> str | None:
        """Where to stage; None for beside the warehouse."""
        return self.values.get("temp_location")


def known() -> dict[str, dict[str, Any]]:
    """Options of Beam and of Flink's job server by name, each with what it `takes` and of which
    `type`."""
    found: dict[str, dict[str, Any]] = json.loads(
        resources.files("pipeline.options").joinpath(_FILE).read_text()
    )
    return {**OF_FLINK, **found}


def check(arguments: Sequence[str], ours: Collection[str]) -> dict[str, str]:
    """Beam's options on a command line, checked against what Beam takes.

    Args:
        arguments: what is left of the command line once our own options are taken.
        ours: the names of our own options, to suggest them for misspelt ones.

    Returns:
        The values by option name; an option without a value has "".

    Raises:
        OptionError: if an argument is no option of Beam, or its value is not one that it takes.
    """
    options = known()
    values: dict[str, str] = {}
    left = list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        option = options.get(name.removeprefix("--")) if name.startswith("--") else None
        if option is None:
            raise OptionError(unknown(name, [*options, *ours]))
        if option["takes"] == "nothing":
            if equals:
                raise OptionError(f"{name} takes no value, but {value!r} is given")
        elif equals or (left and not left[0].startswith("--")):
            value = value if equals else left.pop(0)
            _check_value(name, value, option)
        elif option["takes"] == "one":
            raise OptionError(f"{name} needs a value")
        values[name.removeprefix("--")] = value
    return values


def unknown(name: str, names: Sequence[str]) -> str:
    """What to say of an argument that no option knows."""
    if not name.startswith("--"):
        return f"{name!r} belongs to no option: values with spaces need quotes"
    close = difflib.get_close_matches(name.removeprefix("--"), names, n=1)
    hint = f"; did you mean --{close[0]}?" if close else ""
    return f"there is no option {name}{hint}"


def _check_value(name: str, value: str, option: dict[str, Any]) -> None:
    choices = option.get("choices")
    if choices and value not in choices:
        raise OptionError(f"{name} {value!r} is none of {', '.join(choices)}")
    if name == "--runner":
        _check_runner(value, option["runners"])
    parse, wanted = _TYPES.get(option.get("type", ""), (str, ""))
    try:
        parse(value)
    except ValueError as error:
        raise OptionError(f"{name} {value!r} is not {wanted}") from error


def _check_runner(value: str, runners: Sequence[str]) -> None:
    short = value.lower().removesuffix("runner")
    if "." not in value and short not in {name.lower().removesuffix("runner") for name in runners}:
        raise OptionError(f"--runner {value!r} is none of {', '.join(runners)}")


class _Recorder(argparse.ArgumentParser):
    """A parser that remembers what was declared."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.actions: list[argparse.Action] = []

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        self.actions.append(super().add_argument(*names, **settings))
        return self.actions[-1]


def describe() -> dict[str, dict[str, Any]]:
    """What Beam's own option classes declare: by option name what it takes."""
    from apache_beam.options import pipeline_options

    parser = _Recorder(add_help=False, conflict_handler="resolve")
    for kind in _option_classes(pipeline_options.PipelineOptions):
        if kind.__module__ == pipeline_options.__name__:
            kind._add_argparse_args(parser)
    options: dict[str, dict[str, Any]] = {}
    for action in parser.actions:
        takes = "nothing" if action.nargs == 0 else "maybe" if action.nargs == "?" else "one"
        described: dict[str, Any] = {"takes": takes}
        kind_name = getattr(action.type, "__name__", "")
        if kind_name in _TYPES:
            described["type"] = kind_name
        if action.choices:
            described["choices"] = list(action.choices)
        for name in action.option_strings:
            options[name.removeprefix("--")] = described
    runners = pipeline_options.StandardOptions.ALL_KNOWN_RUNNERS
    options["runner"]["runners"] = sorted(path.rsplit(".", 1)[1] for path in runners)
    return dict(sorted(options.items()))


def _option_classes(kind: Any) -> list[Any]:
    return [found for child in kind.__subclasses__() for found in (child, *_option_classes(child))]


if __name__ == "__main__":
    lines = [f" {json.dumps(name)}: {json.dumps(option)}" for name, option in describe().items()]
    with resources.as_file(resources.files("pipeline.options").joinpath(_FILE)) as path:
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
