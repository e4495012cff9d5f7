"""The batch graph as Dataflow gets it: labels and coders, one line a step.

python -m tests.support.batch_graph > tests/pipeline/batch_graph.txt
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.graphs.batch_graph import build
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.listing import unseen_inputs
from pipeline.warehouse import open_warehouse
from tests.support.streaming_graph import describe
from tests.support.tables import NOW
from transforms.figure_settings import FigureSettings


def laid_out(*options: str) -> beam.Pipeline:
    """The batch graph from Cloud Storage into BigQuery."""
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    build(pipeline, job_on_dataflow())
    return pipeline


def job_on_dataflow() -> BatchJob:
    """A run from Cloud Storage into BigQuery."""
    return BatchJob(
        files=unseen_inputs(["gs://bucket/a.csv", "gs://bucket/b.csv.gz"]),
        warehouse=open_warehouse("bigquery://test-project/growth"),
        staging="gs://bucket/tmp/run",
        user_shards=64,
        figures=FigureSettings(),
        max_dead_letter_pct=50.0,
        run="run",
        started_at=NOW,
        range_bytes=64 << 20,
    )


if __name__ == "__main__":
    print("\n".join(describe(laid_out())))
