"""Pub/Sub as the local runner reads it: what was not committed comes again, and reading can end.

Beam's local runner pulls ten messages at a time, acknowledges them at once, and never stops. This
client, put in the place of the one that it uses, pulls more, acknowledges what a flush has
committed, and stops when it is told to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import google.cloud.pubsub as pubsub
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPICallError,
    InternalServerError,
    RetryError,
    ServiceUnavailable,
)

_MESSAGES: Final = 1_000
_IDLE_SECONDS: Final = 0.05
# For so long messages are ours; what a process that dies holds comes again after it.
_LEASE_SECONDS: Final = 60
_RENEWAL_SECONDS: Final = 20
_CALL_SECONDS: Final = 10
_PASSING: Final = (DeadlineExceeded, InternalServerError, RetryError, ServiceUnavailable)


class Tap:
    """What comes from a subscription, as far as this process is concerned.

    Attributes:
        handed_out: how many messages were given to the pipeline.
        is_open: whether more are.
    """

    def __init__(self, subscription: str):
        self.handed_out = 0
        self.is_open = True
        self._subscription = subscription
        self._client = pubsub.SubscriberClient()
        # In the order in which they were handed out: how many there were up to then, and their ids.
        self._held: deque[tuple[int, list[str]]] = deque()
        # A signal may come while it is held, and its handler releases what is held.
        self._lock = threading.RLock()
        self._renewed = time.monotonic()
        self._is_cut_off = False

    def pull(self) -> pubsub.types.PullResponse:
        """Messages for the pipeline; none while the tap is closed or Pub/Sub can't be reached."""
        if self.is_open:
            request = {
                "subscription": self._subscription,
                "max_messages": _MESSAGES,
                "return_immediately": True,
            }
            try:
                response = self._client.pull(request=request, timeout=_CALL_SECONDS, retry=None)
                ack_ids = [message.ack_id for message in response.received_messages]
                self._lease(ack_ids, _LEASE_SECONDS)
                self._is_cut_off = False
            except _PASSING as error:
                self._complain(error)
            else:
                if ack_ids:
                    with self._lock:
                        self.handed_out += len(ack_ids)
                        self._held.append((self.handed_out, ack_ids))
                    return response
        time.sleep(_IDLE_SECONDS)
        return pubsub.types.PullResponse()

    def acknowledge(self, messages: int) -> None:
        """Let so many messages, from the first on, not come again: they are committed."""
        with self._lock:
            ready = [item for item in self._held if item[0] <= messages]
        for number, ack_ids in ready:
            try:
                self._client.acknowledge(
                    subscription=self._subscription,
                    ack_ids=ack_ids,
                    timeout=_CALL_SECONDS,
                    retry=None,
                )
            except _PASSING as error:
                self._complain(error)
                break  # The next flush tries again.
            with self._lock:
                self._held.remove((number, ack_ids))

    def renew(self) -> None:
        """Keep what is not acknowledged from being delivered anew; to be called now and then."""
        if time.monotonic() < self._renewed + _RENEWAL_SECONDS:
            return
        self._renewed = time.monotonic()
        try:
            self._lease(self._ack_ids(), _LEASE_SECONDS)
        except _PASSING as error:
            self._complain(error)

    def release(self) -> None:
        """Let what is not acknowledged be delivered anew, at once."""
        self.is_open = False
        try:
            self._lease(self._ack_ids(), 0)
        except GoogleAPICallError as error:
            self._complain(error)

    def _ack_ids(self) -> list[str]:
        with self._lock:
            return [ack_id for _, ack_ids in self._held for ack_id in ack_ids]

    def _lease(self, ack_ids: Sequence[str], seconds: int) -> None:
        for at in range(0, len(ack_ids), _MESSAGES):
            self._client.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=list(ack_ids[at : at + _MESSAGES]),
                ack_deadline_seconds=seconds,
                timeout=_CALL_SECONDS,
                retry=None,
            )

    def _complain(self, error: Exception) -> None:
        if not self._is_cut_off:
            self._is_cut_off = True
            logging.getLogger(__name__).warning(
                "Pub/Sub can't be reached for %s, and is tried again: %s",
                self._subscription,
                " ".join(str(error).split())[:300],
            )


@contextmanager
def tapped(tap: Tap) -> Iterator[None]:
    """Let Beam's local runner read by `tap`; what is not acknowledged in the end comes again."""

    class Subscriber(pubsub.SubscriberClient):
        def pull(self, **_: Any) -> pubsub.types.PullResponse:
            return tap.pull()

        def acknowledge(self, **_: Any) -> None:
            """Not yet: a flush has to commit the messages first."""

    real = pubsub.SubscriberClient
    pubsub.SubscriberClient = Subscriber
    try:
        yield
    finally:
        pubsub.SubscriberClient = real
        tap.release()
