"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.thorough import examples

# Speed is measured in benchmarks: a busy machine must fail no test.
settings.register_profile(
    "no clock",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(25, 100),
)
settings.load_profile("no clock")


def pytest_collection_finish() -> None:
    """Take what is imported out of collections of garbage: a tenth of each graph run."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the interpreter take all apart at its end: DuckDB's binding prints what is left."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Take back what a command has set of this process: the next test's files are for others too.

    An image that is built under a command's umask can't be launched as another user.
    """
    interrupt, mask = signal.getsignal(signal.SIGINT), os.umask(0o022)
    yield
    signal.signal(signal.SIGINT, interrupt)
    os.umask(mask)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables in DuckDB whose columns are described, as they are where no test runs."""
    # Not above: xdist's own process imports this file, and runs no test.
    from pipeline.warehouse.duckdb import declarations
    from tests.support import descriptions

    monkeypatch.setattr(declarations, "_descriptions", descriptions.IN_FULL)


@pytest.fixture
def opened() -> Iterator[None]:
    """DuckDB files that are opened to be read, as they are where no test runs."""
    from pipeline.warehouse.duckdb import database_file
    from tests.support import reading

    attached = database_file.connected
    reading.let_connect(reading.AS_IT_IS)
    yield
    reading.let_connect(attached)
