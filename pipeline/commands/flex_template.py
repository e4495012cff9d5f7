"""The launch of a Flex Template: its parameters, turned into a command's arguments.

Dataflow's launcher runs a Python file with `--name=value` for each parameter and for what the
environment of the launch says (runner, project, region, temp_location ...). One file serves both
templates: a subscription makes it `stream`; without one it is `batch`, or `update` if `mode` says
so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn

from pipeline.commands import batch, stream, update
from pipeline.options import beam_options
from pipeline.options.option import Option, Parameter
from pipeline.options.option_values import one_of
from pipeline.options.shared_options import SOURCE
from pipeline.terminal import print_error

OPTIONS: Final[Mapping[str, tuple[Option, ...]]] = {
    module.COMMAND.name: module.COMMAND.declared for module in (batch, stream, update)
}
# Of the batch template alone: on a command line the command says it.
MODE: Final = Option(
    "batch replaces all tables by what the files hold; update loads those of the files that were "
    "not loaded before into tables that are there, every day the same ones (default: batch)",
    "batch|update",
    one_of(batch.COMMAND.name, update.COMMAND.name),
    default=batch.COMMAND.name,
    parameter=Parameter("What the run does", SOURCE),
    name="mode",
)
# The image's own name, which the Dockerfile puts there: workers run the image of the launcher.
IMAGE: Final = "GROWTH_PIPELINE_IMAGE"


def launch() -> NoReturn:
    """Let the command that this process's arguments mean take its place.

    A new program, since Beam's clients read options of their own from the command line.
    """
    command, translated, dropped = translate(sys.argv[1:], os.environ.get(IMAGE, ""))
    for argument in dropped:
        print_error(f"No option of the pipeline or of Beam, left out: {argument}")
    os.execv(sys.executable, [sys.executable, "-m", "pipeline", command, *translated])


def translate(arguments: Sequence[str], image: str = "") -> tuple[str, list[str], list[str]]:
    """The command that a launcher's arguments mean, its arguments, and what nobody knows.

    What nobody knows is left out, as Beam does: Dataflow checks the parameters against the
    metadata itself, and its launcher may learn new options.

    Args:
        arguments: `--name=value`; options without a value as a bare `--name`, or with true or
            false. Empty values are those of parameters that a form left open.
        image: the container image that workers run where the arguments name none.
    """
    given = [_parted(argument) for argument in arguments]
    names = {name for name, value in given if value != ""}
    mode = dict(given).get(MODE.name) or MODE.default
    command = "stream" if "subscription" in names else MODE.parse(mode)
    ours = {option.name: option for option in OPTIONS[command]}
    known = beam_options.known()
    translated: list[str] = []
    dropped: list[str] = []
    for (name, value), argument in zip(given, arguments, strict=True):
        if name == MODE.name:
            continue
        if name in ours:
            translated += _our_option(ours[name], value)
        elif name in known:
            translated += _beam_option(name, value, known[name]["takes"] == "nothing")
        else:
            dropped.append(argument)
    if image and "sdk_container_image" not in names and "DataflowRunner" in dict(given).values():
        translated.append(f"--sdk_container_image={image}")
    return command, translated, dropped


def _parted(argument: str) -> tuple[str, str | None]:
    """Name and value of an argument; None for the value of a bare one."""
    name, equals, value = argument.partition("=")
    return name.removeprefix("--") if name.startswith("--") else "", value if equals else None


def _our_option(option: Option, value: str | None) -> Iterator[str]:
    if value is None:
        yield f"--{option.name}"
    elif option.many:
        parts = (part.strip(" ") for part in value.split(","))
        yield from (f"--{option.name}={part}" for part in parts if part)
    elif value:
        yield f"--{option.name}={value}"


def _beam_option(name: str, value: str | None, is_flag: bool) -> Iterator[str]:
    if is_flag:
        # As a parameter of a template a flag has a value; Beam takes it without one.
        if value is None or value.lower() == "true":
            yield f"--{name}"
    elif value is None:
        yield f"--{name}=True"
    elif value:
        yield f"--{name}={value}"
