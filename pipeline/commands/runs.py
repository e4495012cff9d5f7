"""The runs command: what was run into a warehouse, when, on what, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.commands.command import Command
from pipeline.options import shared_options as shared
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import whole

_LIMIT: Final = Option(
    "show so many, the latest ones (default: 20)", "N", whole(1, 1_000_000), default=20
)


@dataclass(frozen=True)
class RunsOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    limit: int = given_by(_LIMIT)
    summary_file: str | None = given_by(shared.SUMMARY_FILE)


def run(options: RunsOptions) -> None:
    """Print the latest runs of a warehouse, and write them as JSON where that is asked for.

    Raises:
        OptionError: if the summary would overwrite the warehouse.
        RunError: if the warehouse is not there, has noted no runs, or can't be read.
    """
    from pipeline import summary_file
    from pipeline.display.runs_table import show_runs
    from pipeline.launch.noted_runs import runs_of_warehouse, runs_report
    from pipeline.storage import check_storage
    from pipeline.warehouse import open_warehouse

    warehouse = open_warehouse(options.warehouse)
    summary_file.refuse_taken(options.summary_file, [warehouse.location])
    check_storage([options.summary_file], [])
    summary_file.clear(options.summary_file)
    states = runs_of_warehouse(warehouse)
    latest = states[: options.limit]
    summary_file.finish(
        runs_report(latest),
        options.summary_file,
        "the runs are read",
        lambda: show_runs(latest, len(states), warehouse.url),
    )


_HELP: Final = """\
Show the runs that wrote a warehouse's tables, or were to: when, on what, what became of the input
rows, and how they ended. The table pipeline_runs holds them; nothing is written.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset --limit 5
  %(prog)s --summary_file -            # as JSON
"""

COMMAND: Final = Command(
    "runs", "what was run, when, on what, and how it ended", RunsOptions, run, _HELP, _EXAMPLES
)
