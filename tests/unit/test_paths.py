"""Paths and commands as people type them, and as messages name them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.__main__ import parsers
from pipeline.options.option_values import output_file
from pipeline.paths import typed_program
from pipeline.replay.editing import Edit
from pipeline.warehouse import open_warehouse


def test_a_tilde_that_no_shell_saw_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    assert output_file("~/run.json") == str(home / "run.json")
    (home / "correct.py").write_text("#!/bin/cat\n")
    (home / "correct.py").chmod(0o700)
    assert Edit.of("~/correct.py").command == [str(home / "correct.py")]
    warehouse = open_warehouse("duckdb:///x.duckdb")
    with warehouse.lock((), "~/stage", "run") as folder:
        assert Path(folder).is_relative_to(home / "stage")
    assert not (tmp_path / "~").exists()
    (tmp_path / "~").mkdir()
    assert output_file("~/run.json") == str(home / "run.json")
    (tmp_path / "~/run.json").touch()
    assert output_file("~/run.json") == str(tmp_path / "~/run.json")


def test_help_types_the_python_that_has_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my env/bin/python"
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.chdir(tmp_path.parent)
    typed = f"'{tmp_path.name}/my env/bin/python' -m pipeline"
    assert typed_program() == typed
    parser, commands = parsers()
    for page in (parser.format_help(), *(each.format_help() for each in commands.values())):
        # argparse breaks the first paragraph into lines.
        _, _, body = page.partition("\n\n")
        assert page.startswith("usage: ")
        assert "-m pipeline" not in body.replace(typed, "")
    assert f"  {typed} batch --input 'events/*.csv'" in commands["batch"].format_help()
