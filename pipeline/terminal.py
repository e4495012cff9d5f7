"""What a command says on stderr and stdout, which can't undo what it has done, or end it.

Both may be closed, full, or a pipe that nobody reads any more.
"""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# What a stream raises that can't be written: ValueError where it is closed.
_UNWRITABLE: Final = (OSError, ValueError)


def printable(text: str) -> str:
    """A text in one line that leaves a terminal and a log as they are, whoever has written it.

    Control characters, those that turn the direction of writing, line breaks and whatever else has
    no sign of its own is written as in Python: \\x1b, \\u202e. Once done, it changes no more.
    """
    if text.isprintable():
        return text
    return "".join(letter if _is_shown(letter) else _escaped(letter) for letter in text)


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _lines(text: str) -> str:
    """A text of several lines, each as `printable` has it."""
    return "\n".join(map(printable, text.split("\n")))


def print_error(text: str) -> None:
    """Write a text to stderr; where that can't be, nothing happens.

    It goes past Python's buffer: a signal may come while that is written to, and what stays in it
    would fail again at the end of the process.
    """
    stream = sys.stderr
    if stream is None:
        return
    text = _lines(text)
    with suppress(*_UNWRITABLE):
        try:
            number = stream.fileno()
        except io.UnsupportedOperation:
            stream.write(f"{text}\n")
            return
        rest = memoryview(f"{text}\n".encode(errors="backslashreplace"))
        while rest:
            rest = rest[os.write(number, rest) :]


def print_line(text: str) -> None:
    """Write a text to stdout, as `Guarded` does."""
    out = Guarded(sys.stdout)
    out.write(f"{_lines(text)}\n")
    out.flush()


def counted(number: int, noun: str) -> str:
    """So many of something, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Guarded(io.TextIOBase):
    """A text stream of which what can't be written is given up, and named once on stderr.

    Args:
        stream: the stream; None for nowhere.
    """

    def __init__(self, stream: TextIO | None):
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write a text, or give up."""
        if self._stream is not None:
            try:
                self._stream.write(text)
            except _UNWRITABLE as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or give up."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except _UNWRITABLE as error:
                self._give_up(error)

    def isatty(self) -> bool:
        """Whether somebody is watching."""
        return is_watched(self._stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def _give_up(self, error: Exception) -> None:
        name = getattr(self._stream, "name", "")
        self._stream = None
        # A reader that leaves early has what it wanted; of a stderr that is full nobody can hear.
        if name == "<stdout>" and not isinstance(error, BrokenPipeError):
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            print_error(
                f"can't print to stdout ({reason}): what stands there is not all that there was to "
                "say. Nothing else is affected"
            )


def is_watched(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal."""
    with suppress(*_UNWRITABLE):
        return stream is not None and stream.isatty()
    return False


@contextmanager
def steady_streams() -> Iterator[None]:
    """Let a process end with its own exit code, whatever its stdout and stderr are.

    One that is closed leads nowhere: the next file that is opened, the warehouse for one, would
    get its number otherwise, and whatever libraries print.
    """
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal or pipe of another encoding can't show must not fail a finished run.
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
    finally:
        for stream, number in ((sys.stdout, _STDOUT), (sys.stderr, _STDERR)):
            try:
                stream.flush()
            except _UNWRITABLE:
                # What can't be written is dropped: Python would try again, and exit with 120.
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
