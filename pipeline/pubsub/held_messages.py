"""Messages of Pub/Sub that a process holds for a runner until they are durable there."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from pipeline.pubsub.subscription_calls import Pulled, SubscriptionCalls

# For so long messages are ours; they come again after it where nobody asks for more any longer.
_LEASE_SECONDS: Final = 120
_RENEWAL_SECONDS: Final = 30
# A bundle that has failed unseen is never finalized: after so long its messages come again.
_LONGEST_SECONDS: Final = 3_600
# Of 200 bytes each, and a call for each thousand of them renews their leases.
_MOST: Final = 200_000


class HeldMessages:
    """What a process has pulled from a subscription and not acknowledged.

    It has no thread: who asks for the next message renews the leases of all. So a process that
    reads no more, as its runner reads elsewhere, keeps nothing.

    A message is acknowledged once two things are durable: the bundle that it was in, and one that
    began after that was known. Flink says at the end of a checkpoint that all bundles so far are
    durable, also those that came behind the checkpoint and are in the next one only.

    Args:
        subscription: its full name.
        clock: seconds since any moment; never steps back.
    """

    def __init__(self, subscription: str, clock: Callable[[], float] = time.monotonic):
        self._subscription = subscription
        self._calls = SubscriptionCalls(subscription)
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Pulled] = deque()
        # When each was given, by what it is acknowledged with.
        self._given: dict[str, float] = {}
        self._finalized: list[tuple[int, Sequence[str]]] = []
        self._moment = 0
        self._renewed = clock()
        self._is_full = False

    def begin(self) -> int:
        """The moment at which a bundle begins, as a number that grows."""
        with self._lock:
            self._moment += 1
            return self._moment

    def next(self) -> Pulled | None:
        """Another message; None where there is none now.

        Raises:
            RunError: if no more can be read.
        """
        with self._lock:
            if not self._waiting and self._has_room():
                self._pull()
            now = self._clock()
            if now >= self._renewed + _RENEWAL_SECONDS:
                self._renew(now)
            if not self._waiting:
                return None
            pulled = self._waiting.popleft()
            self._given[pulled.ack_id] = now
            return pulled

    def finalized(self, began: int, ack_ids: Sequence[str]) -> None:
        """A bundle is durable: acknowledge those that were known to be when it began.

        Args:
            began: when it began.
            ack_ids: of its messages.
        """
        with self._lock:
            self._moment += 1
            safe = [ack_id for at, ids in self._finalized if at < began for ack_id in ids]
            waiting = [(at, ids) for at, ids in self._finalized if at >= began]
            self._finalized = [*waiting, (self._moment, ack_ids)]
            if not safe:
                return
            if self._calls.tried(partial(self._calls.acknowledge, safe)) is None:
                self._finalized.append((0, safe))  # With the next one.
                return
            for ack_id in safe:
                self._given.pop(ack_id, None)

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """Let messages come again: no runner has them."""
        with self._lock:
            for ack_id in ack_ids:
                self._given.pop(ack_id, None)
            self._calls.give_back(ack_ids)

    def _has_room(self) -> bool:
        was_full, self._is_full = self._is_full, len(self._given) >= _MOST
        if self._is_full and not was_full:
            logging.getLogger(__name__).warning(
                "%s messages of %s wait for the runner to make them durable, and no more are read "
                "until it does: see that it takes checkpoints, and that none fail",
                f"{len(self._given):,}",
                self._subscription,
            )
        return not self._is_full

    def _pull(self) -> None:
        found = self._calls.tried(self._calls.pull) or []
        self._waiting.extend(found)
        if found:
            ack_ids = [pulled.ack_id for pulled in found]
            self._calls.tried(partial(self._calls.lease, ack_ids, _LEASE_SECONDS))

    def _renew(self, now: float) -> None:
        self._renewed = now
        self._given = {
            ack_id: at for ack_id, at in self._given.items() if now < at + _LONGEST_SECONDS
        }
        ack_ids = [*self._given, *(pulled.ack_id for pulled in self._waiting)]
        self._calls.tried(partial(self._calls.lease, ack_ids, _LEASE_SECONDS))
