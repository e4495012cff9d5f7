"""Messages of a bundle are parsed in parts, so that a bundle of large ones needs no more memory."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from apache_beam import pvalue
from apache_beam.io.gcp.pubsub import PubsubMessage

from pipeline.replay import spool
from pipeline.replay.spool import spooled
from tests.support.dead_letters import Holding, rows
from tests.support.tables import row
from transforms.parse_step import COUNTS
from transforms.streaming import parse_messages
from transforms.streaming.parse_messages import ParseMessages, _Parse


def test_a_bundle_is_parsed_in_parts_of_some_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.dumps(row("2025-12-31T00:00:00Z", category="x" * 900)).encode()
    monkeypatch.setattr(parse_messages, "_PART_BYTES", 3 * len(event))
    parse = _Parse(ParseMessages("s", 3_650, "1", lambda: 1_767_225_600.0))
    parse.setup()
    parse.start_bundle()
    found: list[Any] = []
    sizes = []
    for number in range(10):
        found += parse.process(PubsubMessage(event, {}, str(number)))
        sizes.append(sum(message.size for message in parse._messages))
    assert max(sizes) < 3 * len(event)
    found += parse.finish_bundle()
    counts = [each.value.value for each in found if _is_counts(each)]
    assert [part.input_rows for part in counts if part.input_rows] == [3, 3, 3, 1]
    # What is repeated in a bundle is dropped where it is parsed.
    assert [part.duplicates for part in counts if part.duplicates] == [2, 2, 2]


def _is_counts(output: Any) -> bool:
    return isinstance(output, pvalue.TaggedOutput) and output.tag == COUNTS


def test_letters_are_spooled_in_parts_of_some_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_PART_BYTES", 5_000)
    table = pa.concat_tables([rows(b"x" * 1_000, error_type=f"e_{at}") for at in range(20)])
    with spooled(Holding(table)) as dead_letters:  # type: ignore[arg-type]
        parts = list(dead_letters.parts())
    assert max(part.nbytes for part in parts) < 8_000
    assert pa.concat_tables(parts)["error_type"].to_pylist() == table["error_type"].to_pylist()
