"""Streams behind a batch with people lead messages to the same known ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.test_people import DAY, KNOWN, LATER, run
from tests.support.known_people import under_known_ids, write_pairs
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import csv_text
from tests.support.updates import Home, differing

CAME = LATER[:-1]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "day.csv").write_bytes(csv_text(DAY))
    write_pairs(tmp_path / "people.csv", KNOWN)
    run(tmp_path, "batch", "--input", "day.csv", "--people", "people.csv")
    return tmp_path / "growth.duckdb"


def test_a_stream_on_this_machine(database: Path) -> None:
    home = Home.at(database)
    # Behind the batch.
    home.runs = 24 * 365 * 2
    home.stream([CAME[:1], CAME[1:]])
    assert differing(database, under_known_ids([*DAY, *CAME], KNOWN)) == []


def test_the_streaming_graph(database: Path) -> None:
    messages = [message(item, number) for number, item in enumerate(CAME)]
    run_stream(stream_of([messages[::2], messages[1::2]]), database)
    assert differing(database, under_known_ids([*DAY, *CAME], KNOWN)) == []
