"""Commands: one frozen class of options each, built and checked once from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import FrozenInstanceError, fields
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.__main__ import COMMANDS, command_named, parsers
from pipeline.commands import flex_template
from pipeline.commands.batch import BatchOptions
from pipeline.commands.command import Command
from pipeline.commands.replay import ReplayOptions
from pipeline.errors import OptionError
from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.runners import Runner
from pipeline.launch.tables_built import types_of_tables
from pipeline.warehouse import Warehouse
from pipeline.warehouse.noted_settings import settings_of_tables
from tests.support.repository import ROOT
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.dim_users import COUNT_COLUMNS
from transforms.state import warehouse_settings

# What a command can't do without.
NEEDED = {
    "batch": ["--input", "a.csv"],
    "update": ["--input", "a.csv"],
    "stream": ["--subscription", "projects/project-1/subscriptions/events"],
    "forget": ["--user_ids", "ids.txt"],
    "inspect": ["--input", "a.csv"],
    "publish": ["--input", "a.csv", "--topic", "projects/project-1/topics/events"],
}


def built(name: str, *words: str) -> Any:
    """The options that a command is run with."""
    found: list[Any] = []
    known = command_named(name)
    command = Command(name, known.summary, known.options, found.append, known.description)
    parser, _ = parsers()
    given = [*NEEDED.get(name, []), *words]
    namespace, rest = parser.parse_known_args([name, *given])
    command.start(namespace, rest, given)
    return found[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_built_once_and_stay(name: str) -> None:
    options = built(name)
    assert command_named(name).name == name
    own = {option.name: option for option in command_named(name).declared}
    assert {found.name for found in fields(options)} - {"beam"} == set(own)
    for option in own.values():
        default = option.default
        expected = option.parse(default) if isinstance(default, str) else default
        if not option.many and f"--{option.name}" not in NEEDED.get(name, []):
            assert getattr(options, option.name) == expected
    with pytest.raises(FrozenInstanceError):
        options.warehouse = "duckdb:///other.duckdb"


def test_values_have_their_types() -> None:
    options = built("batch", "--active_event_types", "like,share", "--max_shrink_pct=3")
    assert options == BatchOptions(
        input=("a.csv",),
        active_event_types=AskedFigures(("share", "like")),
        max_shrink_pct=3.0,
        beam=options.beam,
    )
    assert options.beam.values == {}


def test_options_of_beam_are_kept_beside_ours() -> None:
    beam = built("batch", "--temp_location", "gs://bucket/tmp", "--quality=off").beam
    assert beam.temp_location == "gs://bucket/tmp"
    assert beam.own == ("--temp_location", "gs://bucket/tmp")
    assert beam.whole[-1] == "--quality=off"


@pytest.mark.parametrize(
    "name", ["check", "docs", "inspect", "publish", "report", "sample", "superset"]
)
def test_a_command_without_a_graph_refuses_options_of_beam(name: str) -> None:
    with pytest.raises(OptionError, match="there is no option --runner"):
        built(name, "--runner=DirectRunner")


def test_options_that_contradict_each_other_are_no_options() -> None:
    with pytest.raises(OptionError, match="--edit and --input do not go together"):
        ReplayOptions(edit="s/a/b/", input="corrected.csv")
    with pytest.raises(OptionError, match="--input is missing"):
        BatchOptions()


@pytest.mark.parametrize("name", ["batch", "stream"])
def test_beam_can_write_our_options_down(name: str) -> None:
    """Dataflow is sent all options of a job as JSON."""
    command, runner = command_named(name), Runner("DataflowRunner", local=False, workers=None)
    words = [*NEEDED[name], "--active_event_types=like,share"]
    shown = pipeline_options(runner, words, name, command.declared).get_all_options()
    assert json.loads(json.dumps(shown))["active_event_types"] == "share,like"
    unsaid = pipeline_options(runner, NEEDED[name], name, command.declared).get_all_options()
    # A stream's are those of its tables; Beam keeps the options of all commands of a process.
    assert json.loads(json.dumps(unsaid))["active_event_types"] in (None, str(FigureSettings()))


def test_the_command_line_imports_nothing_that_takes_long() -> None:
    slow = ("apache_beam", "pyarrow", "numpy", "duckdb", "google.auth", "rich")
    program = f"import sys, pipeline.__main__; print([m for m in {slow} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"


def test_a_templates_launcher_becomes_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    words = ["launch.py", "--input=gs://b/a.csv", "--no_auth=true", "--summary_file="]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(os, "execv", lambda _, arguments: started.append(arguments))
    flex_template.launch()
    assert started == [
        [sys.executable, "-m", "pipeline", "batch", "--input=gs://b/a.csv", "--no_auth"]
    ]


LIKE, SHARE = FigureSettings(("like",)), FigureSettings(("share",))
ASKED_LIKE, ASKED_SHARE = AskedFigures(("like",)), AskedFigures(("share",))


def noting(settings: dict[str, str] | None, earlier: tuple[str, ...] | None = None) -> Warehouse:
    """A warehouse with these settings, or without their table, and an earlier version's note."""
    table = warehouse_settings.TABLE
    rows = warehouse_settings.rows(settings or {}, datetime(2026, 1, 1))
    return cast(
        Warehouse,
        SimpleNamespace(
            kept_open=nullcontext,
            present=lambda: set() if settings is None else {table.name},
            read=lambda _: rows,
            active_event_types=lambda: earlier,
        ),
    )


def test_a_setting_counts_before_an_earlier_versions_note() -> None:
    noted = {"active_event_types": "like"}
    assert types_of_tables(noting(noted), None) == LIKE
    assert types_of_tables(noting(noted, ("share",)), None) == LIKE
    assert types_of_tables(noting({}, ("share",)), None) == SHARE
    assert settings_of_tables(noting(noted)) == noted


@pytest.mark.parametrize(
    ("noted", "asked", "expected"),
    [
        (None, None, None),
        (("like",), None, LIKE),
        (None, ASKED_SHARE, SHARE),
        (("like",), ASKED_LIKE, LIKE),
    ],
)
def test_active_event_types_are_those_of_the_tables(
    noted: tuple[str, ...] | None, asked: AskedFigures | None, expected: FigureSettings
) -> None:
    assert types_of_tables(noting(None, noted), asked) == expected


def test_other_active_event_types_than_those_of_the_tables_are_refused() -> None:
    with pytest.raises(OptionError, match="like: the tables were built with share"):
        types_of_tables(noting(None, ("share",)), ASKED_LIKE)


def test_active_event_types_have_codes_and_a_sum() -> None:
    types = FigureSettings(("miles_earned", "like"))
    assert types.codes == (0, 3)
    found = types.active_users(COUNT_COLUMNS, "active_days")
    assert found == "(miles_earned_transactions + like_events)"
    assert str(types) == "miles_earned,like"
