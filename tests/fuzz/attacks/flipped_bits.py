"""Bits that flip in compressed input and in staged files: refused, or without effect."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.warehouse.changes import Change
from pipeline.warehouse.duckdb import DuckDBWarehouse
from tests.fuzz import texts
from tests.fuzz.refusals import check_left, refusal
from tests.support.runs import Run, contents, run_graph
from tests.support.tables import csv_text

_FLIPS = 12


def case(chance: random.Random, folder: Path) -> int:
    """Runs over one file with a bit flipped here and there; counts the flips."""
    rows = [texts.row(chance) for _ in range(chance.choice([30, 400]))]
    path, database = folder / "events.csv.gz", folder / "fuzz.duckdb"
    path.write_bytes(gzip.compress(csv_text(rows[:10])))
    run_graph([path], database)
    before, stored = contents(database), database.read_bytes()
    sound = gzip.compress(csv_text(rows))
    path.write_bytes(sound)
    run_graph([path], database)
    after = contents(database)
    for _ in range(_FLIPS):
        database.write_bytes(stored)
        if chance.random() < 0.4:
            path.write_bytes(flipped(chance, sound))
            refused = refusal([path], database, Run())
        else:
            path.write_bytes(sound)
            refused = _with_staging_flipped(chance, path, database)
        check_left(database, refused, before, [after])
    return _FLIPS


def _with_staging_flipped(chance: random.Random, path: Path, database: Path) -> str | None:
    """A run of which a staged file is changed before it is loaded."""
    commit = DuckDBWarehouse.commit

    def flip_and_commit(self: DuckDBWarehouse, changes: Sequence[Change], *others: Any) -> Any:
        files = [file for change in changes for file in change.files]
        staged = Path(chance.choice(sorted(files)).path)
        staged.write_bytes(flipped(chance, staged.read_bytes()))
        return commit(self, changes, *others)

    with patch.object(DuckDBWarehouse, "commit", flip_and_commit):
        return refusal([path], database, Run(user_shards=chance.choice([1, 3])))


def flipped(chance: random.Random, data: bytes) -> bytes:
    """Data with one bit changed."""
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)
