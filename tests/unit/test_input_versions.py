"""Whether an input file is still the one that was listed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import RunError
from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import local_file, refuse_any_changed, refuse_changed
from transforms.data_error import DataError

TEXT = b"".join(b"line %06d\n" % number for number in range(50_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of half a megabyte, written long ago."""
    found = tmp_path / "events.csv"
    found.write_bytes(TEXT)
    os.utime(found, ns=(1, 1_700_000_000_000_000_001))
    return found


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(TEXT)
    os.utime(other, ns=(1, 1_700_000_000_000_000_001))
    other.rename(path)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"LINE")


def rewrite_and_grow(path: Path) -> None:
    path.write_bytes(TEXT.upper() + b"more\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: os.truncate(path, 16), "it was cut from 600,000 to 16 bytes"),
        (rewrite, "it was written to in place"),
        (rewrite_and_grow, "it was rewritten in place"),
        (replace, "another file has taken its place"),
        (lambda path: path.unlink(), "it is gone"),
    ],
)
def test_what_changed_is_reported(path: Path, change: Callable[[Path], None], message: str) -> None:
    listed = local_file(str(path))
    refuse_changed(listed)
    change(path)
    with pytest.raises(
        DataError, match=f"events.csv changed while it was read: {message}; run again"
    ):
        refuse_changed(listed)
    with pytest.raises(RunError, match=message):
        refuse_any_changed([listed])


def test_a_file_that_grew_is_read_to_its_listed_size(path: Path) -> None:
    listed = local_file(str(path))
    with path.open("ab") as file:
        file.write(b"more\n")
    refuse_changed(listed)
    with opened(listed) as stream:
        assert stream.read() == TEXT
        stream.refuse_short(None)


def test_a_last_line_that_was_completed_since_was_torn(path: Path) -> None:
    os.truncate(path, len(TEXT) - 3)
    listed = local_file(str(path))
    with path.open("ab") as file:
        file.write(b"99\n")
    with pytest.raises(DataError, match="its last line was not written to its end"):
        refuse_changed(listed)


def test_a_last_line_without_a_line_break_may_be_followed_by_others(path: Path) -> None:
    os.truncate(path, len(TEXT) - 1)
    listed = local_file(str(path))
    with path.open("ab") as file:
        file.write(b"\nmore\n")
    refuse_changed(listed)


def test_a_change_while_it_is_open_is_seen_in_the_end(path: Path) -> None:
    listed = local_file(str(path))
    with pytest.raises(DataError, match="it was written to in place"), opened(listed) as stream:
        stream.read()
        rewrite(path)


def test_a_read_that_ends_early_is_seen_though_the_file_is_whole_again(path: Path) -> None:
    listed = local_file(str(path))
    with opened(listed) as stream:
        stream.read(100)
        with pytest.raises(DataError, match="it ends at byte 100"):
            stream.refuse_short(None)


@pytest.mark.parametrize(
    ("moment", "waits"),
    [
        (1_700_000_000_000_000_001, []),
        (1_900_000_000_000_000_001, []),  # A clock that is ahead.
        (1_800_000_000_000_000_001 - 5_000_000, [0.015]),
        (1_800_000_000_000_000_000, [2.0]),  # A file system that keeps whole seconds.
    ],
)
def test_a_file_that_was_just_written_is_looked_at_a_tick_later(
    path: Path, moment: int, waits: list[float]
) -> None:
    os.utime(path, ns=(1, moment))
    waited: list[float] = []
    now = 1_800_000_000_000_000_001 if waits != [2.0] else moment
    local_file(str(path), lambda: now, waited.append)
    assert waited == pytest.approx(waits)


def test_small_files_have_versions_too(tmp_path: Path) -> None:
    for size in (0, 1, 15, 17):
        (tmp_path / "a").write_bytes(TEXT[:size])
        listed = local_file(str(tmp_path / "a"))
        refuse_changed(listed)
        assert listed.size == size
