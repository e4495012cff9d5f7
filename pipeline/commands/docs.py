"""The docs command: the data dictionary as Markdown, and the schema of rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.commands.command import Command
from pipeline.errors import RunError
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import local_file
from pipeline.terminal import print_line

_OUTPUT: Final = Option(
    "the Markdown file to write; state.md and rules.schema.json come beside it (default: "
    "docs/tables.md)",
    "FILE",
    local_file,
    default="docs/tables.md",
)


@dataclass(frozen=True)
class DocsOptions:
    """What a command line asks for; the option's own text says what the field means."""

    output: str = given_by(_OUTPUT)


def run(options: DocsOptions) -> None:
    """Write the data dictionary, the page of the state tables, and the schema of rules.

    Raises:
        RunError: if one can't be written.
    """
    from pipeline.dictionary.data_dictionary import data_dictionary
    from pipeline.dictionary.state_page import state_page
    from transforms.rules.rules_shape import json_schema

    beside = str(Path(options.output).with_name("state.md"))
    schema = str(Path(options.output).with_name("rules.schema.json"))
    _write(options.output, data_dictionary())
    _write(beside, state_page())
    _write(schema, json.dumps(json_schema(), indent=2) + "\n")
    print_line(f"{options.output}, {beside}, {schema}: written")


def _write(path: str, text: str) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}") from error


_HELP: Final = """\
Write the data dictionary as Markdown: tables, columns, types, partitions, keys and checks, from the
same contract that makes the tables. The state tables have a page of their own, state.md beside it.
rules.schema.json beside it tells editors what a file of rules may say.
"""

COMMAND: Final = Command("docs", "the data dictionary as Markdown", DocsOptions, run, _HELP)
