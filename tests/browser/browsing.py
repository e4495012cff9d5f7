"""Chromium for tests, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browser.install import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def browsing(missing: str | None) -> Iterator[Browser]:
    """A browser that runs; where something is missing the test is skipped, or fails where
    BROWSER=required says so."""
    if missing is not None and os.environ.get("BROWSER") == "required":
        pytest.fail(missing)
    if missing is not None:
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    # Containers have no user namespaces for its sandbox; the pages are our own.
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"]) as started,
    ):
        yield started
