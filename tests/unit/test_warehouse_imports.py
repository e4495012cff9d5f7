"""A warehouse knows nothing of Beam, of checks or of what runs around it; nor do sealed flushes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

WAREHOUSE = sorted((ROOT / "pipeline" / "warehouse").rglob("*.py"))
# Of the pipeline what has no knowledge of tables: errors, paths, files, lines on a terminal.
BELOW = (
    *("pipeline.__version__", "pipeline.errors.", "pipeline.paths.", "pipeline.google_names."),
    *("pipeline.storage", "pipeline.terminal.", "pipeline.warehouse."),
)


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("path", WAREHOUSE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_imports_neither_beam_nor_checks_nor_what_is_above(path: Path) -> None:
    for name in imported(path.read_text()):
        assert not name.startswith(("apache_beam", "transforms.quality")), name
        assert name.startswith(BELOW) or not name.startswith("pipeline"), name


@pytest.mark.parametrize("home", ["duckdb", "bigquery"])
def test_what_both_homes_share_knows_neither(home: str) -> None:
    shared = [path for path in WAREHOUSE if path.parent.name == "warehouse"]
    assert len(shared) > 5
    for path in shared:
        # The table of homes names them, once somebody asks for one.
        found = [
            name
            for name in imported(path.read_text())
            if name.startswith(f"pipeline.warehouse.{home}")
        ]
        assert len(found) == (path.stem == "__init__"), path


def test_flushes_and_plans_need_no_beam() -> None:
    code = (
        "import sys, pipeline.sinks.flush_state, pipeline.sinks.commit_plan; "
        "sys.exit('apache_beam' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
