"""A run that pauses at a moment, so that a test may end it just there.

python -m tests.support.pausing MOMENT FILE COMMAND ...

Reaching the moment it makes the file, and goes on when the file is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.runs import process_environment

MOMENTS = ("reading", "staged", "committing")


def paused(
    moment: str, folder: Path, *arguments: str, **options: Any
) -> tuple[subprocess.Popen[str], Path]:
    """The command in a folder, once it has come to a moment; and the file that holds it there."""
    held = folder.with_name(f"{folder.name}.held")
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.support.pausing", moment, str(held), *arguments],
        cwd=folder,
        env=process_environment(),
        text=True,
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options},
    )
    while not held.exists():
        assert run.poll() is None, "the run ended before the moment"
        time.sleep(0.02)
    return run, held


def _main() -> int:
    from pipeline import sources
    from pipeline.__main__ import main
    from pipeline.warehouse import duckdb

    moment, path, *arguments = sys.argv[1:]
    held = Path(path)

    def pause() -> None:
        held.touch()
        while held.exists():
            time.sleep(0.02)

    read_blocks, apply = vars(sources)["read_blocks"], vars(duckdb)["apply"]
    commit = duckdb.DuckDBWarehouse.commit

    def reading(*given: Any) -> Iterator[Any]:
        yield from read_blocks(*given)
        pause()

    def staged(*given: Any) -> Any:
        pause()
        return commit(*given)

    def committing(connection: Any, change: Any, *others: Any) -> Any:
        applied = apply(connection, change, *others)
        if change.table.name == "growth_metrics":
            pause()
        return applied

    patches: dict[str, Callable[[], None]] = {
        "reading": lambda: setattr(sources, "read_blocks", reading),
        "staged": lambda: setattr(duckdb.DuckDBWarehouse, "commit", staged),
        "committing": lambda: setattr(duckdb, "apply", committing),
    }
    patches[moment]()
    return main(arguments)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    sys.exit(_main())
