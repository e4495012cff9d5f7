"""Pub/Sub as the local runner reads it: what was not committed comes again, and reading can end.

Beam's local runner pulls ten messages at a time, acknowledges them at once, and never stops. This
client, put in the place of the one that it uses, pulls more, acknowledges what a flush has
committed, and stops when it is told to.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import google.cloud.pubsub as pubsub

_MESSAGES: Final = 1_000
_IDLE_SECONDS: Final = 0.05
# The longest that Pub/Sub grants.
_ACK_SECONDS: Final = 600


@dataclass
class Tap:
    """What comes from the subscription, as far as this process is concerned.

    Attributes:
        handed_out: how many messages were given to the pipeline.
        is_open: whether more are.
    """

    handed_out: int = 0
    is_open: bool = True
    _unacknowledged: deque[tuple[int, list[str]]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hand_out(self, ack_ids: list[str]) -> None:
        """Note messages that go to the pipeline."""
        with self._lock:
            self.handed_out += len(ack_ids)
            self._unacknowledged.append((self.handed_out, ack_ids))

    def committed(self, messages: int) -> list[str]:
        """What can be acknowledged once so many messages, from the first on, are committed."""
        ready: list[str] = []
        with self._lock:
            while self._unacknowledged and self._unacknowledged[0][0] <= messages:
                ready += self._unacknowledged.popleft()[1]
        return ready


@contextmanager
def tapped(tap: Tap) -> Iterator[None]:
    """Let Beam's local runner read by `tap`."""

    class Subscriber(pubsub.SubscriberClient):
        def pull(self, subscription: str, **_: Any) -> pubsub.types.PullResponse:
            if tap.is_open:
                request = {
                    "subscription": subscription,
                    "max_messages": _MESSAGES,
                    "return_immediately": True,
                }
                response = super().pull(request=request)
                ack_ids = [message.ack_id for message in response.received_messages]
                if ack_ids:
                    super().modify_ack_deadline(
                        subscription=subscription,
                        ack_ids=ack_ids,
                        ack_deadline_seconds=_ACK_SECONDS,
                    )
                    tap.hand_out(ack_ids)
                    return response
            time.sleep(_IDLE_SECONDS)
            return pubsub.types.PullResponse()

        def acknowledge(self, **_: Any) -> None:
            """Not yet: a flush has to commit the messages first."""

    real = pubsub.SubscriberClient
    pubsub.SubscriberClient = Subscriber
    try:
        yield
    finally:
        pubsub.SubscriberClient = real


def acknowledge(subscription: str, ack_ids: Sequence[str]) -> None:
    """Tell the subscription that messages need not come again."""
    with pubsub.SubscriberClient() as client:
        for at in range(0, len(ack_ids), _MESSAGES):
            part = list(ack_ids[at : at + _MESSAGES])
            client.acknowledge(subscription=subscription, ack_ids=part)
