"""Fixtures of whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import beam_memo, descriptions, reading
from tests.support.tables import csv_text, row

beam_memo.remember_alone()
descriptions.leave_out_columns()
reading.attach_what_is_read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of three rows, one repeated and one broken."""
    text = csv_text([row("2024-01-01T00:00:00Z"), row("2024-01-01 00:00:00"), row("never")])
    (tmp_path / "events.csv").write_bytes(text)
    return tmp_path
