"""A flush is durable once a bundle is that had it in its state when another one was known to be."""

from __future__ import annotations

from pipeline.sinks.durable_flushes import DurableFlushes
from tests.support.cells import Bundles


def test_a_flush_is_durable_behind_the_second_checkpoint() -> None:
    flushes, bundles = DurableFlushes(), Bundles()
    assert not flushes.is_durable("a", bundles, 0)
    bundles.checkpoint()  # The first one may have come before the bundle.
    assert not flushes.is_durable("a", bundles, 0)
    assert not flushes.is_durable("a", bundles, 0)
    bundles.checkpoint()
    assert flushes.is_durable("a", bundles, 0)
    assert not flushes.is_durable("b", bundles, 0)


def test_bundles_of_one_checkpoint_count_as_one() -> None:
    flushes, bundles = DurableFlushes(), Bundles()
    for now in (0, 10, 100):
        assert not flushes.is_durable("a", bundles, now)
    assert len(bundles) == 3
    bundles.checkpoint()
    assert not flushes.is_durable("a", bundles, 100)


def test_what_a_lost_bundle_was_asked_is_asked_again() -> None:
    flushes, bundles = DurableFlushes(), Bundles()
    for _ in range(2):
        assert not flushes.is_durable("a", bundles, 0)
        bundles.lose()
        assert not flushes.is_durable("a", bundles, 1)
        bundles.checkpoint()
    assert flushes.is_durable("a", bundles, 1)


def test_few_bundles_are_asked_where_a_checkpoint_is_long_in_coming() -> None:
    flushes, bundles = DurableFlushes(), Bundles()
    for now in range(600):
        assert not flushes.is_durable("a", bundles, now)
    assert 6 <= len(bundles) <= 16


def test_a_flush_that_is_committed_is_no_more_known() -> None:
    flushes, bundles = DurableFlushes(), Bundles()
    flushes.is_durable("a", bundles, 0)
    flushes.forget("a")
    bundles.checkpoint()
    flushes.is_durable("a", bundles, 1)
    bundles.checkpoint()
    assert not flushes.is_durable("a", bundles, 1)
