"""The streaming graph as Dataflow gets it: what a running job must find again after an update."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.utils.timestamp import Timestamp

from tests.support.streaming_graph import describe, has_coder, laid_out
from tests.support.streams import message, stream_of, ticking
from tests.support.tables import row
from tests.support.translation import OPTIONS
from transforms.figure_settings import FigureSettings
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.streaming.parse_messages import ParseMessages
from transforms.streaming.users import ROWS, UpdateUsers
from transforms.user_tables import CONTRIBUTIONS


def test_labels_coders_and_state_are_those_on_record() -> None:
    """A job update finds its state by these labels, and reads it by these coders.

    A change is a decision: print the record by `python -m tests.support.streaming_graph`, and
    tell in the commit how running jobs are brought along (`--transform_name_mapping`, or a drain).
    """
    record = Path(__file__).with_name("streaming_graph.txt").read_text().splitlines()
    assert describe(laid_out()) == record


def test_every_label_is_there_once() -> None:
    labels = [line.partition(" | ")[0] for line in describe(laid_out())]
    assert len(set(labels)) == len(labels)


def test_there_are_no_windows_but_the_global_one() -> None:
    """Sessions are numbered in the users' state: windows that merge keep none (#18478)."""
    for line in describe(laid_out()):
        assert " in Global" in line or " in " not in line


def test_nothing_within_the_graph_is_from_the_beginning_of_time(tmp_path: Path) -> None:
    """It, or a timer that it sets, would hold the watermark there, and no event be let go."""
    rows = [row("2025-12-31T00:00:00Z", kind="miles_redeemed", amount="1"), row("never")]
    stream = stream_of([[message(event, number) for number, event in enumerate(rows)]])
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), PipelineOptions(["--streaming"]))
    parsed = pipeline | "Messages" >> stream | ParseMessages("s", 3_650, "1", ticking)
    users = parsed.by_user | UpdateUsers(FigureSettings(), 3_650, ticking)
    collections = {"parsed": parsed.by_user, "letters": parsed[DEAD_LETTERS]}
    collections |= {tag: users[tag] for tag in (ROWS, CONTRIBUTIONS, COUNTS)}
    for name, elements in collections.items():
        elements | f"Times of {name}" >> beam.ParDo(_Time(str(tmp_path / name)))
    pipeline.run().wait_until_finish()
    times = {path.name: float(path.read_text()) for path in tmp_path.iterdir()}
    event_time = (datetime(2025, 12, 31) - datetime(1970, 1, 1)).total_seconds()
    assert set(times) == set(collections)
    assert min(times.values()) > event_time


class _Time(beam.DoFn):
    """Writes an element's timestamp, in seconds since 1970-01-01, to a file."""

    def __init__(self, path: str):
        self._path = path

    def process(self, _: object, timestamp: Timestamp = beam.DoFn.TimestampParam) -> None:
        Path(self._path).write_text(str(float(timestamp)))


def test_what_is_shuffled_has_a_coder_of_its_own() -> None:
    by_label = {line.partition(" | ")[0]: line for line in describe(laid_out())}
    for label in (
        "ParseMessages/Parse/ParDo(_Parse)",
        "UpdateUsers/Advance users/ParDo(UpdateUser)",
        "Shard users/To users' shards",
        "Stage users/Write Parquet/ParDo(_Stage)",
        "Shard contributions/To a shard",
        "Shard counts/To a shard",
        "Commit/All parts",
    ):
        assert has_coder(by_label[label])


def test_dataflow_translates_the_graph() -> None:
    pipeline = laid_out(*OPTIONS, "--enable_streaming_engine")
    pipeline.run()
    labels = {step.unique_name for step in pipeline.to_runner_api().components.transforms.values()}
    assert {"ReadFromPubSub", "UpdateUsers", "Stage users", "Commit"} <= labels
