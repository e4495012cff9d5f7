"""Messages of Pub/Sub that this process has on lease until a flush has committed them.

What is not committed comes again, and reading can end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Self, TypeVar

import google.cloud.pubsub as pubsub
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPICallError,
    InternalServerError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
    Unknown,
)
from google.auth.exceptions import GoogleAuthError

from pipeline.errors import RunError
from pipeline.pubsub.resources import explained, subscriber
from pipeline.terminal import printable

Answer = TypeVar("Answer")

_MESSAGES: Final = 1_000
# An answer holds as many as Pub/Sub likes, an emulator's 100 at most; after fewer than these there
# are no more.
_FEW: Final = 50
# What was handed out and is not in the tables yet lies in memory, several times over.
_BYTES_UNDER_WAY: Final = 128 << 20
_IDLE_SECONDS: Final = 0.05
# For so long messages are ours; what a process that dies holds comes again after it.
_LEASE_SECONDS: Final = 60
_RENEWAL_SECONDS: Final = 20
_CALL_SECONDS: Final = 10
_PASSING: Final = (
    DeadlineExceeded,
    InternalServerError,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
    Unknown,
)


class _Held(NamedTuple):
    """Messages that were pulled together and are not acknowledged yet.

    Attributes:
        up_to: how many were handed out up to and with them.
        ack_ids: theirs.
        bytes: of their data.
    """

    up_to: int
    ack_ids: list[str]
    bytes: int


class LeasedMessages:
    """What was pulled from a subscription and is not acknowledged yet.

    Attributes:
        handed_out: how many messages were given to the pipeline.
        is_open: whether more are.
        failure: why no more can be read, once that is so.
    """

    def __init__(self, subscription: str):
        self.handed_out = 0
        self.is_open = True
        self.failure: RunError | None = None
        self._subscription = subscription
        self._client = subscriber()
        # In the order in which they were handed out.
        self._held: deque[_Held] = deque()
        self._committed = 0
        # A signal may come while it is held, and its handler releases what is held.
        self._lock = threading.RLock()
        self._renewed = time.monotonic()
        self._is_cut_off = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def pull(self) -> pubsub.types.PullResponse:
        """Messages for the pipeline.

        None while the messages is closed, much is under way, or Pub/Sub can't be reached.
        """
        found: list[pubsub.types.ReceivedMessage] = []
        while self.is_open and self._under_way() < _BYTES_UNDER_WAY:
            response = self._tried(self._pull)
            answer = [] if response is None else response.received_messages
            found.extend(answer)
            # The runner takes as long for a few messages as for many, so many are to be gathered.
            if len(answer) < _FEW or len(found) >= _MESSAGES:
                break
        if not found:
            time.sleep(_IDLE_SECONDS)
        return pubsub.types.PullResponse(received_messages=found)

    def _pull(self) -> pubsub.types.PullResponse:
        request = {
            "subscription": self._subscription,
            "max_messages": _MESSAGES,
            "return_immediately": True,
        }
        response = self._client.pull(request=request, timeout=_CALL_SECONDS, retry=None)
        found = response.received_messages
        ack_ids = [message.ack_id for message in found]
        self._lease(ack_ids, _LEASE_SECONDS)
        self._is_cut_off = False
        if ack_ids:
            size = sum(len(message.message.data) for message in found)
            with self._lock:
                self.handed_out += len(ack_ids)
                self._held.append(_Held(self.handed_out, ack_ids, size))
        return response

    def _under_way(self) -> int:
        with self._lock:
            return sum(held.bytes for held in self._held)

    def acknowledge(self, messages: int) -> None:
        """Let so many messages, from the first on, not come again: they are committed.

        Where Pub/Sub can't be reached, that is tried again when leases are renewed.
        """
        self._committed = messages
        with self._lock:
            ready = [held for held in self._held if held.up_to <= messages]
        for held in ready:
            if self._tried(lambda held=held: self._acknowledge(held)) is None:  # type: ignore[misc]
                break
            with self._lock:
                self._held.remove(held)

    def _acknowledge(self, held: _Held) -> bool:
        try:
            self._client.acknowledge(
                subscription=self._subscription,
                ack_ids=held.ack_ids,
                timeout=_CALL_SECONDS,
                retry=None,
            )
        except InvalidArgument:  # They are not ours any more: they come again, as duplicates.
            return False
        return True

    def renew(self) -> None:
        """Keep what is not acknowledged from being redelivered; to be called now and then."""
        if time.monotonic() < self._renewed + _RENEWAL_SECONDS:
            return
        self._renewed = time.monotonic()
        self.acknowledge(self._committed)
        self._tried(lambda: self._lease(self._ack_ids(), _LEASE_SECONDS))

    def release(self) -> None:
        """Let what is not acknowledged be redelivered, at once."""
        self.is_open = False
        if self.failure is not None:
            return
        try:
            self._lease(self._ack_ids(), 0)
        except (GoogleAPICallError, GoogleAuthError, RetryError) as error:
            self._complain(error)

    def _ack_ids(self) -> list[str]:
        with self._lock:
            return [ack_id for held in self._held for ack_id in held.ack_ids]

    def _lease(self, ack_ids: Sequence[str], seconds: int) -> None:
        for at in range(0, len(ack_ids), _MESSAGES):
            with suppress(InvalidArgument):  # See `_acknowledge`.
                self._client.modify_ack_deadline(
                    subscription=self._subscription,
                    ack_ids=list(ack_ids[at : at + _MESSAGES]),
                    ack_deadline_seconds=seconds,
                    timeout=_CALL_SECONDS,
                    retry=None,
                )

    def _tried(self, call: Callable[[], Answer]) -> Answer | None:
        """What a call to Pub/Sub gives; None where it fails: in passing, or for good."""
        if self.failure is not None:
            return None
        try:
            with explained(f"read {self._subscription}", "roles/pubsub.subscriber"):
                try:
                    return call()
                except NotFound as error:
                    raise RunError(
                        f"{self._subscription} is gone: it was deleted or has expired while the "
                        "stream read it; what was read is in the tables. Create it again, and "
                        "start a stream with an empty warehouse"
                    ) from error
                except _PASSING as error:
                    self._complain(error)
                    return None
                except GoogleAuthError as error:
                    if not error.retryable:
                        raise
                    self._complain(error)
                    return None
        except RunError as error:
            self.failure, self.is_open = error, False
            return None

    def _complain(self, error: Exception) -> None:
        if not self._is_cut_off:
            self._is_cut_off = True
            logging.getLogger(__name__).warning(
                "Pub/Sub can't be reached for %s, and is tried again: %s",
                self._subscription,
                printable(" ".join(str(error).split())[:300]),
            )
