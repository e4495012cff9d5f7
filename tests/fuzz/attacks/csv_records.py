"""CSV files with mutated bytes, read in blocks and ranges, against a reader byte by byte."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa

from tests.fuzz import csv_text, texts
from tests.fuzz.contract import COLUMNS, Event, Refused
from tests.fuzz.plain_csv import Outcome, outcomes
from transforms.kernels.csv_boundaries import record_boundaries
from transforms.kernels.csv_header import Header, read_header
from transforms.kernels.csv_records import read_blocks
from transforms.kernels.parse import Limits, parse_records
from transforms.kernels.records import RawRecords
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

NOW: Final = datetime(2026, 1, 1)
_ROWS: Final = 500


def case(chance: random.Random, folder: Path) -> int:
    """A file of some hundred records; counts its records."""
    file = csv_text.file_of(
        chance, csv_text.header(chance), [texts.row(chance) for _ in range(chance.randrange(_ROWS))]
    )
    if chance.random() < 0.6:
        file = csv_text.mutated(chance, file)
    expected = outcomes(file, NOW)
    header = read_header(io.BytesIO(file), "fuzz.csv")
    assert header is not None
    compare(file, "in one", expected, read(file, header, header.length, None, 1 << 24))
    block_bytes = chance.choice([1, 7, 100, 1_000, 5_000])
    if len(file) // block_bytes < 2_000:
        found = read(file, header, header.length, None, block_bytes)
        compare(file, f"in blocks of {block_bytes}", expected, found)
    range_bytes = chance.choice([200, 3_000, 20_000])
    compare(file, f"in ranges of {range_bytes}", expected, in_ranges(file, header, range_bytes))
    return len(expected)


def in_ranges(file: bytes, header: Header, range_bytes: int) -> list[Outcome]:
    """What becomes of a file that several workers read."""
    stream = io.BytesIO(file)
    stream.seek(header.length)
    width = header.layout.fields
    ends = [header.length, *record_boundaries(stream, width, header.length, range_bytes)]
    return [
        outcome
        for start, end in pairwise(ends)
        for outcome in read(file, header, start, end - start, 1 << 24)
    ]


def read(
    file: bytes, header: Header, start: int, size: int | None, block_bytes: int
) -> list[Outcome]:
    """What becomes of the records of a range, by their position."""
    stream = io.BytesIO(file)
    stream.seek(start)
    blocks = read_blocks(stream, header, "fuzz.csv", start, size, block_bytes)
    found = [outcome for block in blocks for outcome in parsed(block)]
    return sorted(found, key=lambda outcome: outcome.start)


def parsed(records: RawRecords) -> Iterable[Outcome]:
    """What the pipeline's parser makes of raw records whose positions are numbers."""
    result = parse_records(records, NOW, Limits())
    refused = {int(rejection.position): rejection for rejection in result.rejections}
    assert len(refused) == len(result.rejections), "two records have one position"
    rows = range(len(records) - len(records.unreadable))
    places = [(int(records.origin.position(row)), row) for row in rows]
    accepted = [(place, row) for place, row in places if place not in refused]
    events = events_of(result.events)
    assert len(events) == len(accepted), f"{len(events)} events of {len(accepted)} records"
    for (place, row), event in zip(accepted, events, strict=True):
        yield Outcome(place, records.origin.payloads([row])[0], event)
    for place, rejection in refused.items():
        yield Outcome(place, rejection.payload, Refused(rejection.error_type))


def events_of(batch: pa.RecordBatch) -> list[Event]:
    """The events of a batch as the tables hold them."""
    columns = {name: batch.column(name).to_pylist() for name in COLUMNS}
    columns["event_type"] = [EVENT_TYPES[code] for code in columns["event_type"]]
    columns["platform"] = [PLATFORMS[code] for code in columns["platform"]]
    return [Event(*values) for values in zip(*columns.values(), strict=True)]


def compare(file: bytes, how: str, expected: list[Outcome], found: list[Outcome]) -> None:
    """Raise AssertionError with the first record that differs."""
    for want, have in zip(expected, found, strict=False):
        if want != have:
            around = file[max(0, want.start - 200) : want.start + 300]
            raise AssertionError(f"read {how}:\n  {have}\nand not\n  {want}\naround\n{around!r}")
    assert len(expected) == len(found), f"read {how}: {len(found)} records, not {len(expected)}"
