"""What an option is, and how parsers take it.

Nothing here imports Beam: a wrong option is refused before the second that the import takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pipeline.options.option_values import Values
from pipeline.terminal import print_error, printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_OPTION: Final = "option"
# Of a long list of files the first ones say enough of what was run.
_LISTED: Final = 20
_NOT_RECORDED: Final = ("warehouse", "location", "summary_file", "output", "edit")


@dataclass(frozen=True)
class Parameter:
    """How an option stands in a Flex Template, as far as that differs from the command line.

    Attributes:
        label: a short title; "" for the option's name in words.
        group: under which heading.
        help: what it does; "" for the option's own help.
        values: what it takes where all workers are elsewhere; None for what the option takes.
        required: whether a launch must name it; such a parameter has no default.
        is_offered: whether it is a parameter at all.
    """

    label: str = ""
    group: str = "Pipeline"
    help: str = ""
    values: Values | None = None
    required: bool = False
    is_offered: bool = True


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        help: what it does, for the help page.
        metavar: the value's name in the help page.
        parse: turns the text into the value; raises ValueError with what is wrong.
        default: the value where the option is not given.
        many: whether it takes several values; `parse` then sees each of them.
        bare: the value where the option is given without one; None where it needs one.
        parameter: how it stands in a Flex Template.
        is_secret: whether its value is shown and kept nowhere: not in errors, in what a warehouse
            notes of a run, or by Beam.
        name: without the dashes: that of its field; see `options_of`.
    """

    help: str
    metavar: str
    parse: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    bare: Any = None
    parameter: Parameter = Parameter()
    is_secret: bool = False
    name: str = ""


def given_by(option: Option) -> Any:
    """A field of a command's options, whose value the option of the field's name gives."""
    return field(default=() if option.many else option.default, metadata={_OPTION: option})


def options_of(kind: type[DataclassInstance]) -> tuple[Option, ...]:
    """The options that give a class its fields, in their order."""
    return tuple(
        replace(found.metadata[_OPTION], name=found.name)
        for found in fields(kind)
        if _OPTION in found.metadata
    )


def values_given(options: Iterable[Option], known: argparse.Namespace) -> dict[str, Any]:
    """By name what `declare`'s parser has found; of an option that takes several, a tuple."""
    found = {option.name: getattr(known, option.name) for option in options}
    return {
        option.name: tuple(found[option.name] or ()) if option.many else found[option.name]
        for option in options
    }


def recorded(options: DataclassInstance) -> dict[str, Any]:
    """The options of a command as a warehouse keeps them of a run: JSON values by name.

    What an option of the warehouse's own place says is left out, and what might quote the data.
    """
    values = {
        option.name: getattr(options, option.name)
        for option in options_of(type(options))
        if option.name not in _NOT_RECORDED and not option.is_secret
    }
    return {name: _listed(value) for name, value in values.items() if value not in (None, ())}


def _listed(value: Any) -> Any:
    if not isinstance(value, tuple):
        return _plain(value)
    more = len(value) - _LISTED
    listed = [_plain(item) for item in value[:_LISTED]]
    return [*listed, f"... and {more:,} more"] if more > 0 else listed


def without_secrets(arguments: Sequence[str], options: Iterable[Option]) -> list[str]:
    """The arguments of a command without those of options whose values nobody else may see."""
    secret = {f"--{option.name}" for option in options if option.is_secret}
    kept: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if argument in secret:
            left = left[1:]  # Its value; the command's parser has seen that there is one.
        elif argument.partition("=")[0] not in secret:
            kept.append(argument)
    return kept


def declare(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
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


def declare_new(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Add those options that the parser does not have: Beam's holds those of all commands.

    Beam writes values down as JSON, so those that JSON does not know are text.
    """
    for option in options:
        plain = replace(option, parse=_plainly(option), default=_plain(option.default))
        with suppress(argparse.ArgumentError):
            declare(parser, [plain])


def _plainly(option: Option) -> Callable[[str], Any]:
    return lambda text: _plain(option.parse(text))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            shown = "what is given" if option.is_secret else repr(text)
            raise argparse.ArgumentTypeError(f"{shown} {error}") from error

    return parse


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def error(self, message: str) -> NoReturn:
        print_error(f"{self.prog}: {printable(message)} (see {self.prog} --help)")
        self.exit(2)
