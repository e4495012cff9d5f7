"""How far a run on this machine is, for who is watching."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.display.page import megabytes
from pipeline.progress import Progress as Notes
from pipeline.progress import Reached
from pipeline.terminal import Guarded

_POLL_SECONDS: Final = 0.2


@contextmanager
def show_progress(notes: Notes | None, total_bytes: int) -> Iterator[None]:
    """Show on stderr how far a run is; without notes say nothing."""
    if notes is None:
        yield
        return
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=Console(file=cast(IO[str], Guarded(sys.stderr))),
        transient=True,
    )
    done = threading.Event()
    with bar:
        task = bar.add_task("Starting", total=max(total_bytes, 1), detail="")
        watcher = threading.Thread(target=_watch, args=(bar, task, notes, total_bytes, done))
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _watch(
    bar: Progress, task: TaskID, notes: Notes, total_bytes: int, done: threading.Event
) -> None:
    started = time.monotonic()
    before = Reached()
    while not done.wait(_POLL_SECONDS):
        reached = notes.reached()
        bar.update(task, description=_stage(notes, reached, total_bytes))
        if reached == before:
            continue  # Once all is read, the speed of reading stands still.
        before = reached
        speed = reached.records / (time.monotonic() - started)
        detail = (
            f"{megabytes(reached.bytes)} of {megabytes(total_bytes)}, "
            f"{reached.records:,} rows, {speed:,.0f}/s"
        )
        bar.update(task, completed=reached.bytes, detail=detail)


def _stage(notes: Notes, reached: Reached, total_bytes: int) -> str:
    if notes.committing:
        return "Replacing tables"
    return "Sessions, users, sums" if reached.bytes >= total_bytes else "Reading events"
