"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Speed is measured in benchmarks: a busy machine must fail no test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
