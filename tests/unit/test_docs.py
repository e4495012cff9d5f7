"""The data dictionary is that of the contract."""

from __future__ import annotations

from pathlib import Path

from pipeline.dictionary.data_dictionary import data_dictionary
from tests.support.quality import CHECKS
from transforms.marts.registry import ALL_TABLES, CORRECTIONS

_WRITTEN = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_written_one_is_not_stale() -> None:
    assert _WRITTEN.read_text() == data_dictionary(), "run python -m pipeline docs"


def test_every_table_column_and_check_is_in_it_checks_behind_all_columns() -> None:
    text, checks = data_dictionary().split("\n## The checks\n")
    for table in (*ALL_TABLES, CORRECTIONS):
        section = text.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        for column in table.columns:
            assert (
                f"| `{column.name}`{'*' if column.required else ''} | {column.type.value} |"
                in section
            )
        assert "| check |" not in section
    for check in CHECKS:
        section = checks.split(f"\n### Checks of {check.table}\n")[1].split("\n### ")[0]
        assert f"`{check.check_id.removeprefix(check.table + '.')}`" in section
