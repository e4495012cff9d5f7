"""The check command: what tables that are there already come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.commands.command import Command
from pipeline.options import shared_options as shared
from pipeline.options.option import given_by
from transforms.active_event_types import ActiveEventTypes

_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="what the tables were built with; the users of all cohorts are those whom such events "
    "made active (default: what the warehouse has noted, or all five)",
    default=None,
)


@dataclass(frozen=True)
class CheckOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    active_event_types: ActiveEventTypes | None = given_by(_ACTIVE_TYPES)


def run(options: CheckOptions) -> None:
    """Evaluate all checks of a warehouse's tables and print what fails; see `check_tables`."""
    from pipeline.launch.check_launch import check_tables
    from pipeline.warehouse import open_warehouse

    check_tables(open_warehouse(options.warehouse), options.active_event_types)


_HELP: Final = """\
Check tables that are there already, by SQL that the warehouse runs: nothing is downloaded but
counts and some keys of rows that fail, and nothing is written. A batch run evaluates the same
checks before it commits. docs/tables.md lists them behind the columns.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset

exit codes: 0 no check of severity error failed; 1 one did, or the tables can't be read; 2 a wrong
option
"""

COMMAND: Final = Command(
    "check",
    "tables that are there: do they keep their checks?",
    CheckOptions,
    run,
    _HELP,
    _EXAMPLES,
)
