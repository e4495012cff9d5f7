"""The data dictionary is that of the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import docs
from pipeline.dictionary.data_dictionary import data_dictionary
from pipeline.dictionary.state_page import state_page
from tests.support.quality import CHECKS
from transforms.marts.registry import ALL_TABLES, CORRECTIONS
from transforms.state.registry import STATE_TABLES

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("name", "page"), [("tables", data_dictionary), ("state", state_page)])
def test_the_written_one_is_not_stale(name: str, page: Callable[[], str]) -> None:
    assert (_DOCS / f"{name}.md").read_text() == page(), "run python -m pipeline docs"


def test_state_tables_have_a_page_of_their_own() -> None:
    text = state_page()
    for table in STATE_TABLES.values():
        section = text.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        assert all(f"| `{column.name}`" in section for column in table.columns)
        assert table.name not in data_dictionary()


def test_docs_writes_both_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs.run(docs.DocsOptions(str(tmp_path / "new" / "t.md")))
    assert (tmp_path / "new" / "t.md").read_text() == data_dictionary()
    assert (tmp_path / "new" / "state.md").read_text() == state_page()
    assert capsys.readouterr().out.count(": written") == 1


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
