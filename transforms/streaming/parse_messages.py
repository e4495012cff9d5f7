"""Messages -> events by user, and dead letters."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.io.gcp.pubsub import PubsubMessage

from transforms.events import COUNTS, DEAD_LETTERS, count_dead_letters
from transforms.kernels.calendar import US_PER_DAY, US_PER_SECOND
from transforms.kernels.codecs.event_codec import encode_events
from transforms.kernels.messages import Message, read_messages
from transforms.kernels.parse import Limits, parse_records
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import ranked
from transforms.marts import dead_letter_events
from transforms.metrics import LATENESS, count
from transforms.streaming.clock import Clock, arriving, as_datetime, microseconds

BY_USER: Final = "by_user"

# Of the messages that are parsed together: a bundle may hold thousands of 10 MB.
_PART_BYTES: Final = 16 << 20


@dataclass
class ParseMessages(beam.PTransform):
    """PubsubMessage -> (user id, the user's events in a bundle, encoded).

    Outputs, by tag: the main one; DEAD_LETTERS, tables of dead_letter_events; COUNTS, RunCounts
    of messages and dead letters.

    Attributes:
        source: the subscription.
        horizon_days: events from longer ago are dead letters.
        version: the pipeline's version.
        clock: processing time.
        max_future_minutes: event times may be so far ahead of the clock.
    """

    source: str
    horizon_days: int
    version: str
    clock: Clock
    max_future_minutes: int = 60

    def expand(self, messages: beam.PCollection) -> pvalue.DoOutputsTuple:
        parse = beam.ParDo(_Parse(self)).with_output_types(
            tuple[str, bytes], **{DEAD_LETTERS: pa.Table, COUNTS: RunCounts}
        )
        return messages | "Parse" >> parse.with_outputs(DEAD_LETTERS, COUNTS, main=BY_USER)


class _Parse(beam.DoFn):
    """Parses messages of a bundle together: one at a time takes 50 times as long."""

    def __init__(self, options: ParseMessages):
        self._options = options

    def start_bundle(self) -> None:
        self._messages: list[Message] = []
        self._bytes = 0

    def process(self, message: PubsubMessage) -> Iterator[Any]:
        found = Message(message.data, message.attributes or {}, message.message_id or "")
        self._messages.append(found)
        self._bytes += found.size
        if self._bytes >= _PART_BYTES:
            yield from self.finish_bundle()
            self.start_bundle()

    def finish_bundle(self) -> Iterator[Any]:
        if not self._messages:
            return
        options, now_us = self._options, microseconds(self._options.clock)
        now = as_datetime(now_us)
        records = read_messages(self._messages, options.source)
        since_us = now_us - options.horizon_days * US_PER_DAY
        parsed = parse_records(records, now, Limits(options.max_future_minutes, since_us))
        counts = RunCounts(input_rows=len(records), ignored_amounts=parsed.ignored_amounts)
        for user, events in _by_user(parsed.events):
            yield arriving((user, encode_events(events)), options.clock)
        if parsed.rejections:
            letters = dead_letter_events.rows(
                parsed.rejections, options.source, now, options.version
            )
            counts = RunCounts.total([counts, count_dead_letters(letters)])
            yield pvalue.TaggedOutput(DEAD_LETTERS, arriving(letters, options.clock))
        yield pvalue.TaggedOutput(COUNTS, arriving(counts, options.clock))
        count(counts)
        arrived_after_us = now_us - parsed.events["event_time"].cast(pa.int64()).to_numpy()
        LATENESS.observe(arrived_after_us // US_PER_SECOND)


def _by_user(events: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    if not len(events):
        return
    user_ids, user = ranked(pa.chunked_array([events.column("user_id")]))
    order = np.argsort(user, kind="stable")
    events = events.take(pa.array(order))
    bounds = np.searchsorted(user[order], np.arange(len(user_ids) + 1))
    for number, user_id in enumerate(user_ids.to_pylist()):
        start, end = bounds[number : number + 2].tolist()
        yield user_id, events.slice(start, end - start)


def as_messages(letters: pa.Table) -> Iterator[PubsubMessage]:
    """Rows of dead_letter_events as messages: the payload, and what is wrong with it."""
    for letter in letters.to_pylist():
        payload = letter["payload"]
        encoded = letter["payload_encoding"] == "base64"
        data = base64.b64decode(payload) if encoded else payload.encode()
        shown = ("error_type", "error_message", "source", "position", "attributes")
        # Pub/Sub takes 1,024 bytes of an attribute.
        attributes = {
            name: (letter[name] or "").encode()[:1024].decode(errors="ignore") for name in shown
        }
        yield PubsubMessage(data, attributes)
