"""Calls of one subscription: pull, lease, acknowledge; each gives its answer, or says why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

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
from transforms.kernels.messages import Message

Answer = TypeVar("Answer")

# Of one call. An answer holds as many as Pub/Sub likes, an emulator's 100 at most.
MESSAGES: Final = 1_000
CALL_SECONDS: Final = 10
_PASSING: Final = (
    DeadlineExceeded,
    InternalServerError,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
    Unknown,
)


class Pulled(NamedTuple):
    """A message on lease.

    Attributes:
        ack_id: by what it is acknowledged.
        message: it.
    """

    ack_id: str
    message: Message


class SubscriptionCalls:
    """A client of one subscription.

    Args:
        subscription: its full name.
    """

    def __init__(self, subscription: str):
        self._subscription = subscription
        self._client = subscriber()
        self._is_cut_off = False

    def pull(self) -> list[Pulled]:
        """What waits, as much as one answer holds."""
        request = {
            "subscription": self._subscription,
            "max_messages": MESSAGES,
            "return_immediately": True,
        }
        response = self._client.pull(request=request, timeout=CALL_SECONDS, retry=None)
        # Wrapped one by one they take longer than all the rest.
        received = pubsub.types.PullResponse.pb(response).received_messages
        self._is_cut_off = False
        return [
            Pulled(
                raw.ack_id,
                Message(raw.message.data, dict(raw.message.attributes), raw.message.message_id),
            )
            for raw in received
        ]

    def acknowledge(self, ack_ids: Sequence[str]) -> bool:
        """Let messages not come again; what is not ours any more comes all the same."""
        for at in range(0, len(ack_ids), MESSAGES):
            with suppress(InvalidArgument):
                self._client.acknowledge(
                    subscription=self._subscription,
                    ack_ids=list(ack_ids[at : at + MESSAGES]),
                    timeout=CALL_SECONDS,
                    retry=None,
                )
        return True

    def lease(self, ack_ids: Sequence[str], seconds: int) -> None:
        """Keep messages from being redelivered for so long from now."""
        for at in range(0, len(ack_ids), MESSAGES):
            with suppress(InvalidArgument):  # See `acknowledge`.
                self._client.modify_ack_deadline(
                    subscription=self._subscription,
                    ack_ids=list(ack_ids[at : at + MESSAGES]),
                    ack_deadline_seconds=seconds,
                    timeout=CALL_SECONDS,
                    retry=None,
                )

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """Let messages come again at once; where Pub/Sub can't be reached, when leases are over."""
        try:
            self.lease(ack_ids, 0)
        except (GoogleAPICallError, GoogleAuthError, RetryError) as error:
            self._complain(error)

    def tried(self, call: Callable[[], Answer]) -> Answer | None:
        """What a call gives; None where it fails in passing.

        Raises:
            RunError: if it fails for good.
        """
        with explained(f"read {self._subscription}", "roles/pubsub.subscriber"):
            try:
                return call()
            except NotFound as error:
                raise RunError(
                    f"{self._subscription} is gone: it was deleted or has expired while the "
                    "stream read it; what was read is in the tables. Create it again, and "
                    "start the stream again: it goes on from its tables"
                ) from error
            except _PASSING as error:
                self._complain(error)
                return None
            except GoogleAuthError as error:
                if not error.retryable:
                    raise
                self._complain(error)
                return None

    def _complain(self, error: Exception) -> None:
        """Say why Pub/Sub can't be reached, once for as long as it can't."""
        if not self._is_cut_off:
            self._is_cut_off = True
            logging.getLogger(__name__).warning(
                "Pub/Sub can't be reached for %s, and is tried again: %s",
                self._subscription,
                printable(" ".join(str(error).split())[:300]),
            )
