"""The data dictionary is that of the contract."""

from __future__ import annotations

from pathlib import Path

from pipeline.dictionary.data_dictionary import data_dictionary
from tests.support.quality import CHECKS
from transforms.marts.registry import ALL_TABLES, MENDS

_WRITTEN = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_written_one_is_not_stale() -> None:
    assert _WRITTEN.read_text() == data_dictionary(), "run python -m pipeline docs"


def test_every_table_column_and_check_is_in_it() -> None:
    text = data_dictionary()
    for table in (*ALL_TABLES, MENDS):
        section = text.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        for column in table.columns:
            assert (
                f"| `{column.name}`{'*' if column.required else ''} | {column.type.value} |"
                in section
            )
        for check in CHECKS:
            assert (
                f"`{check.check_id.removeprefix(table.name + '.')}`" in section
            ) or check.table != table.name
