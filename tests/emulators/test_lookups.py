"""Rows of BigQuery tables that are looked up by keys."""

from __future__ import annotations

import pytest

from tests.emulators.support import Home
from tests.support.lookups import check_lookups

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("filtered", [False, True])
def test_rows_are_found_by_their_keys(home: Home, filtered: bool) -> None:
    check_lookups(home.warehouse(require_partition_filter=filtered), home.temp, home.run("find"))
