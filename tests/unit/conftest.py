"""Fixtures of tests without runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from templates.settings import Settings, load
from tests.support import descriptions, reading
from tests.support.deployment import FILLED

descriptions.leave_out_columns()
reading.attach_what_is_read()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A deploy.env with everything in it."""
    path = tmp_path / "deploy.env"
    path.write_text(FILLED)
    return path


@pytest.fixture
def settings(file: Path) -> Settings:
    """Its settings."""
    return load(file, {})
