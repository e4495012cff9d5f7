"""A subscription as a source of runners that know none of Pub/Sub's: all but Dataflow."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.io.unbounded_source import (
    CheckpointMark,
    ReadFromUnboundedSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.utils.shared import Shared
from apache_beam.utils.timestamp import Timestamp

from pipeline.pubsub.held_messages import HeldMessages
from pipeline.pubsub.subscription_calls import Pulled
from transforms.streaming.clock import microseconds, system_clock

# Each reads on its own where the runner has a worker for it.
_READERS: Final = 4
_IDLE_SECONDS: Final = 1.0


def read_subscription(subscription: str) -> beam.PTransform:
    """PubsubMessages of a subscription, each at the moment at which it is read.

    They are acknowledged when the runner has made them durable; what a runner loses before comes
    again.

    Args:
        subscription: its full name.
    """
    return ReadFromUnboundedSource(SubscriptionSource(subscription), _IDLE_SECONDS)


class Mark(CheckpointMark):
    """The end of a bundle of a reader. There is nothing to go on from: Pub/Sub knows what is left.

    Args:
        name: of the reader, whom the runner finds again by it in the same process.
        held: where its messages are held; None where it was decoded.
        began: when the bundle began.
        ack_ids: of its messages.
    """

    def __init__(
        self,
        name: bytes,
        held: HeldMessages | None = None,
        began: int = 0,
        ack_ids: Iterable[str] = (),
    ):
        self.name, self.ack_ids = name, list(ack_ids)
        self._held, self._began = held, began

    def finalize_checkpoint(self) -> None:
        """Take note that the bundle is durable."""
        if self._held is not None:
            ack_ids, self.ack_ids = self.ack_ids, []
            self._held.finalized(self._began, ack_ids)


class _MarkCoder(Coder):
    def encode(self, value: Mark) -> bytes:
        return value.name

    def decode(self, encoded: bytes) -> Mark:
        return Mark(encoded)

    def is_deterministic(self) -> bool:
        return True


class Reader(UnboundedReader):
    """Gives the messages that its process holds, one after the other.

    Args:
        held: they.
    """

    def __init__(self, held: HeldMessages):
        self._held = held
        self._name = uuid.uuid4().bytes
        self._began: int | None = None
        self._current: Pulled | None = None
        self._in_bundle: list[str] = []
        self._marks: list[Mark] = []

    def start(self) -> bool:
        """Go to the first message; whether there is one now."""
        return self.advance()

    def advance(self) -> bool:
        """Go to the next message; whether there is one now."""
        if self._began is None:
            self._began = self._held.begin()
        self._current = self._held.next()
        if self._current is None:
            return False
        self._in_bundle.append(self._current.ack_id)
        return True

    def get_current(self) -> PubsubMessage:
        """The message."""
        assert self._current is not None
        message = self._current.message
        return PubsubMessage(message.data, dict(message.attributes), message.position)

    def get_current_timestamp(self) -> Timestamp:
        """Now."""
        return self.get_watermark()

    def get_watermark(self) -> Timestamp:
        """Now: what comes later is read later."""
        return Timestamp(micros=microseconds(system_clock))

    def get_checkpoint_mark(self) -> Mark:
        """The end of the bundle, with the messages that were in it."""
        mark = Mark(self._name, self._held, self._began or 0, self._in_bundle)
        self._marks = [*(mark for mark in self._marks if mark.ack_ids), mark]
        self._began, self._in_bundle = None, []
        return mark

    def close(self) -> None:
        """Let the messages come again of which the runner has not said that they are durable."""
        pending = [ack_id for mark in self._marks for ack_id in mark.ack_ids]
        self._held.give_back([*pending, *self._in_bundle])
        self._marks, self._in_bundle = [], []


class SubscriptionSource(UnboundedSource):
    """A subscription; readers of a process share what it has pulled.

    Args:
        subscription: its full name.
        shared: by what readers of a process find that.
        number: which of several readers of the subscription it is for.
    """

    def __init__(self, subscription: str, shared: Shared | None = None, number: int = 0):
        self._subscription = subscription
        self._shared = shared or Shared()
        self._number = number

    def split(self, desired_num_splits: int, options: Any = None) -> list[SubscriptionSource]:
        """Several readers, each of any messages."""
        return [
            SubscriptionSource(self._subscription, self._shared, number)
            for number in range(min(desired_num_splits, _READERS))
        ]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> Reader:
        """One that goes on with what Pub/Sub has."""
        return Reader(self._shared.acquire(lambda: HeldMessages(self._subscription)))

    def get_checkpoint_mark_coder(self) -> Coder:
        """Of marks."""
        return _MarkCoder()
