"""The graph of an update as Dataflow gets it: labels and coders, one line a step.

python -m tests.support.update_graph > tests/pipeline/update_graph.txt
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.graphs.update_graph import build
from tests.support.batch_graph import job_on_dataflow
from tests.support.streaming_graph import describe


def laid_out(*options: str) -> beam.Pipeline:
    """The graph of an update from Cloud Storage into BigQuery."""
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    build(pipeline, job_on_dataflow())
    return pipeline


if __name__ == "__main__":
    print("\n".join(describe(laid_out())))
