"""What holds for all tests."""

from __future__ import annotations

import gc

from hypothesis import settings

# Speed is measured in benchmarks: a busy machine must fail no test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_finish() -> None:
    """Take what is imported out of collections of garbage: a tenth of each graph run."""
    gc.collect()
    gc.freeze()
