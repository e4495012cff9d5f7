"""The docs command: the data dictionary as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.commands.command import Command
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import local_file
from pipeline.terminal import print_line

_OUTPUT: Final = Option(
    "the Markdown file to write (default: docs/tables.md)",
    "FILE",
    local_file,
    default="docs/tables.md",
)


@dataclass(frozen=True)
class DocsOptions:
    """What a command line asks for; the option's own text says what the field means."""

    output: str = given_by(_OUTPUT)


def run(options: DocsOptions) -> None:
    """Write the data dictionary.

    Raises:
        RunError: if it can't be written.
    """
    from pipeline.dictionary.data_dictionary import write_docs

    write_docs(options.output)
    print_line(f"{options.output}: written")


_HELP: Final = """\
Write the data dictionary as Markdown: tables, columns, types, partitions, keys and checks, from the
same contract that makes the tables.
"""

COMMAND: Final = Command("docs", "the data dictionary as Markdown", DocsOptions, run, _HELP)
