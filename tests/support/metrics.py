"""What Beam counted in a run."""

from __future__ import annotations

from apache_beam.metrics import MetricsFilter
from apache_beam.metrics.cells import DistributionResult
from apache_beam.runners.runner import PipelineResult

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
