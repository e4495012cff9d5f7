"""The streaming graph as Dataflow gets it: what a running job must find again after an update."""

from __future__ import annotations

from pathlib import Path

from tests.support.streaming_graph import describe, laid_out


def test_labels_coders_and_state_are_those_on_record() -> None:
    """A job update finds its state by these labels, and reads it by these coders.

    A change is a decision: write the record anew by `python -m tests.support.streaming_graph`, and
    tell in the commit how running jobs are brought along (`--transform_name_mapping`, or a drain).
    """
    record = Path(__file__).with_name("streaming_graph.txt").read_text().splitlines()
    assert describe(laid_out()) == record


def test_every_label_is_there_once() -> None:
    labels = [line.partition(" | ")[0] for line in describe(laid_out())]
    assert len(set(labels)) == len(labels)


def test_state_is_kept_in_global_windows_only() -> None:
    """Dataflow keeps none in windows that merge (apache/beam #18478)."""
    for line in describe(laid_out()):
        assert "Sessions" not in line or " | state " not in line


def test_what_is_shuffled_has_a_coder_of_its_own() -> None:
    by_label = {line.partition(" | ")[0]: line for line in describe(laid_out())}
    for label in (
        "ParseMessages/Parse/ParDo(_Parse)",
        "Contribute/Sum up a bundle/ParDo(_Contribute)",
        "Sessionize/Group by session",
        "Shard fct_events/To a shard",
        "Shard contributions/To a shard",
        "Shard counts/To a shard",
        "Commit/All parts",
    ):
        # The main output of steps that have named ones is not used.
        used = by_label[label].replace("None: FastPrimitivesCoder", "")
        assert "FastPrimitives" not in used
        assert "Pickle" not in used


def test_dataflow_translates_the_graph() -> None:
    pipeline = laid_out(
        *("--runner=DataflowRunner", "--dry_run=True", "--no_auth", "--sdk_location=container"),
        *("--project=test-project", "--region=europe-west3", "--job_name=growth"),
        *("--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging"),
        "--enable_streaming_engine",
    )
    pipeline.run()
    labels = {step.unique_name for step in pipeline.to_runner_api().components.transforms.values()}
    assert {"ReadFromPubSub", "UpdateUser", "Sessionize", "Commit"} <= labels
