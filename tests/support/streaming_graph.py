"""The streaming graph as a running job knows it: labels, coders and state, one line a step.

python -m tests.support.streaming_graph > tests/pipeline/streaming_graph.txt
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.transforms.userstate import get_dofn_specs

from pipeline.graphs.streaming_graph import StreamJob, build
from pipeline.warehouse import open_warehouse
from tests.support.tables import NOW
from transforms.figure_settings import FigureSettings

SUBSCRIPTION = "projects/test-project/subscriptions/events"


def laid_out(*options: str) -> beam.Pipeline:
    """The streaming graph from Pub/Sub into BigQuery."""
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming", *options]))
    messages = pipeline | "ReadFromPubSub" >> ReadFromPubSub(
        subscription=SUBSCRIPTION, with_attributes=True
    )
    job = StreamJob(
        subscription=SUBSCRIPTION,
        warehouse=open_warehouse("bigquery://test-project/growth"),
        staging="gs://bucket/tmp/run",
        run="run",
        started_at=NOW,
        figures=FigureSettings(),
    )
    build(messages, job)
    return pipeline


def describe(pipeline: beam.Pipeline) -> list[str]:
    """A line for each step that does something: label, what comes out and how, and state."""
    found: list[str] = []

    class Visitor(PipelineVisitor):
        def visit_transform(self, step: AppliedPTransform) -> None:
            found.append(" | ".join([step.full_label, *_outputs(step), *_state(step)]))

    pipeline.visit(Visitor())
    return found


def has_coder(line: str) -> bool:
    """Whether what a described step gives is coded by a coder of its own."""
    # The main output of steps that have named ones is not used.
    used = line.replace("None: FastPrimitivesCoder", "")
    return "FastPrimitives" not in used and "Pickle" not in used


def _outputs(step: AppliedPTransform) -> Iterator[str]:
    for tag, collection in sorted(step.outputs.items(), key=str):
        coder = beam.coders.registry.get_coder(collection.element_type)
        windows = type(collection.windowing.windowfn).__name__
        yield f"{tag}: {coder} in {windows}"


def _state(step: AppliedPTransform) -> Iterator[str]:
    function = getattr(step.transform, "fn", None)
    if function is None:
        return
    states, timers = get_dofn_specs(function)
    for state in sorted(states, key=lambda spec: str(spec.name)):
        yield f"state {state.name}: {type(state).__name__} of {state.coder}"
    for timer in sorted(timers, key=lambda spec: str(spec.name)):
        yield f"timer {timer.name}: {timer.time_domain}"


if __name__ == "__main__":
    print("\n".join(describe(laid_out())))
