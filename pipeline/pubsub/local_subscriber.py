"""Messages of Pub/Sub that this process has on lease until they are committed.

Some threads pull them, another one renews their leases. What is not acknowledged comes again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Self, TypeVar

from pipeline.errors import RunError
from pipeline.pubsub.subscription_calls import (
    CALL_SECONDS,
    MESSAGES,
    Pulled,
    SubscriptionCalls,
)

Answer = TypeVar("Answer")

# Calls under way at once: most of a call is waiting for its answer.
_PULLERS: Final = 4
# After fewer than so many in an answer there are no more.
_FEW: Final = 50
# What waits lies in memory, several times over.
_BYTES_WAITING: Final = 128 << 20
_IDLE_SECONDS: Final = 0.05
# For so long messages are ours; what a process that dies holds comes again after it.
_LEASE_SECONDS: Final = 60
_RENEWAL_SECONDS: Final = 20
# A subscription gives 10 s at least by itself.
_LOOK_SECONDS: Final = 2


class LeasedMessages:
    """What was pulled from a subscription and is not acknowledged yet.

    In its context threads pull and renew; at its end what is not acknowledged is given back.

    Args:
        subscription: its full name.

    Attributes:
        failure: why no more can be read, once that is so.
    """

    def __init__(self, subscription: str):
        self.failure: RunError | None = None
        self._calls = SubscriptionCalls(subscription)
        self._waiting: list[Pulled] = []
        self._bytes = 0
        self._leased: set[str] = set()
        self._fresh: list[str] = []
        self._committed: list[str] = []
        self._is_open = True
        # A signal may come while it is held, and its handler releases what is leased.
        self._news = threading.Condition(threading.RLock())
        self._acknowledging = threading.Lock()
        self._ended = threading.Event()
        self._pullers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._pullers = [
            threading.Thread(target=self._keep_pulling, daemon=True) for _ in range(_PULLERS)
        ]
        for thread in (*self._pullers, threading.Thread(target=self._keep_leasing, daemon=True)):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def wait(self, messages: int, seconds: float) -> int:
        """How many messages wait to be taken: once there are so many, so many seconds have passed,
        or no more can come."""
        with self._news:
            self._news.wait_for(
                lambda: (
                    len(self._waiting) >= messages
                    or self._bytes >= _BYTES_WAITING
                    or not self._is_open
                ),
                seconds,
            )
            return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no more are pulled until some are taken."""
        return self._bytes >= _BYTES_WAITING

    def take(self, most: int) -> list[Pulled]:
        """The messages that have waited longest, no more of them than are asked for."""
        with self._news:
            taken = self._waiting[:most]
            del self._waiting[:most]
            self._bytes = sum(pulled.message.size for pulled in self._waiting)
            self._news.notify_all()
        return taken

    def close(self) -> None:
        """Pull no more; what was pulled can be taken."""
        with self._news:
            self._is_open = False
            self._news.notify_all()
        for puller in self._pullers:
            puller.join(2 * CALL_SECONDS)

    def acknowledge(self, taken: Iterable[Pulled]) -> None:
        """Let messages not come again: they are committed.

        Where Pub/Sub can't be reached, that is tried again when leases are renewed.
        """
        with self._news:
            self._committed += [pulled.ack_id for pulled in taken]
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledge what is committed, as far as Pub/Sub takes it."""
        with self._acknowledging:
            while ack_ids := self._committed[:MESSAGES]:
                if self._tried(partial(self._calls.acknowledge, ack_ids)) is None:
                    return
                with self._news:
                    del self._committed[: len(ack_ids)]
                    self._leased.difference_update(ack_ids)

    def release(self) -> None:
        """Pull no more, and let what is not acknowledged be redelivered, at once."""
        self._ended.set()
        with self._news:
            self._is_open = False
            ack_ids = list(self._leased)
            self._leased.clear()
            self._news.notify_all()
        if self.failure is not None:
            return
        self._calls.give_back(ack_ids)

    def _keep_pulling(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: not self.is_full or not self._is_open)
                if not self._is_open:
                    return
            if self.pull() < _FEW:
                time.sleep(_IDLE_SECONDS)

    def pull(self) -> int:
        """Pull once; gives how many messages came, none where Pub/Sub can't be reached."""
        return self._tried(self._pull) or 0

    def _pull(self) -> int:
        found = self._calls.pull()
        if found:
            with self._news:
                self._leased.update(pulled.ack_id for pulled in found)
                self._fresh += [pulled.ack_id for pulled in found]
                self._waiting += found
                self._bytes += sum(pulled.message.size for pulled in found)
                self._news.notify_all()
            if len(self._fresh) >= MESSAGES:
                self.lease()
        return len(found)

    def _keep_leasing(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(_LOOK_SECONDS):
            self.lease()
            if time.monotonic() >= renewed + _RENEWAL_SECONDS:
                renewed = time.monotonic()
                self.renew()

    def lease(self) -> None:
        """Keep what has come since the last time from being redelivered for a minute."""
        with self._news:
            ack_ids = [ack_id for ack_id in self._fresh if ack_id in self._leased]
            self._fresh.clear()
        self._tried(lambda: self._calls.lease(ack_ids, _LEASE_SECONDS))

    def renew(self) -> None:
        """Keep what is not acknowledged from being redelivered for another minute."""
        self._acknowledge()
        with self._news:
            ack_ids = list(self._leased)
        self._tried(lambda: self._calls.lease(ack_ids, _LEASE_SECONDS))

    def _tried(self, call: Callable[[], Answer]) -> Answer | None:
        """What a call to Pub/Sub gives; None where it fails: in passing, or for good."""
        if self.failure is not None:
            return None
        try:
            return self._calls.tried(call)
        except RunError as error:
            self._fail(error)
            return None

    def _fail(self, error: RunError) -> None:
        with self._news:
            self.failure, self._is_open = error, False
            self._news.notify_all()
