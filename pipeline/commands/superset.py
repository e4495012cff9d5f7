"""The superset command: a bundle that Apache Superset imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.commands.command import Command
from pipeline.commands.written_file import opened_beside, output
from pipeline.options import shared_options as shared
from pipeline.options.option import given_by
from pipeline.terminal import print_line


@dataclass(frozen=True)
class SupersetOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    output: str = given_by(output("zip", "growth.zip"))


def run(options: SupersetOptions) -> None:
    """Write the bundle of a warehouse; of one elsewhere nothing is asked.

    Raises:
        OptionError: if the URL is none, or names the file to write.
        RunError: if there is no such file of tables, or the zip can't be written.
    """
    from pipeline.superset.bundle import bundle
    from pipeline.superset.home import Home
    from pipeline.warehouse.presence import tables_present
    from pipeline.whole_file import write_whole

    warehouse = opened_beside(options.warehouse, options.output)
    if warehouse.capabilities.workers_must_be_local:
        tables_present(warehouse)
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

exit codes: 0 written; 1 no such file of tables is there, or the zip can't be written; 2 a wrong
option
"""

COMMAND: Final = Command(
    "superset", "a bundle for Apache Superset", SupersetOptions, run, _HELP, _EXAMPLES
)
