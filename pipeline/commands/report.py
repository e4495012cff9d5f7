"""The report command: growth as one HTML page."""

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
class ReportOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    output: str = given_by(output("HTML file", "growth.html"))


def run(options: ReportOptions) -> None:
    """Write the report of a warehouse, and say where it is.

    Raises:
        OptionError: if the page would overwrite the warehouse.
        RunError: if the marts are missing or can't be read, or the file can't be written.
    """
    from pipeline.moments import utc_now
    from pipeline.report.write_report import report_page
    from pipeline.whole_file import write_whole

    warehouse = opened_beside(options.warehouse, options.output)
    text = report_page(warehouse, utc_now())
    write_whole(options.output, text.encode())
    print_line(
        f"The growth report: {Path(options.output).resolve()} ({len(text.encode()) / 1e6:.1f} MB). "
        "Open it in a browser; it needs no network"
    )


_HELP: Final = """\
Write growth as one HTML page for people who decide: the last complete month in words, growth
accounting, quick ratio, retention, active users, segments, miles, and what is known of the data
itself. Periods that still run are marked, and never judged.

The page needs no network and no server, and it can be mailed. It reads marts, which are sums over
users, and counts; nothing in it names a user.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset --output reports/growth.html

exit codes: 0 written; 1 the tables can't be read, or the file can't be written; 2 a wrong option
"""

COMMAND: Final = Command("report", "growth as one HTML page", ReportOptions, run, _HELP, _EXAMPLES)
