"""What a run leaves as `--summary_file`: not a step of the run, so it can't fail what is done."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import glob
import json
import os
import re
import select
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.terminal import print_error, print_line

STDOUT: Final = "-"
_DESCRIPTOR: Final = re.compile(r"/(?:dev/fd|proc/self/fd)/([0-9]+)")
# A pipe that is ready takes so many bytes at once.
_PIPE_BYTES: Final = 4_096
_PATIENCE_SECONDS: Final = 10.0
# Beside a DuckDB file, while it is written.
_BESIDE: Final = ("", ".wal", ".lock")


def refuse_taken(path: str | None, taken: Iterable[str], globs: Iterable[str] = ()) -> None:
    """See that a summary would overwrite neither the warehouse nor an input.

    Args:
        path: what --summary_file says.
        taken: files that are needed.
        globs: of input files: one that matches them would be an input of the next run.

    Raises:
        OptionError: if it would.
    """
    if path is None or path == STDOUT:
        return
    matched = [
        found
        for pattern in globs
        if "://" not in pattern
        for found in glob.glob(pattern) or [pattern]
    ]
    files = [*matched, *(name + end for name in taken for end in _BESIDE)]
    named = any(
        fnmatch.fnmatchcase(path, pattern if "://" in pattern else os.path.abspath(pattern))
        for pattern in globs
    )
    if named or any(_same(path, other) for other in files):
        raise OptionError(f"--summary_file {path} is the warehouse or an input: name another file")


def _same(one: str, other: str) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    with contextlib.suppress(OSError):
        return os.path.samefile(one, other)
    return False


def clear(path: str | None) -> None:
    """Remove what an earlier run has left, which must not pass for this run's if this one fails.

    Pipes and devices are left alone.

    Raises:
        RunError: if it can't be removed.
    """
    if path is None or path == STDOUT:
        return
    try:
        if path.startswith("gs://"):
            _clear_remote(path)
        elif os.path.isfile(path) and not _DESCRIPTOR.fullmatch(path):
            target = os.path.realpath(path)
            try:
                os.remove(target)
            except OSError:  # The folder may be read-only where the file is not.
                os.truncate(target, 0)
    except OSError as error:
        raise RunError(
            f"can't remove {path}, which an earlier run has left ({error.strerror or error}): name "
            "another --summary_file, or see that it can be written"
        ) from error


def _clear_remote(path: str) -> None:
    from apache_beam.io.filesystems import FileSystems

    from pipeline.storage_errors import storage_errors, storage_reason

    try:
        if FileSystems.exists(path):
            FileSystems.delete([path])
    except storage_errors() as error:
        raise OSError(storage_reason(error)) from error


def encode(report: dict[str, Any]) -> bytes:
    """A summary as a JSON document, which a terminal may show: JSON lets C1 and the like stand."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    return "\n".join(map(_escaped, text.split("\n"))).encode() + b"\n"


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in line)


def write(report: dict[str, Any], path: str | None, patience: float = _PATIENCE_SECONDS) -> None:
    """Write a summary where the user wants it.

    Args:
        report: the summary.
        path: a file, pipe or device on this machine, gs://, `-` for stdout, or None for nowhere.
        patience: how long to wait for a pipe's reader, in seconds.

    Raises:
        RunError: if it can't be written.
    """
    if path is None:
        return
    if path == STDOUT:
        print_line(encode(report).decode().rstrip("\n"))
        return
    try:
        if path.startswith("gs://"):
            _write_remote(path, encode(report))
        else:
            _write_here(path, encode(report), patience)
    except OSError as error:
        raise RunError(
            f"the summary can't be written to {path}: {error.strerror or error}"
        ) from error


def _write_here(path: str, data: bytes, patience: float) -> None:
    number = _opened(path)
    try:
        rest = memoryview(data)
        while rest:
            if not select.select([], [number], [], patience)[1]:
                raise OSError(f"nobody reads that pipe for {patience:g} s")
            rest = rest[os.write(number, rest[:_PIPE_BYTES]) :]
    except OSError:
        # Half a summary is none.
        if stat.S_ISREG(os.fstat(number).st_mode):
            with contextlib.suppress(OSError):
                os.ftruncate(number, 0)
        raise
    finally:
        os.close(number)


def _opened(path: str) -> int:
    """A descriptor of a file on this machine; one that is open already goes on where it is."""
    known = {"/dev/stderr": 2}
    found = _DESCRIPTOR.fullmatch(path)
    if found or path in known:
        return os.dup(int(found[1]) if found else known[path])
    try:
        # Opening a pipe waits for a reader otherwise, for ever.
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError("nobody reads that pipe") from error
        raise


def _write_remote(path: str, data: bytes) -> None:
    from apache_beam.io.filesystems import FileSystems

    from pipeline.storage_errors import storage_errors, storage_reason

    try:
        with FileSystems.create(path, mime_type="application/json") as stream:
            stream.write(data)
    except storage_errors() as error:
        raise OSError(storage_reason(error)) from error


def finish(report: dict[str, Any], path: str | None, done: str, show: Callable[[], None]) -> None:
    """Write a summary and show it to a person; what goes wrong is printed, and fails nothing.

    Args:
        report: the summary.
        path: as in `write`; where it is stdout, a person is shown it on stderr.
        done: what is done already.
        show: prints it.
    """
    with forgiving(done) as is_done:
        is_done()
        write(report, path)
    with forgiving(done) as is_done:
        is_done()
        with contextlib.redirect_stdout(sys.stderr if path == STDOUT else sys.stdout):
            show()


@contextmanager
def forgiving(done: str) -> Iterator[Callable[[], None]]:
    """From when what it gives is called, whatever goes wrong inside is printed, and raises nothing.

    Args:
        done: what is done then.
    """
    passed: list[bool] = []
    try:
        yield lambda: passed.append(True)
    except Exception as error:
        if not passed:
            raise
        reason = clear_message(error) or f"{type(error).__name__}: {error}"
        print_error(f"{done}, but {' '.join(reason.split())}")
