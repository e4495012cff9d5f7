"""Imports point one way: from what runs to what is computed, and from there to what a table is."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]

# From the top down; a module imports from its own layer and from those below it. A name stands for
# the module or for the folder and all in it; the longest name counts.
LAYERS: Final = (
    ("pipeline.__main__",),
    ("pipeline.commands",),
    (
        "pipeline.replay",
        "pipeline.forget",
        "pipeline.dictionary",
        "pipeline.sample",
        "pipeline.report",
        "pipeline.superset",
    ),
    ("pipeline.launch",),
    (
        "pipeline.alerts",
        "pipeline.display",
        "pipeline.pubsub",
        "pipeline.micro_batches",
        "pipeline.local_batch",
    ),
    ("pipeline.graphs",),
    ("pipeline.sinks",),
    ("pipeline.options",),
    ("pipeline.inputs",),
    ("pipeline.warehouse",),
    ("pipeline",),
    ("transforms.streaming",),
    ("transforms",),
    ("transforms.marts", "transforms.state"),
    ("transforms.quality", "transforms.rules"),
    ("transforms.kernels",),
    (
        "transforms.contract",
        "transforms.quality.declaration",
        "transforms.google_sql",
        "transforms.measures",
        "transforms.reckoning",
        "transforms.figure_settings",
        "transforms.vocabulary",
        "transforms.data_error",
    ),
)

WITHOUT_BEAM: Final = (
    "pipeline.local_batch",
    "pipeline.micro_batches.steps_here",
    "pipeline.micro_batches.update_here",
    "pipeline.graphs.batch_commit",
    "pipeline.graphs.batch_job",
    "pipeline.graphs.increment_commit",
    "pipeline.graphs.stored_state",
    "pipeline.inputs.csv_ranges",
    "pipeline.sinks.commit_plan",
    "pipeline.sinks.flush_state",
    "pipeline.sinks.held_counts",
    "pipeline.sinks.run_commit",
    "pipeline.warehouse",
    "transforms.advance_step",
    "transforms.finished_marts",
    "transforms.shard_step",
    "transforms.parse_step",
    "transforms.marts",
    "transforms.state",
    "transforms.quality",
    "transforms.rules",
    "transforms.kernels",
    *LAYERS[-1],
)
NOT_OF_A_WAREHOUSE: Final = ("pipeline.sinks", "transforms.quality")

# Names that stand for a module or a folder more than once, and why.
TWICE: Final = {
    "registry": "of the marts, and of the state tables",
    "replay": "the command, and the folder of what it does",
    "forget": "the command, and the folder of what it does",
    "rules": "checks that marts share, and the folder of how exports are read",
    "report": "the command, and the folder of what it writes",
    "superset": "the command, and the folder of what it writes",
    "sample": "the command, and the folder of what it makes",
}


class Module(NamedTuple):
    """A module and what it imports, be it within a function.

    Attributes:
        name: with dots; a package goes by its folder's.
        is_package: whether it is a folder's `__init__`.
        imports: of our modules the names, of others the first parts.
    """

    name: str
    is_package: bool
    imports: frozenset[str]

    @property
    def folder(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


@cache
def modules() -> dict[str, Module]:
    paths = {
        ".".join(parts.removesuffix("/__init__").split("/")): path
        for folder in ("pipeline", "transforms")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for parts in [path.relative_to(ROOT).with_suffix("").as_posix()]
    }
    return {
        name: Module(
            name,
            path.name == "__init__.py",
            frozenset(imported(ast.parse(path.read_text()), paths.keys())),
        )
        for name, path in paths.items()
    }


def imported(tree: ast.AST, ours: object) -> Iterator[str]:
    known = set(ours)  # type: ignore[call-overload]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            source = str(node.module)
            names = [f"{source}.{alias.name}" for alias in node.names]
            names = [name if name in known else source for name in names]
        yield from (name if name in known else name.partition(".")[0] for name in names)


def within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def layer(name: str) -> int:
    found = [
        (len(part), number)
        for number, parts in enumerate(LAYERS)
        for part in parts
        if within(name, part)
    ]
    return max(found)[1]


def arrows() -> Iterator[tuple[str, str]]:
    ours = modules()
    for module in ours.values():
        yield from ((module.name, other) for other in sorted(module.imports) if other in ours)


def test_imports_point_downwards() -> None:
    assert [(here, there) for here, there in arrows() if layer(there) < layer(here)] == []


def test_every_name_of_a_layer_is_there() -> None:
    assert {part for parts in LAYERS for part in parts} <= modules().keys()


def test_no_module_imports_itself_over_others() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for here, there in arrows():
        graph[here].add(there)
    TopologicalSorter(graph).prepare()  # Raises CycleError.


def test_no_two_folders_of_a_layer_import_each_other() -> None:
    """Those of other layers can't, but for a package and the folders in it."""
    between = {
        (modules()[here].folder, modules()[there].folder)
        for here, there in arrows()
        if layer(here) == layer(there)
    }
    both = {
        tuple(sorted(pair))
        for pair in between
        if pair[0] != pair[1]
        and pair[::-1] in between
        and not within(*pair)
        and not within(*pair[::-1])
    }
    assert both == set()


@pytest.mark.parametrize("folder", WITHOUT_BEAM)
def test_beam_stays_outside(folder: str) -> None:
    assert [
        module.name
        for module in modules().values()
        if within(module.name, folder) and "apache_beam" in module.imports
    ] == []


def test_a_warehouse_knows_neither_checks_nor_sinks() -> None:
    assert [
        (here, there)
        for here, there in arrows()
        if within(here, "pipeline.warehouse")
        and any(within(there, folder) for folder in NOT_OF_A_WAREHOUSE)
    ] == []


def test_the_homes_of_tables_do_not_know_each_other() -> None:
    homes = ("pipeline.warehouse.bigquery", "pipeline.warehouse.duckdb")
    assert [
        (here, there)
        for here, there in arrows()
        for home, other in (homes, homes[::-1])
        if within(here, home) and within(there, other)
    ] == []


def test_a_name_stands_for_one_module() -> None:
    names = Counter(name.rpartition(".")[2] for name in modules())
    assert {name for name, number in names.items() if number > 1} == TWICE.keys()
