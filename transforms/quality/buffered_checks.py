"""Checks over parts of tables, in which one statement looks at several parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from transforms.contract import Table
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check

# Planning a statement takes as long as running it over so many bytes.
BUFFERED_BYTES: Final = 16 << 20


class BufferedChecks:
    """Evaluates checks over parts, each of which holds whole groups of rows of several tables.

    Args:
        checks: those to evaluate; none for no results.
        tables: the contracts of all tables, by name.
        waiting: the tables whose conditions wait until some parts are together; the first of
            them says by its size when they are enough.
    """

    def __init__(
        self, checks: Sequence[Check], tables: Mapping[str, Table], waiting: Sequence[str]
    ):
        self._checks, self._names = checks, waiting
        self._over = ArrowChecks(checks, tables)
        self.begin()

    def begin(self) -> None:
        """Forget what waits: a bundle that failed begins again."""
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in self._names}
        self._waiting_bytes = 0

    def evaluate(self, rows: Mapping[str, pa.Table]) -> CheckCounts:
        """What a part's tables come to, and perhaps those that waited."""
        if not self._checks:
            return CheckCounts()
        for name, parts in self._waiting.items():
            parts.append(rows[name])
        self._waiting_bytes += rows[self._names[0]].nbytes
        counts = [self._over.look(rows), self._over.scan(rows, rows.keys() - self._waiting.keys())]
        if self._waiting_bytes > BUFFERED_BYTES:
            counts.append(self.finish())
        return CheckCounts.total(counts)

    def finish(self) -> CheckCounts:
        """What the tables that waited come to."""
        if not self._waiting[self._names[0]]:
            return CheckCounts()
        rows = {name: pa.concat_tables(parts) for name, parts in self._waiting.items()}
        self.begin()
        return self._over.scan(rows, rows)

    def close(self) -> None:
        """Let go of what the evaluation needs."""
        self._over.close()
