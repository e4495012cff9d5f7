"""Records corrected by sed or by a program of the user's: one process for all of them.

A record is a line. Its own line breaks travel as the signs for them, U+240A for LF and U+240D for
CR, and become line breaks again. Nothing else is changed: bytes that are no UTF-8 go as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from pipeline.errors import OptionError, RunError
from pipeline.paths import from_home
from pipeline.replay.spool import DeadLetter
from transforms.kernels.dead_letters import Record

_SIGNS: Final = ((b"\n", "\u240a".encode()), (b"\r", "\u240d".encode()))
_SHOWN: Final = 300
# On macOS and BSD, whose own sed is another one, GNU's is called gsed.
_SEDS: Final = ("sed", "gsed")
# A misspelt path may be an expression too: sed takes "clean.py" for a text to put in every place.
_SCRIPTS: Final = (".py", ".sh", ".pl", ".rb", ".awk", ".sed")


@dataclass(frozen=True)
class Edit:
    """How records are corrected.

    Attributes:
        command: the process that corrects them.
        given: what the user has named it by.
    """

    command: Sequence[str]
    given: str

    @classmethod
    def of(cls, text: str) -> Edit:
        """The edit that --edit names: an executable file, else an expression for sed.

        Raises:
            OptionError: if it is neither.
        """
        text = from_home(text)
        if os.path.isdir(text):
            raise OptionError(f"--edit {text} is a folder: name an executable file in it")
        if os.path.isfile(text):
            if not os.access(text, os.X_OK):
                raise OptionError(f"--edit {text} is not executable: chmod +x it")
            return cls([os.path.abspath(text)], text)
        if text.endswith(_SCRIPTS):
            raise OptionError(f"--edit {text}: there is no such file; check the path")
        edit = cls([*_sed(text), "-e", text], text)
        tried = _try(edit.command)
        if tried.returncode:
            raise OptionError(
                f"--edit {text!r} is no file, and sed does not take it: {_shown(tried.stderr)}"
            )
        return edit

    def correct(self, dead_letters: Callable[[], Iterable[DeadLetter]]) -> Iterator[Record]:
        """The dead letters' records as the process gives them back, in their order.

        Args:
            dead_letters: gives the letters, each time in the same order.

        Raises:
            RunError: if the process fails, or gives back more or fewer records than it got.
        """
        with (
            tempfile.TemporaryFile() as before,
            tempfile.TemporaryFile() as after,
            tempfile.TemporaryFile() as errors,
        ):
            rows = 0
            for dead_letter in dead_letters():
                before.write(_as_line(dead_letter))
                rows += 1
            if not rows:
                return
            before.seek(0)
            self._run(before, after, errors)
            after.seek(0)
            found = sum(1 for _ in after)
            if found != rows:
                raise RunError(
                    f"--edit {self.given!r} gave back {found:,} records for {rows:,}: it must "
                    "write one line for each that it reads; no table was touched"
                    f"{_beside(errors)}"
                )
            after.seek(0)
            for dead_letter, line in zip(dead_letters(), after, strict=True):
                yield dead_letter.record._replace(data=_from_line(line, dead_letter))

    def _run(self, before: IO[bytes], after: IO[bytes], errors: IO[bytes]) -> None:
        try:
            code = subprocess.run(
                self.command, stdin=before, stdout=after, stderr=errors, check=False
            ).returncode
        except OSError as error:
            raise RunError(
                f"--edit {self.given!r} can't be run ({error.strerror}): a script needs a first "
                "line like #!/usr/bin/env python3; no table was touched"
            ) from error
        if code:
            ended = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise RunError(
                f"--edit {self.given!r} failed with {ended}; no table was touched{_beside(errors)}"
            )


def _sed(text: str) -> list[str]:
    """sed that neither runs commands nor writes files, whatever an expression says.

    Raises:
        OptionError: if there is none that can promise that; GNU's can, which may be gsed.
    """
    there = [name for name in _SEDS if shutil.which(name) is not None]
    for name in there:
        safe = [name, "--sandbox"]
        if _try([*safe, "-e", ""]).returncode == 0:
            return safe
    if there:
        raise OptionError(
            f"--edit {text!r} is no file, and the sed of this machine has no --sandbox: an "
            "expression could write files and run commands. Install GNU sed 4.3 or later, as sed "
            "or gsed, or name an executable file that corrects the records"
        )
    raise OptionError(
        f"--edit {text!r} is no file, and sed is not installed: name an executable file"
    )


def _try(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=b"", capture_output=True, check=False)


def _as_line(dead_letter: DeadLetter) -> bytes:
    data = dead_letter.record.data
    if _is_many_lines(data):
        if any(sign in data for _, sign in _SIGNS):
            raise RunError(
                f"dead letter {dead_letter.dead_letter_id} has line breaks and, beside them, the "
                "signs U+240A or U+240D that stand for them in --edit: correct it with --output "
                "and --input, and leave it out here with --error_type or --since"
            )
        for character, sign in _SIGNS:
            data = data.replace(character, sign)
    return data + b"\n"


def _from_line(line: bytes, dead_letter: DeadLetter) -> bytes:
    data = line.removesuffix(b"\n")
    if _is_many_lines(dead_letter.record.data):
        for character, sign in _SIGNS:
            data = data.replace(sign, character)
    return data


def _is_many_lines(data: bytes) -> bool:
    return any(character in data for character, _ in _SIGNS)


def _beside(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(errors.tell() - 4 * _SHOWN, 0))
    text = _shown(errors.read())
    return f". It said: {text}" if text else ""


def _shown(text: bytes) -> str:
    """The end of what a process has said, in one line."""
    return " ".join(text.decode(errors="replace").split())[-_SHOWN:]
