"""Commands in this process, for tests that need no other one: a fork takes 0.2 s more."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from pathlib import Path
from typing import Final
from unittest import mock

from pipeline.__main__ import command_named, main
from pipeline.options.option import Parser
from tests.support.runs import WIDTH
from tests.support.thorough import THOROUGH

_QUALITY: Final = "--quality"


def start(name: str, *arguments: str) -> None:
    """Start a command that checks its tables only under THOROUGH=1, or as it is told.

    Raises:
        Whatever the command raises.
    """
    command, words = command_named(name), _unchecked(name, arguments)
    parser = Parser()
    command.declare(parser)
    command.start(*parser.parse_known_args(words), words)


def command_here(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same from the command line in a folder; gives what `command` gives of a process.

    What is logged is pytest's, and not in stderr.
    """
    words = [name, *_unchecked(name, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=WIDTH),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _unchecked(name: str, arguments: tuple[str, ...]) -> list[str]:
    takes_it = any(option.name == "quality" for option in command_named(name).declared)
    # Where tests are thorough commands check as they do by themselves.
    added = [_QUALITY, "off"] if not THOROUGH and takes_it and _QUALITY not in arguments else []
    return [*arguments, *added]
