"""Small batches of random files, in any order, cut and repetition, against the oracle's SQL."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

from tests.fuzz import csv_text, texts
from tests.fuzz.contract import TYPES
from tests.fuzz.plain_csv import outcomes
from tests.fuzz.tables import check_tables
from tests.support.runs import Run, run_graph
from tests.support.tables import NOW


def case(chance: random.Random, folder: Path) -> int:
    """A run, and now and then a rerun over the same rows in other files."""
    rows = [texts.row(chance) for _ in range(chance.choice([0, 3, 40, 300]))]
    rows += chance.choices(rows, k=len(rows) // 5) if rows else []
    active = chance.choice([TYPES, TYPES, ("share",), ("miles_earned", "like")])
    for attempt in range(chance.choice([1, 1, 2])):
        chance.shuffle(rows)
        files = written(chance, rows, folder / str(attempt))
        run = Run(
            user_shards=chance.choice([1, 2, 7, 64]),
            range_bytes=chance.choice([None, 300, 5_000]),
            active_types=active,
            started_at=NOW,
        )
        results = [outcome.result for _, text in files for outcome in outcomes(text, NOW)]
        ours = run_graph([path for path, _ in files], folder / "fuzz.duckdb", run)
        check_tables(ours, results, active)
    return attempt + 1


def written(
    chance: random.Random, rows: list[dict[str, str]], folder: Path
) -> list[tuple[Path, bytes]]:
    """Rows in some files, compressed or not; gives their paths and texts."""
    folder.mkdir()
    cuts = sorted(chance.choices(range(len(rows) + 1), k=chance.randrange(4)))
    files = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        text = csv_text.file_of(chance, csv_text.header(chance), rows[start:end])
        if chance.random() < 0.2:
            text = csv_text.mutated(chance, text)
        path = folder / f"{number}{chance.choice(['.csv', '.csv.gz'])}"
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        files.append((path, text))
    chance.shuffle(files)
    return files
