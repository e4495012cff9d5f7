"""What is said of a warehouse's columns, which few tests look at.

DuckDB takes 0.25 ms for each of 300 descriptions: a third of the commit of a small batch. In tests
it is told of tables alone, and of columns too where a test uses the fixture `described`, in
commands that run as forks, and everywhere under THOROUGH=1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.warehouse.duckdb import declarations
from tests.support.thorough import THOROUGH
from transforms.contract import Table

IN_FULL: Final = declarations._descriptions


def leave_out_columns() -> None:
    """Describe no columns, in this process and from now on."""
    if not THOROUGH:
        declarations._descriptions = _of_the_table


def _of_the_table(table: Table) -> Mapping[str | None, str]:
    return {None: table.description}
