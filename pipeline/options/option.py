"""What an option is, and how parsers take it.

Nothing here imports Beam: a wrong option is refused before the second that the import takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from pipeline.options.option_values import Values
from pipeline.terminal import printable, tell


@dataclass(frozen=True)
class Parameter:
    """How an option stands in a Flex Template, as far as that differs from the command line.

    Attributes:
        label: a short title; "" for the option's name in words.
        group: under which heading.
        help: what it does; "" for the option's own help.
        values: what it takes where all workers are elsewhere; None for what the option takes.
        required: whether a launch must name it; such a parameter has no default.
    """

    label: str = ""
    group: str = "Pipeline"
    help: str = ""
    values: Values | None = None
    required: bool = False


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: without the dashes.
        help: what it does, for the help page.
        metavar: the value's name in the help page.
        parse: turns the text into the value; raises ValueError with what is wrong.
        default: the value where the option is not given.
        many: whether it takes several values; `parse` then sees each of them.
        bare: the value where the option is given without one; None where it needs one.
        parameter: how it stands in a Flex Template.
    """

    name: str
    help: str
    metavar: str
    parse: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    bare: Any = None
    parameter: Parameter = Parameter()


def declare(parser: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    """Add options to an argparse parser."""
    for option in options:
        parser.add_argument(
            f"--{option.name}",
            help=option.help.replace("%", "%%"),
            metavar=option.metavar,
            type=_type(option),
            default=option.default,
            nargs="+" if option.many else None if option.bare is None else "?",
            const=option.bare,
            action="extend" if option.many else "store",
        )


def declare_new(parser: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    """Add those options that the parser does not have: Beam's holds those of all commands."""
    known = parser._option_string_actions
    declare(parser, tuple(option for option in options if f"--{option.name}" not in known))


def _type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} {error}") from error

    return parse


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def error(self, message: str) -> NoReturn:
        tell(f"{self.prog}: {printable(message)} (see {self.prog} --help)")
        self.exit(2)
