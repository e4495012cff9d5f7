"""The inspect command: what files are, and which rules they would need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksRules
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import local_file

_INPUT: Final = replace(
    shared.INPUT,
    help="CSV, JSON lines, JSON or Parquet, compressed or not: one or more paths or globs, local "
    "or gs://; quote globs",
)
_RULES: Final = replace(
    shared.RULES,
    help="a file of rules (TOML, docs/rules.md), local or gs://, by which the rows are tried "
    "(default: the rules that are proposed)",
    metavar="FILE",
)
_WRITE: Final = Option(
    "write the proposed rules to this file, commented, to go on from; one that is there is never "
    "replaced (default: none is written)",
    "FILE",
    local_file,
)


@dataclass(frozen=True)
class InspectOptions(AsksRules):
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if no input is named.
    """

    input: tuple[str, ...] = given_by(_INPUT)
    rules: str | None = given_by(_RULES)
    preset: str | None = given_by(shared.PRESET)
    write_rules: str | None = given_by(_WRITE)

    def __post_init__(self) -> None:
        if not self.input:
            raise OptionError("--input is missing: give one or more files or globs")
        super().__post_init__()


def run(options: InspectOptions) -> None:
    """Print what files are and may mean; see `inspect_files`."""
    from pipeline.launch.inspect_launch import inspect_files
    from pipeline.moments import utc_now

    inspect_files(options.input, options.asked_rules, options.write_rules, utc_now())


_HELP: Final = """\
Look at the first rows of files that another tool exports, some 10,000 of each: what the files are,
which of their columns and fields look like which of ours and why, how many rows would pass, and
what fails. Nothing is loaded.

--write_rules writes the rules that it proposes to a file, with the event types that it has found as
types of your own, and other choices as comments; with --preset, the rules of the preset. Look
through them: what is a mile, which zone local times are of, and who a user is, a few rows can't
tell. docs/rules.md says what rules can.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --input 'exports/*'
  %(prog)s --input 'exports/*.jsonl.gz' --write_rules rules.toml
  %(prog)s --input 'exports/*.jsonl.gz' --rules rules.toml
  %(prog)s --input 'events_*.parquet' --preset ga4

exit codes: 0 done; 1 no file can be read; 2 a wrong option
"""

COMMAND: Final = Command(
    "inspect",
    "files of other tools: what are they, and which rules do they need?",
    InspectOptions,
    run,
    _HELP,
    _EXAMPLES,
)
