"""The superset command: a bundle that Apache Superset imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.commands.command import Command
from pipeline.options import shared_options as shared
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import local_file
from pipeline.terminal import print_line

_OUTPUT: Final = Option(
    "the zip to write; one that is there is replaced (default: growth.zip)",
    "FILE",
    local_file,
    default="growth.zip",
)


@dataclass(frozen=True)
class SupersetOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    output: str = given_by(_OUTPUT)


def run(options: SupersetOptions) -> None:
    """Write the bundle of a warehouse; the warehouse itself is not opened.

    Raises:
        OptionError: if the URL is none.
        RunError: if the file can't be written.
    """
    from pipeline.superset.bundle import bundle
    from pipeline.superset.home import Home
    from pipeline.warehouse import open_warehouse
    from pipeline.whole_file import write_whole

    warehouse = open_warehouse(options.warehouse)
    write_whole(options.output, bundle(Home.of(options.warehouse, warehouse.location)))
    print_line(
        f"The bundle for Superset: {Path(options.output).resolve()}. docs/report.md says how to "
        "import it"
    )


_HELP: Final = """\
Write a bundle that Apache Superset imports: the database, a dataset for each mart with the
contract's descriptions, metrics that add up only where they may, charts, and a dashboard with
filters. Ids stay the same, so that another import replaces what the last one made.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset --output growth.zip

exit codes: 0 written; 1 the file can't be written; 2 a wrong option
"""

COMMAND: Final = Command(
    "superset", "a bundle for Apache Superset", SupersetOptions, run, _HELP, _EXAMPLES
)
