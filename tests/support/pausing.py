"""A run that pauses at a moment, so that a test may look at it or end it just there.

python tests/support/pausing.py MOMENT,... FILE COMMAND ...

Reaching a moment for the first time it makes the file, and goes on when the file is gone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import forks
from tests.support.runs import process_environment

MOMENTS = ("reading", "staged", "committing")


def paused(
    moments: str, folder: Path, *arguments: str, stderr: int | None = None
) -> tuple[forks.Fork, Path]:
    """The command in a folder, once it has come to a moment; and the file that holds it there.

    Args:
        moments: some of MOMENTS, with commas between them.
        folder: where the command runs.
        arguments: the command's.
        stderr: the descriptor that it writes to; None for nothing.
    """
    held = folder.with_name(f"{folder.name}.held")
    with open(os.devnull, "w") as nothing:
        out = nothing.fileno()
        run = forks.Fork(
            [moments, str(held), *arguments],
            folder,
            process_environment(),
            (out, out if stderr is None else stderr),
            Path(__file__),
        )
    wait_for(run, held)
    return run, held


def wait_for(run: forks.Fork, held: Path) -> None:
    """Wait until a run has come to its next moment."""
    while not held.exists():
        assert run.poll() is None, "the run ended before the moment"
        time.sleep(0.02)


def _main() -> int:
    from pipeline.__main__ import main
    from pipeline.inputs import csv_ranges
    from pipeline.warehouse import duckdb

    moments, path, *arguments = sys.argv[1:]
    held, ahead = Path(path), moments.split(",")

    def pause(moment: str) -> None:
        if moment not in ahead:
            return
        ahead.remove(moment)
        held.touch()
        while held.exists():
            time.sleep(0.02)

    read_blocks, apply = vars(csv_ranges)["read_blocks"], vars(duckdb)["apply"]
    commit = duckdb.DuckDBWarehouse.commit

    def reading(*given: Any) -> Iterator[Any]:
        yield from read_blocks(*given)
        pause("reading")

    def staged(*given: Any) -> Any:
        pause("staged")
        return commit(*given)

    def committing(connection: Any, changes: Any) -> None:
        half = [change.table.name for change in changes].index("growth_metrics") + 1
        apply(connection, changes[:half])
        pause("committing")
        apply(connection, changes[half:])

    with (
        patch.object(csv_ranges, "read_blocks", reading),
        patch.object(duckdb.DuckDBWarehouse, "commit", staged),
        patch.object(duckdb, "apply", committing),
    ):
        return main(arguments)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    sys.exit(_main())
