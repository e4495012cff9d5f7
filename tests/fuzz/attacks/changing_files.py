"""Input that changes while a run reads it: refused, or read as it was."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz import texts
from tests.fuzz.refusals import check_left, refusal
from tests.support.runs import Run, contents, run_graph
from tests.support.tables import csv_text

# What is called at each file that this process opens: a hook that Python has for ever once it is
# there, so it is one for all cases.
_watchers: list[Callable[[str], None]] = []


def case(chance: random.Random, folder: Path) -> int:
    """A run over some files of which one changes at a random moment."""
    database = folder / "fuzz.duckdb"
    paths = [folder / f"{number}.csv" for number in range(chance.choice([1, 3]))]
    rows = [texts.row(chance) for _ in range(chance.choice([40, 600]))]
    for path in paths:
        path.write_bytes(csv_text(chance.choices(rows, k=len(rows))))
    run = Run(user_shards=2, range_bytes=chance.choice([None, 500, 5_000]))
    run_graph(paths[:1], database, run)
    before, stored = contents(database), database.read_bytes()
    results = [before]
    run_graph(paths, database, run)
    results.append(contents(database))
    database.write_bytes(stored)
    victim = chance.choice(paths)
    change = chance.choice(_CHANGES)
    moment = chance.randrange(1, 60)
    opened = 0

    def watch(path: str) -> None:
        nonlocal opened
        opened += path.startswith(str(folder))
        if opened == moment:
            _watchers.clear()
            change(chance, victim, rows)

    _listen()
    _watchers.append(watch)
    try:
        refused = refusal(paths, database, run)
    finally:
        _watchers.clear()
    changed = folder / "changed.duckdb"
    # What is left may be no file of events, such as half a header.
    if refusal(paths, changed, run) is None:
        results.append(contents(changed))
    check_left(database, refused, before, results[1:])
    return 1


def _listen() -> None:
    if _heard not in _heards:
        _heards.append(_heard)
        sys.addaudithook(_heard)


_heards: list[Callable[[str, tuple[Any, ...]], None]] = []


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watchers and isinstance(arguments[0], str):
        for watcher in [*_watchers]:
            watcher(arguments[0])


def _truncate(chance: random.Random, path: Path, rows: list[dict[str, str]]) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _grow(chance: random.Random, path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("ab") as file:
        file.write(csv_text(chance.choices(rows, k=20)).split(b"\n", 1)[1])


def _rewrite(chance: random.Random, path: Path, rows: list[dict[str, str]]) -> None:
    path.write_bytes(csv_text(chance.choices(rows, k=len(rows))))


def _replace(chance: random.Random, path: Path, rows: list[dict[str, str]]) -> None:
    columns = list(rows[0])
    chance.shuffle(columns)
    other = path.with_suffix(".new")
    other.write_bytes(csv_text(chance.choices(rows, k=len(rows)), columns))
    other.replace(path)


def _remove(chance: random.Random, path: Path, rows: list[dict[str, str]]) -> None:
    path.unlink()
    path.touch()


_CHANGES = (_truncate, _grow, _rewrite, _replace, _remove)
