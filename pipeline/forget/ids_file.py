"""The ids of users who are to be forgotten: a text file, one id a line."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError
from transforms.kernels.fields import blank, trimmed

STDIN = "-"


def read_user_ids(path: str) -> pa.Array:
    """The ids that a file names: a string array, each once, in their order.

    Args:
        path: of the file, or - for stdin.

    Raises:
        OptionError: if it can't be read, is no UTF-8, or names nobody.
    """
    name = "stdin" if path == STDIN else path
    try:
        data = _read(path)
    except OSError as error:
        raise OptionError(f"--user_ids {name} can't be read: {error.strerror}") from error
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OptionError(
            f"--user_ids {name} line {line:,} is not UTF-8: save it as UTF-8, one user id a line"
        ) from error
    # As the parser reads a field.
    ids = trimmed(pa.array(lines, pa.string()))
    named = pc.unique(ids.filter(pa.array(np.logical_not(blank(ids)))))
    if not len(named):
        raise OptionError(f"--user_ids {name} names nobody: write one user id a line")
    return named


def _read(path: str) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read()
