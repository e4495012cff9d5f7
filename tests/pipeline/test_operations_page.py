"""docs/operations.md against the code: commands, settings, labels, messages and sums exist."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import parsers
from pipeline.commands import batch, check, forget, publish, stream, update
from pipeline.options import beam_options
from templates.settings import SETTINGS
from tests.support import batch_graph, streaming_graph, update_graph
from tests.support.deployment import refused
from tests.support.repository import ROOT
from tests.support.streaming_graph import describe
from transforms.marts.registry import TABLES
from transforms.state.registry import STATE_TABLES

PAGE = (ROOT / "docs" / "operations.md").read_text()
ERRORS = PAGE.partition("## What every error message means")[2].partition("What Dataflow says")[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
SET_BY_HAND = {*(setting.name for setting in SETTINGS), "DRY_RUN", "DEPLOY_ENV", "UPGRADE"}


def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def test_every_command_is_of_a_kind_that_is_checked() -> None:
    assert COMMANDS
    for line in COMMANDS:
        assert shlex.split(line)[0] in ("make", "gcloud", "bq", ".venv/bin/python", "cp")


def test_make_targets_and_their_settings_exist() -> None:
    typed = [*COMMANDS, *INLINE]
    made = [shlex.split(line)[1:] for line in typed if re.match(r"make [a-z]", line)]
    assert len(made) > 10
    for words in made:
        for word in words:
            name, equals, _ = word.partition("=")
            assert name in (SET_BY_HAND if equals else targets())
    assert {"grant", "image", "schedule", "drain"} <= {words[0] for words in made}


def test_commands_of_the_pipeline_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.example.com/x")
    parser, _ = parsers()
    command = ".venv/bin/python -m pipeline "
    typed = [line for line in (*COMMANDS, *INLINE) if line.startswith(command)]
    assert len(typed) > 5
    assert "python -m pipeline" not in PAGE.replace(".venv/bin/python", "")
    for line in typed:
        words = shlex.split(line)[3:]
        words = [word for word in words if word not in ("--help", "…")]
        if not words:
            continue
        known, rest = parser.parse_known_args(words)
        if known.command in ("batch", "stream", "update", "rebuild", "replay"):
            beam_options.check(rest, [])
        else:
            assert rest == []


def test_files_that_are_named_exist() -> None:
    named = [
        path for path in INLINE if re.fullmatch(r"(templates|tests|pipeline|docs)/[\w./]+", path)
    ]
    assert named
    copied = [shlex.split(line)[1] for line in COMMANDS if line.startswith("cp ")]
    for path in (*named, *copied):
        assert (ROOT / path).exists()


def test_settings_and_options_that_are_named_exist() -> None:
    ours = {
        option.name
        for module in (batch, check, forget, stream, publish, update)
        for option in module.COMMAND.declared
    }
    known = {*ours, *beam_options.known(), "help"}
    for text in INLINE:
        if re.fullmatch(r"[A-Z][A-Z_]{3,}", text):
            assert text in SET_BY_HAND
        if found := re.fullmatch(r"--([a-z_]+)", text):
            assert found[1] in known
    for line in re.findall(
        r"^\| `([a-z_]+)` \(`(?:BATCH|STREAM)_PARAMETERS`\)", PAGE, re.MULTILINE
    ):
        assert line in ours


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud_knows_every_command(tmp_path: Path) -> None:
    commands = [line for line in (*COMMANDS, *INLINE) if line.startswith("gcloud ")]
    commands = [line for line in commands if line not in ("gcloud auth login",)]
    full = [line for line in commands if "--" in line or "describe" in line]
    assert len(full) > 5
    assert refused(full, tmp_path) == []


def steps(section: str) -> set[str]:
    """The steps that the first table behind a line names."""
    table = PAGE.partition(section)[2].lstrip().partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("section", "graph", "more"),
    [
        ("Batch, in `pipeline/graphs/batch_graph.py`:", batch_graph, set()),
        (
            "Update, in `pipeline/graphs/update_graph.py`:",
            update_graph,
            set(),
        ),
        (
            "Streaming, in `pipeline/graphs/streaming_graph.py`:",
            streaming_graph,
            {"As messages", "Publish dead letters"},
        ),
    ],
)
def test_the_steps_are_those_of_the_graph(section: str, graph: object, more: set[str]) -> None:
    laid_out = graph.laid_out()  # type: ignore[attr-defined]
    labels = {line.partition(" | ")[0].partition("/")[0] for line in describe(laid_out)}
    tables = "|".join((*TABLES, *STATE_TABLES))
    shown = {re.sub(rf"^(Stage|Shard) ({tables})$", r"\1 TABLE", label) for label in labels}
    assert steps(section) == shown | more


def code() -> Iterator[ast.AST]:
    for folder in ("pipeline", "transforms", "templates"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from ast.walk(ast.parse(path.read_text()))


def text_of(node: ast.AST) -> str:
    """A string in code, with … for what is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) for value in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return "…"


def raised() -> Iterator[tuple[str, str]]:
    """The errors that end a run, by kind, as far as their text stands where they are raised."""
    for node in code():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            text = text_of(node.args[0])
            if node.func.id in ("OptionError", "RunError", "DataError") and text.strip("… :().,"):
                yield node.func.id, text


def documented() -> list[list[re.Pattern[str]]]:
    """The messages of the page's table, row by row."""
    rows = [line.split(" | ")[0] for line in ERRORS.splitlines() if line.startswith("| `")]
    return [
        [
            re.compile(".*".join(map(re.escape, text.split("…"))), re.DOTALL)
            for text in re.findall(r"`([^`]+)`", row)
        ]
        for row in rows
    ]


def test_every_error_message_is_explained() -> None:
    options, *others = documented()
    for kind, text in raised():
        rows = [options, *others] if kind == "OptionError" else others
        assert any(pattern.match(text) for row in rows for pattern in row), text


def test_no_error_message_is_explained_that_nobody_raises() -> None:
    texts = {text_of(node) for node in code() if isinstance(node, ast.Constant | ast.JoinedStr)}
    texts |= {f"can't …: {text}" for text in texts} | {text for _, text in raised()}
    for row in documented():
        for pattern in row:
            assert any(pattern.match(text) for text in texts), pattern.pattern


def test_every_sum_of_the_costs_is_right() -> None:
    costs = PAGE.partition("## What it costs")[2].partition("## What to watch")[0]
    sums = [text for text in re.findall(r"`([^`]+)`", costs) if " = " in text]
    assert len(sums) > 25
    for text in sums:
        left, _, right = text.partition(" = ")
        numbers = re.sub(r"[A-Za-z$,]", lambda found: "*" if found[0] == "x" else "", left)
        assert re.fullmatch(r"[\d.+*/ ]+", numbers), text
        shown = right.replace("$", "").replace(",", "")
        rounding = 0.51 * 10.0 ** -len(shown.partition(".")[2])
        assert abs(eval(numbers) - float(shown)) <= max(0.003 * float(shown), rounding), text


def test_links_within_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert anchor in anchors
