"""What Beam counted in a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.metrics import MetricsFilter
from apache_beam.metrics.cells import DistributionResult
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker.statesampler import StateSampler

Distributions = dict[str, list[DistributionResult]]


def measured(result: PipelineResult, namespace: str) -> tuple[dict[str, int], Distributions]:
    """The counters of a namespace by name, summed over steps, and each step's distributions."""
    found = result.metrics().query(MetricsFilter().with_namespace(namespace))
    counters: dict[str, int] = {}
    for item in found["counters"]:
        name = item.key.metric.name
        counters[name] = counters.get(name, 0) + item.committed
    distributions: Distributions = {}
    for item in found["distributions"]:
        distributions.setdefault(item.key.metric.name, []).append(item.committed)
    return counters, distributions


@contextmanager
def every_bundle_counted() -> Iterator[None]:
    """Let Beam 2.77's bundle-based runner count more than each step's first bundle.

    A sampler keeps a step's state by name, and with it the container of the bundle that was first:
    what later ones count is lost with it. Other runners have one container for a step.
    """
    kept = StateSampler.scoped_state

    def scoped_state(self: Any, *arguments: Any, **options: Any) -> Any:
        self._states_by_name.clear()
        return kept(self, *arguments, **options)

    StateSampler.scoped_state = scoped_state
    try:
        yield
    finally:
        StateSampler.scoped_state = kept
