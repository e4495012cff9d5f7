"""Which sealed flushes are in a completed checkpoint, as far as this process knows.

A runner with checkpoints makes a bundle durable some time after its end, and says so then. Flink
says at the end of a checkpoint that all bundles so far are durable, also those that came behind the
checkpoint and are in the next one only. So a flush is durable once two bundles are said to be: one
that had it in its state, and one that had it when that was known.

What a process knows is lost with it, and with a bundle that fails. So it is asked again and again,
of whatever bundle has the flush in its state: one that was restored is in a checkpoint, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

# Runners keep a copy of a step for each bundle of which they are to say that it is durable.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_BUNDLES: Final = 2


class Finalizer(Protocol):
    """Beam's BundleFinalizerParam."""

    def register(self, callback: Callable[[], None]) -> None:
        """Call back once the bundle is durable."""


@dataclass
class _Asked:
    durable_bundles: int = 0
    next_at: float = 0.0
    pause: float = _FIRST_PAUSE


class DurableFlushes:
    """What this process knows of flushes, by their ids: those of their commits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}

    def is_durable(self, flush: str, finalizer: Finalizer, now: float) -> bool:
        """Whether a flush is in a completed checkpoint. If that is not known, it is asked.

        Args:
            flush: the flush, which is in the state of the bundle that asks.
            finalizer: of that bundle.
            now: in seconds.
        """
        with self._lock:
            asked = self._asked.setdefault(flush, _Asked())
            known = asked.durable_bundles
            if known < _BUNDLES and now >= asked.next_at:
                asked.next_at = now + asked.pause
                asked.pause = min(2 * asked.pause, _LONGEST_PAUSE)
                finalizer.register(lambda: self._learn(flush, known))
        return known >= _BUNDLES

    def forget(self, flush: str) -> None:
        """Let go of a flush that is committed."""
        with self._lock:
            self._asked.pop(flush, None)

    def _learn(self, flush: str, known: int) -> None:
        """A bundle is durable in which so many were known to be."""
        with self._lock:
            if flush in self._asked and self._asked[flush].durable_bundles == known:
                self._asked[flush] = _Asked(known + 1)


# Steps are copied, and made anew for a bundle: all those of a process share what it knows.
KNOWN: Final = DurableFlushes()
