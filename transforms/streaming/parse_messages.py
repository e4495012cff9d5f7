"""Messages -> events by user, and dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.io.gcp.pubsub import PubsubMessage

from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import US_PER_DAY, US_PER_SECOND, as_datetime
from transforms.kernels.codecs.arrival_codec import encode_arrivals
from transforms.kernels.codecs.record_codec import encode_users
from transforms.kernels.event_batch import with_identity
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.messages import Message
from transforms.kernels.parse import Limits
from transforms.kernels.person_ids import People
from transforms.kernels.records import RawRecords
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import sort_events
from transforms.marts import dead_letter_events
from transforms.metrics import LATENESS, count
from transforms.parse_outputs import beside_events
from transforms.parse_step import COUNTS, DEAD_LETTERS, count_dead_letters, parse_part
from transforms.people_of_worker import PeopleOfWorker
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.read_messages import read_messages
from transforms.streaming.clock import Clock, arriving, microseconds

BY_USER: Final = "by_user"

# Of the messages that are parsed together: a bundle may hold thousands of 10 MB.
_PART_BYTES: Final = 16 << 20


@dataclass
class ParseMessages(beam.PTransform):
    """PubsubMessage -> (user id, the user's distinct events in a bundle, in order, as records; by
    rules that name an event_id as arrivals).

    Outputs, by tag: the main one; DEAD_LETTERS, tables of dead_letter_events; COUNTS, RunCounts
    of messages, dead letters and what is repeated within a bundle.

    Attributes:
        source: the subscription.
        horizon_days: events from longer ago are dead letters.
        version: the pipeline's version.
        clock: processing time.
        max_future_minutes: event times may be so far ahead of the clock.
        forgotten: whose messages are dropped and only counted; None for nobody's.
        figures: the settings by which the tables are built.
        rules: how messages are read; None for JSON with the source columns.
        people: who is known by which ids; None for everybody by one.
    """

    source: str
    horizon_days: int
    version: str
    clock: Clock
    max_future_minutes: int = 60
    forgotten: Forgotten | None = None
    figures: FigureSettings = FigureSettings()
    rules: Rules | None = None
    people: People | None = None

    @property
    def identified(self) -> bool:
        """Whether the rules name an event_id."""
        return self.rules is not None and self.rules.identifies

    def expand(self, messages: beam.PCollection) -> pvalue.DoOutputsTuple:
        parse = beam.ParDo(_Parse(self)).with_output_types(
            tuple[str, bytes], **{DEAD_LETTERS: pa.Table, COUNTS: RunCounts}
        )
        return messages | "Parse" >> parse.with_outputs(DEAD_LETTERS, COUNTS, main=BY_USER)


class _Parse(beam.DoFn):
    """Parses messages of a bundle together: one at a time takes 50 times as long."""

    def __init__(self, options: ParseMessages):
        self._options = options
        self._people = PeopleOfWorker(options.people)

    def setup(self) -> None:
        self._known = self._people.acquire()
        rules = self._options.rules
        self._reader = None if rules is None else RuleReader(rules)

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
        for records in read_messages(self._messages, options.source, self._reader):
            yield from self._parsed(records, now_us)

    def _parsed(self, records: RawRecords, now_us: int) -> Iterator[Any]:
        options = self._options
        since_us = now_us - options.horizon_days * US_PER_DAY
        part = parse_part(
            records,
            as_datetime(now_us),
            Limits.of(options.figures, options.max_future_minutes, since_us),
            options.version,
            forgotten=options.forgotten,
            people=self._known,
        )
        for parsed in part.parsed:
            came = parsed.events
            if options.identified:
                came = with_identity(came, {})
            events = sort_events([came], options.figures.known)
            users = encode_arrivals(events, came) if options.identified else encode_users(events)
            for user in users:
                yield arriving(user, options.clock)
            letters = dead_letter_events.rows_of_sources(
                events.conflicts, as_datetime(now_us), options.version
            )
            if letters.num_rows:
                yield pvalue.TaggedOutput(DEAD_LETTERS, arriving(letters, options.clock))
                yield self._counted(count_dead_letters(letters))
            if events.duplicates:
                yield self._counted(RunCounts(duplicates=events.duplicates))
            arrived_after_us = now_us - parsed.events["event_time"].cast(pa.int64()).to_numpy()
            LATENESS.observe(arrived_after_us // US_PER_SECOND)
        yield from beside_events(part, partial(arriving, clock=options.clock))

    def _counted(self, counts: RunCounts) -> pvalue.TaggedOutput:
        count(counts)
        return pvalue.TaggedOutput(COUNTS, arriving(counts, self._options.clock))


def as_messages(dead_letters: pa.Table) -> Iterator[PubsubMessage]:
    """Rows of dead_letter_events as messages: the payload, and what is wrong with it."""
    shown = ("error_type", "error_message", "source", "position", "attributes")
    for row, data in zip(
        dead_letters.select(shown).to_pylist(),
        dead_letter_events.payloads(dead_letters),
        strict=True,
    ):
        # Pub/Sub takes 1,024 bytes of an attribute.
        attributes = {
            name: (text or "").encode()[:1024].decode(errors="ignore") for name, text in row.items()
        }
        yield PubsubMessage(data, attributes)
