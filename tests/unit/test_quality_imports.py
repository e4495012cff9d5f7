"""The house of checks stands on contracts and kernels alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

HOUSE = sorted((ROOT / "transforms" / "quality").glob("*.py"))
BELOW = ("transforms.contract", "transforms.data_error", "transforms.google_sql")


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("path", HOUSE, ids=lambda path: path.stem)
def test_it_imports_neither_marts_nor_warehouses_nor_beam(path: Path) -> None:
    allowed = (*BELOW, "transforms.kernels.", "transforms.quality.")
    for name in imported(path.read_text()):
        assert not name.startswith(("pipeline", "apache_beam")), name
        assert name.startswith(allowed) or not name.startswith("transforms"), name


def test_what_is_declared_stands_on_nothing_of_ours() -> None:
    source = (ROOT / "transforms" / "quality" / "declaration.py").read_text()
    assert not [name for name in imported(source) if name.startswith("transforms")]
