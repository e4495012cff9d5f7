"""Messages are held until they are committed, and given back when the process leaves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import google.cloud.pubsub as pubsub
import pytest
from google.api_core.exceptions import ServiceUnavailable

from pipeline import local_pubsub
from pipeline.local_pubsub import Tap

SUBSCRIPTION = "projects/p-1/subscriptions/s"


class Subscription:
    """Pub/Sub's client of a subscription with messages, which may be cut off."""

    def __init__(self) -> None:
        self.batches = [["a", "b"], ["c"]]
        self.cut_off = False
        self.acknowledged: list[str] = []
        self.deadlines: dict[str, int] = {}

    def _answer(self) -> None:
        if self.cut_off:
            raise ServiceUnavailable("no route")

    def pull(self, **_: Any) -> SimpleNamespace:
        self._answer()
        ids = self.batches.pop(0) if self.batches else []
        return SimpleNamespace(received_messages=[SimpleNamespace(ack_id=name) for name in ids])

    def acknowledge(self, ack_ids: list[str], **_: Any) -> None:
        self._answer()
        self.acknowledged += ack_ids

    def modify_ack_deadline(self, ack_ids: list[str], ack_deadline_seconds: int, **_: Any) -> None:
        self._answer()
        self.deadlines.update(dict.fromkeys(ack_ids, ack_deadline_seconds))


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Subscription:
    found = Subscription()
    monkeypatch.setattr(pubsub, "SubscriberClient", lambda: found)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None)
    monkeypatch.setattr(local_pubsub, "time", clock)

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


@pytest.mark.usefixtures("later")
def test_only_what_is_committed_is_acknowledged(subscription: Subscription) -> None:
    tap = Tap(SUBSCRIPTION)
    assert [len(tap.pull().received_messages) for _ in range(3)] == [2, 1, 0]
    assert tap.handed_out == 3
    tap.acknowledge(1)
    assert subscription.acknowledged == []
    tap.acknowledge(2)
    assert subscription.acknowledged == ["a", "b"]
    tap.release()
    assert subscription.deadlines == {"a": 60, "b": 60, "c": 0}
    subscription.batches.append(["d"])
    assert len(tap.pull().received_messages) == 0


def test_leases_are_renewed_for_as_long_as_it_takes(
    subscription: Subscription, later: Callable[[float], None]
) -> None:
    tap = Tap(SUBSCRIPTION)
    tap.pull()
    subscription.deadlines.clear()
    tap.renew()
    assert subscription.deadlines == {}
    later(21)
    tap.renew()
    assert subscription.deadlines == {"a": 60, "b": 60}


def test_an_outage_passes(
    subscription: Subscription, later: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    tap = Tap(SUBSCRIPTION)
    tap.pull()
    subscription.cut_off = True
    later(21)
    for _ in range(3):
        assert len(tap.pull().received_messages) == 0
    tap.renew()
    tap.acknowledge(2)
    assert [record.getMessage() for record in caplog.records] == [
        f"Pub/Sub can't be reached for {SUBSCRIPTION}, and is tried again: 503 no route"
    ]
    subscription.cut_off = False
    assert len(tap.pull().received_messages) == 1
    tap.acknowledge(3)
    assert subscription.acknowledged == ["a", "b", "c"]
