"""Imports of pipeline point one way, from folder to folder; a module's name stands once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

# Each imports those above it alone. Modules without a folder are the ground that all stand on.
_LAYERS = (
    ("",),
    ("options", "inputs", "sample", "dictionary"),
    ("warehouse", "pubsub"),
    ("sinks", "display"),
    ("graphs",),
    ("launch",),
    ("replay",),
    ("commands",),
    ("__main__",),
)
_LAYER_OF = {folder: layer for layer, folders in enumerate(_LAYERS) for folder in folders}
# Each stands once in pipeline and once in transforms, and says the same of both.
_TWICE = {"__init__", "__main__"}

MODULES = sorted((ROOT / "pipeline").rglob("*.py"))


def folder_of(module: str) -> str:
    """The folder of a module of pipeline; "" for none."""
    name = module.split(".")[1] if "." in module else ""
    return name if name == "__main__" or (ROOT / "pipeline" / name).is_dir() else ""


def imported(path: Path) -> Iterator[str]:
    """The modules of pipeline that a file imports, now or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            yield from (f"pipeline.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("pipeline."):
            yield str(node.module)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_those_below_it_alone(path: Path) -> None:
    own = folder_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in imported(path):
        other = folder_of(module)
        assert other == own or _LAYER_OF[other] < _LAYER_OF[own], module


def test_every_module_has_a_name_of_its_own() -> None:
    places = [path for name in ("pipeline", "transforms") for path in (ROOT / name).rglob("*.py")]
    found = Counter(path.stem for path in places)
    assert {name for name, number in found.items() if number > 1} <= _TWICE
