"""Commands that are printed before they run, as they can be typed."""

from __future__ import annotations

import json
import shlex
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import OptionError, RunError

# Of a file's text, in characters.
_SHOWN: Final = 1_000


@dataclass(frozen=True)
class Command:
    """A command of a step.

    Attributes:
        words: it itself; "{}" stands for what `of` prints.
        unless: a command whose success shows that this one is done already.
        of: a command that finds what stands for "{}".
        missing: what to say where that finds nothing.
    """

    words: Sequence[str]
    unless: Sequence[str] = ()
    of: Sequence[str] = ()
    missing: str = ""


@dataclass(frozen=True)
class Step:
    """What a make target does.

    Attributes:
        commands: one after another.
        files: what they read, by path below the repository.
        first: what must be done before; a dry run says it, any other is refused.
    """

    commands: Sequence[Command]
    files: Mapping[str, str]
    first: str = ""


def perform(step: Step, folder: Path, *, dry: bool) -> None:
    """Print the commands of a step and, unless it is a dry run, run each of them.

    Args:
        step: the commands, and the files that they read.
        folder: where they run, below which the files lie.
        dry: whether they are printed only.

    Raises:
        OptionError: if something must be done before.
        RunError: if what a command needs is not found.
        CalledProcessError: if one fails.
    """
    if step.first and not dry:
        raise OptionError(step.first)
    if step.first:
        print(f"# before that: {step.first}")
    for path, text in step.files.items():
        print(f"# {path}: {textwrap.shorten(json.dumps(json.loads(text)), _SHOWN)}")
        if not dry:
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_text(text)
    for command in step.commands:
        if command.unless:
            print(f"# unless this succeeds: {shlex.join(command.unless)}", flush=True)
        if dry:
            _print(_substituted(command, f"$({shlex.join(command.of)})"))
        elif not command.unless or _fails(command.unless, folder):
            _run(command, folder)


def _substituted(command: Command, found: str) -> list[str]:
    return [found if word == "{}" else word for word in command.words]


def _print(words: Sequence[str]) -> None:
    print(" ".join(w if w.startswith("$(") else shlex.quote(w) for w in words), flush=True)


def _run(command: Command, folder: Path) -> None:
    found = ""
    if command.of:
        _print(command.of)
        listed = subprocess.run(
            command.of, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
        found = listed.stdout.strip()
        if not found:
            raise RunError(command.missing)
    words = _substituted(command, found)
    _print(words)
    subprocess.run(words, cwd=folder, check=True)


def _fails(words: Sequence[str], folder: Path) -> bool:
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode != 0
