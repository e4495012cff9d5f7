"""What a person reads of what a runner raised."""

from __future__ import annotations

import errno

import duckdb
import pyarrow as pa
import pytest

from pipeline.errors import clear_message


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        RuntimeError(
            "Traceback (most recent call last):\n  File ...\n"
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2 GiB"
            " [while running 'Stage']"
        ),
        duckdb.OutOfMemoryException("Out of Memory Error: Allocation failure"),
        RuntimeError(
            "Traceback (most recent call last):\n  File ...\n"
            "_duckdb.OutOfMemoryException: Out of Memory Error: Allocation failure"
            " [while running 'FinishMarts']"
        ),
        RuntimeError("can't start new thread"),
        RuntimeError(
            "Traceback (most recent call last):\n  File ...\n"
            "RuntimeError: can't start new thread [while running 'ReadCsv']"
        ),
        OSError(errno.ENOMEM, "Cannot allocate memory", "lib.so"),
    ],
)
def test_too_little_memory_is_a_line(error: Exception) -> None:
    assert (clear_message(error) or "").startswith("there is too little memory, ")


def test_an_error_that_speaks_of_memory_is_none_of_that_kind() -> None:
    assert clear_message(ValueError("a MemoryError is named here")) is None
