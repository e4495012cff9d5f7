"""Messages are held until they are committed, and given back when the process leaves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import google.cloud.pubsub as pubsub
import pytest
from google.api_core.exceptions import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
)

from pipeline.pubsub import local_subscriber
from pipeline.pubsub.local_subscriber import LeasedMessages
from tests.support.subscriptions import Subscription

SUBSCRIPTION = "projects/p-1/subscriptions/s"


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Subscription:
    found = Subscription()
    found.largest = 2
    found.publish(b"a", b"b", b"c", ids=["a", "b", "c"])
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(pubsub, "SubscriberClient", found.client())
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None)
    monkeypatch.setattr(local_subscriber, "time", clock)

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


@pytest.mark.usefixtures("later")
def test_only_what_is_committed_is_acknowledged(subscription: Subscription) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    assert [len(messages.pull().received_messages) for _ in range(3)] == [2, 1, 0]
    assert messages.handed_out == 3
    messages.acknowledge(1)
    assert subscription.acknowledged == []
    messages.acknowledge(2)
    assert subscription.acknowledged == ["a", "b"]
    messages.release()
    assert subscription.deadlines == {"a": 60, "b": 60, "c": 0}
    subscription.publish(b"d")
    assert len(messages.pull().received_messages) == 0


def test_leases_are_renewed_for_as_long_as_it_takes(
    subscription: Subscription, later: Callable[[float], None]
) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    subscription.deadlines.clear()
    messages.renew()
    assert subscription.deadlines == {}
    later(21)
    messages.renew()
    assert subscription.deadlines == {"a": 60, "b": 60}


def test_an_outage_passes_and_what_was_committed_meanwhile_is_acknowledged(
    subscription: Subscription, later: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    subscription.error = ServiceUnavailable("no route")
    later(21)
    for _ in range(3):
        assert len(messages.pull().received_messages) == 0
    messages.renew()
    messages.acknowledge(2)
    assert [record.getMessage() for record in caplog.records] == [
        f"Pub/Sub can't be reached for {SUBSCRIPTION}, and is tried again: 503 no route"
    ]
    subscription.error = None
    assert len(messages.pull().received_messages) == 1
    later(21)
    messages.renew()  # Without another flush.
    assert subscription.acknowledged == ["a", "b"]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFound("no"), f"{SUBSCRIPTION} is gone: it was deleted or has expired"),
        (PermissionDenied("no"), f"can't read {SUBSCRIPTION}: no; grant roles/pubsub.subscriber"),
    ],
)
def test_a_subscription_that_can_be_read_no_more_closes_the_tap_and_says_why(
    subscription: Subscription, error: NotFound, message: str
) -> None:
    for use in (
        LeasedMessages.pull,
        lambda messages: messages.acknowledge(2),
        LeasedMessages.release,
    ):
        messages = LeasedMessages(SUBSCRIPTION)
        subscription.error = None
        subscription.publish(b"d", b"e")
        messages.pull()
        subscription.error = error
        use(messages)
        messages.acknowledge(2)
        assert str(messages.failure).startswith(message)
        assert not messages.is_open
        assert len(messages.pull().received_messages) == 0


@pytest.mark.usefixtures("later")
def test_what_is_not_ours_any_more_is_let_go(subscription: Subscription) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    subscription.error = InvalidArgument("the ack id has expired")
    messages.acknowledge(2)
    assert messages.failure is None
    subscription.error = None
    messages.acknowledge(2)
    assert subscription.acknowledged == []


@pytest.mark.usefixtures("later")
def test_no_more_is_pulled_while_many_bytes_are_under_way(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_subscriber, "_BYTES_UNDER_WAY", 2)
    messages = LeasedMessages(SUBSCRIPTION)
    assert [len(messages.pull().received_messages) for _ in range(2)] == [2, 0]
    messages.acknowledge(2)
    assert len(messages.pull().received_messages) == 1


@pytest.mark.usefixtures("later")
def test_answers_are_gathered_while_they_are_full(subscription: Subscription) -> None:
    subscription.largest = 100
    subscription.publish(*[b"x"] * 247)
    messages = LeasedMessages(SUBSCRIPTION)
    assert [len(messages.pull().received_messages) for _ in range(2)] == [250, 0]
    subscription.publish(*[b"x"] * 1_250)
    assert [len(messages.pull().received_messages) for _ in range(3)] == [1_000, 250, 0]
    messages.acknowledge(1_500)
    assert len(subscription.acknowledged) == 1_500
