"""The same work in idiomatic single-row Beam, up to fct_events and dim_users: the yardstick.

`python -m tests.benchmarks.single_rows events.csv folder` writes both as Parquet.
"""

from __future__ import annotations

import csv
import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows, Sessions, TimestampedValue

from transforms.marts import dim_users, fct_events
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS

Event = dict[str, Any]


class _Parse(beam.DoFn):
    def process(self, line: str) -> Iterator[Event]:
        try:
            values = next(csv.reader([line]))
            event: Event = dict(
                zip(SOURCE_COLUMNS, (value.strip() or None for value in values), strict=True)
            )
            event["event_time"] = datetime.fromisoformat(event["event_time"]).replace(tzinfo=None)
            miles = event["event_type"] in ("miles_earned", "miles_redeemed")
            event["miles_amount"] = int(event["miles_amount"]) if miles else None
            if event["user_id"] is None or event["event_type"] not in EVENT_TYPES:
                return
        except (TypeError, ValueError, StopIteration):
            return
        text = "\x1f".join(str(event[name]) for name in SOURCE_COLUMNS)
        event["event_id"] = hashlib.md5(text.encode()).hexdigest()
        yield event


def _distinct(events: Iterable[Event]) -> list[Event]:
    by_id = {event["event_id"]: event for event in events}
    return sorted(by_id.values(), key=lambda event: (event["event_time"], event["event_id"]))


def _session_rows(keyed: tuple[str, Iterable[Event]], now: datetime) -> Iterator[Event]:
    user, events = keyed
    ordered = _distinct(events)
    first = ordered[0]["event_time"]
    session = hashlib.md5(f"{user}\x1f{first}".encode()).hexdigest()
    for number, event in enumerate(ordered, 1):
        yield {
            **event,
            "event_date": event["event_time"].date(),
            "session_id": session,
            "is_session_start": int(number == 1),
            "event_sequence_in_session": number,
            "processed_at": now,
        }


def _user_row(keyed: tuple[str, Iterable[Event]], now: datetime) -> Event:
    user, events = keyed
    ordered = _distinct(events)
    first, last = ordered[0], ordered[-1]
    types = [event["event_type"] for event in ordered]
    miles = {
        kind: sum(event["miles_amount"] for event in ordered if event["event_type"] == kind)
        for kind in ("miles_earned", "miles_redeemed")
    }
    balance = miles["miles_earned"] - miles["miles_redeemed"]
    return {
        "user_id": user,
        "first_seen_at": first["event_time"],
        "first_seen_date": first["event_time"].date(),
        "last_seen_at": last["event_time"],
        "last_seen_date": last["event_time"].date(),
        "days_active": (last["event_time"].date() - first["event_time"].date()).days,
        "first_platform": first["platform"],
        "first_utm_source": first["utm_source"],
        "first_country": first["country"],
        "total_miles_earned": miles["miles_earned"],
        "total_miles_redeemed": miles["miles_redeemed"],
        "current_miles_balance": balance,
        "has_negative_balance": balance < 0,
        "miles_earned_transactions": types.count("miles_earned"),
        "miles_redeemed_transactions": types.count("miles_redeemed"),
        "share_events": types.count("share"),
        "like_events": types.count("like"),
        "reward_search_events": types.count("reward_search"),
        "updated_at": now,
    }


def main(path: str, folder: str) -> None:
    """Run the pipeline on the same local runner; prints the seconds, imports left out."""
    started, now = time.perf_counter(), datetime(2026, 1, 1)
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        events = (
            pipeline
            | beam.io.ReadFromText(path, skip_header_lines=1, coder=beam.coders.BytesCoder())
            | "Decode" >> beam.Map(lambda line: line.decode(errors="replace"))
            | beam.ParDo(_Parse())
            | "Event time"
            >> beam.Map(lambda event: TimestampedValue(event, event["event_time"].timestamp()))
        )
        users = events | "Key by user" >> beam.WithKeys(lambda event: event["user_id"])
        _ = (
            users
            | beam.WindowInto(Sessions(30 * 60))
            | "Group sessions" >> beam.GroupByKey()
            | "Number" >> beam.FlatMap(_session_rows, now)
            | "Global" >> beam.WindowInto(GlobalWindows())
            | "Write events" >> _write(f"{folder}/fct_events", fct_events.TABLE.arrow_schema)
        )
        _ = (
            users
            | "Group users" >> beam.GroupByKey()
            | "User row" >> beam.Map(_user_row, now)
            | "Global users" >> beam.WindowInto(GlobalWindows())
            | "Write users" >> _write(f"{folder}/dim_users", dim_users.TABLE.arrow_schema)
        )
    print(f"{time.perf_counter() - started:.2f} seconds")


def _write(prefix: str, schema: pa.Schema) -> beam.PTransform:
    return beam.io.WriteToParquet(prefix, schema, file_name_suffix=".parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
