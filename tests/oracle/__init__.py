"""An independent computation of the contract's tables, to test the pipeline against."""

from tests.oracle.oracle import TABLES, build, build_from_events

__all__ = ["TABLES", "build", "build_from_events"]
