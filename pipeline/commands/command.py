"""What a command is: its options, its help page, and what runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from pipeline.errors import OptionError
from pipeline.options.beam_options import BeamArguments, unknown
from pipeline.options.option import (
    Option,
    declare,
    options_of,
    values_given,
    without_secrets,
)

_BEAM: Final = "beam"


@dataclass(frozen=True)
class Command:
    """One command of `python -m pipeline`.

    Attributes:
        name: as it is typed.
        summary: what it does, in one line.
        options: the class of its options, a frozen dataclass of fields `given_by` options. A field
            `beam` of BeamArguments takes the options of Beam; without one they are refused.
        run: runs it; raises OptionError for what is wrong with the options, RunError for a failure.
        description: the help page.
        examples: what stands below the options there.
    """

    name: str
    summary: str
    options: type[Any]
    run: Callable[[Any], None]
    description: str
    examples: str | None = None

    @property
    def declared(self) -> tuple[Option, ...]:
        """Its own options, without those of Beam."""
        return options_of(self.options)

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add its options to a parser."""
        declare(parser, self.declared)

    def start(
        self, known: argparse.Namespace, rest: Sequence[str], arguments: Sequence[str]
    ) -> None:
        """Build the options once, and run the command.

        Args:
            known: what the parser has found of its own options.
            rest: the arguments that the parser does not know.
            arguments: all arguments behind the command.

        Raises:
            OptionError: if the options are wrong by themselves or together.
        """
        names = [option.name for option in self.declared]
        values = values_given(self.declared, known)
        if any(found.name == _BEAM for found in fields(self.options)):
            whole = without_secrets(arguments, self.declared)
            values[_BEAM] = BeamArguments.of(rest, whole, names)
        elif rest:
            raise OptionError(unknown(rest[0].partition("=")[0], names))
        self.run(self.options(**values))
