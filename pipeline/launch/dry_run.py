"""Dry runs: options are checked and the graph is translated; nothing is started or written.

`--dry_run True` still looks at what is there: input files, tables, the subscription. With
`--no_auth` it asks nobody, so that it works without network and credentials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.errors import OptionError
from pipeline.launch.runners import Runner
from pipeline.terminal import print_line
from pipeline.warehouse import TableReader, TableWriter, Warehouse
from transforms.contract import Table


@dataclass(frozen=True)
class DryRun:
    """Whether a run is a dry one.

    Attributes:
        asked: whether it is.
        offline: whether it is, and may ask nobody.
    """

    asked: bool
    offline: bool

    def check(
        self, writer: TableWriter, tables: Sequence[Table], temp_location: str | None
    ) -> None:
        """See `TableWriter.check`; offline only as far as it needs no network."""
        if self.offline:
            writer.check_staging(temp_location)
        else:
            writer.check(tables, temp_location)

    def writer(self, warehouse: Warehouse) -> TableWriter | None:
        """Who may claim and write the tables: nobody, in a dry run."""
        return None if self.asked else warehouse

    def reader(self, warehouse: Warehouse) -> TableReader | None:
        """Who may look at the tables; nobody offline."""
        return None if self.offline else warehouse

    def folder(self, temp_location: str | None, run: str) -> str:
        """A name for the folder of staged files, which is not made."""
        return f"{str(temp_location).rstrip('/')}/dry-run/{run}"

    def print_ending(self) -> None:
        """Say at the end of a dry run that it was one."""
        if self.asked:
            print_line(
                "Dry run: the graph is translated for Dataflow; nothing was started or written"
            )


REAL_RUN: Final = DryRun(asked=False, offline=False)


def dry_run_of(given: Mapping[str, str], runner: Runner) -> DryRun:
    """What Beam's options say of a dry run.

    Raises:
        OptionError: if they ask for one in a way that Beam would understand otherwise.
    """
    if "dry_run" not in given:
        return REAL_RUN
    if given["dry_run"].lower() in ("false", "0", "no", ""):
        raise OptionError("--dry_run: Beam takes any value for true; leave it out for a real run")
    if runner.local:
        raise OptionError("--dry_run translates for Dataflow: add --runner DataflowRunner")
    return DryRun(asked=True, offline="no_auth" in given)
