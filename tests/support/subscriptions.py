"""A Pub/Sub subscription in this process, in the place of Google's client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import google.cloud.pubsub as pubsub
from google.api_core.exceptions import GoogleAPICallError


class Subscription:
    """What a subscription holds, and what its reader tells it.

    Attributes:
        acknowledged: ids of messages in the order in which they were acknowledged.
        deadlines: by id, the seconds of the last change.
        error: what every call raises; None for none.
        largest: the most messages that an answer holds.
    """

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.deadlines: dict[str, int] = {}
        self.error: GoogleAPICallError | None = None
        self.largest = 1_000
        self._waiting: list[tuple[str, bytes]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def publish(self, *messages: bytes, ids: Sequence[str] | None = None) -> None:
        """Let it deliver messages, whose ids are counted up or given."""
        with self._lock:
            names = ids or [str(next(self._numbers)) for _ in messages]
            self._waiting += zip(names, messages, strict=True)

    @property
    def is_empty(self) -> bool:
        """Whether it has delivered all that was published."""
        with self._lock:
            return not self._waiting

    def client(self) -> type:
        """A class to stand in for `pubsub.SubscriberClient`."""
        home = self

        class Client:
            subscription_path = staticmethod(pubsub.SubscriberClient.subscription_path)

            def pull(self, request: dict[str, Any], **_: Any) -> pubsub.types.PullResponse:
                return home._pull(request["max_messages"])

            def acknowledge(self, ack_ids: list[str], **_: Any) -> None:
                home._answer(lambda: home.acknowledged.extend(ack_ids))

            def modify_ack_deadline(
                self, ack_ids: list[str], ack_deadline_seconds: int, **_: Any
            ) -> None:
                changed = dict.fromkeys(ack_ids, ack_deadline_seconds)
                home._answer(lambda: home.deadlines.update(changed))

            def close(self) -> None: ...

        return Client

    def _answer(self, do: Callable[[], None]) -> None:
        if self.error is not None:
            raise self.error
        with self._lock:
            do()

    def _pull(self, most: int) -> pubsub.types.PullResponse:
        given: list[tuple[str, bytes]] = []

        def take() -> None:
            size = min(most, self.largest)
            given.extend(self._waiting[:size])
            del self._waiting[:size]

        self._answer(take)
        return pubsub.types.PullResponse(
            received_messages=[
                pubsub.types.ReceivedMessage(
                    ack_id=name,
                    message=pubsub.types.PubsubMessage(
                        data=data, message_id=name, publish_time=datetime.now(UTC)
                    ),
                )
                for name, data in given
            ]
        )
