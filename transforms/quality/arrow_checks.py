"""Checks over Arrow tables, whose errors name the check that can't be evaluated."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from transforms.data_error import DataError
from transforms.quality.arrow_evaluation import ArrowEvaluation
from transforms.quality.check_counts import CheckCounts
from transforms.quality.trial import WRONG, first_words, refuse_wrong


class ArrowChecks(ArrowEvaluation):
    """Evaluates checks over Arrow tables, in one thread at a time.

    `look`, `scan` and `evaluate` raise DataError where a check is wrong, or meets rows that it
    can't be evaluated on.
    """

    def look(self, rows: Mapping[str, pa.Table]) -> CheckCounts:
        """See `ArrowEvaluation.look`."""
        with self._explained():
            return super().look(rows)

    def scan(self, rows: Mapping[str, pa.Table], of: Container[str]) -> CheckCounts:
        """See `ArrowEvaluation.scan`."""
        with self._explained():
            return super().scan(rows, of)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Name the check that can't be evaluated: the error is that of a statement of many."""
        try:
            yield
        except (duckdb.InterruptException, duckdb.ConnectionException):
            raise  # Of `close`: what it is closed for is what went wrong.
        except (MemoryError, duckdb.OutOfMemoryException):
            raise  # No check is wrong.
        except WRONG as error:
            refuse_wrong(self._checks, self._tables)
            if not isinstance(error, duckdb.Error):
                raise
            raise DataError(f"checks can't be evaluated: {first_words(error)}") from error
