"""Messages are held until they are committed, and given back when the process leaves."""

from __future__ import annotations

from collections.abc import Callable

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
PATIENCE_SECONDS = 300


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Subscription:
    found = Subscription()
    found.largest = 2
    found.publish(b"a", b"b", b"c", ids=["a", "b", "c"])
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(pubsub, "SubscriberClient", found.client())
    return found


def test_only_what_is_taken_and_committed_is_acknowledged(subscription: Subscription) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    assert [messages.pull() for _ in range(3)] == [2, 1, 0]
    messages.lease()
    assert subscription.deadlines == {"a": 60, "b": 60, "c": 60}
    taken = messages.take(2)
    assert [pulled.message.data for pulled in taken] == [b"a", b"b"]
    assert [pulled.message.position for pulled in taken] == ["a", "b"]
    assert subscription.acknowledged == []
    messages.acknowledge(taken[:1])
    assert subscription.acknowledged == ["a"]
    messages.release()
    assert subscription.deadlines == {"a": 60, "b": 0, "c": 0}


def test_leases_are_renewed_for_as_long_as_it_takes(subscription: Subscription) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    messages.pull()
    messages.acknowledge(messages.take(1))
    subscription.deadlines.clear()
    messages.renew()
    assert subscription.deadlines == {"b": 60, "c": 60}


def test_an_outage_passes_and_what_was_committed_meanwhile_is_acknowledged(
    subscription: Subscription, caplog: pytest.LogCaptureFixture
) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    subscription.error = ServiceUnavailable("no route")
    assert [messages.pull() for _ in range(3)] == [0, 0, 0]
    messages.renew()
    messages.acknowledge(messages.take(2))
    assert [record.getMessage() for record in caplog.records] == [
        f"Pub/Sub can't be reached for {SUBSCRIPTION}, and is tried again: 503 no route"
    ]
    subscription.error = None
    assert messages.pull() == 1
    assert subscription.acknowledged == []
    messages.renew()  # Without another flush.
    assert subscription.acknowledged == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFound("no"), f"{SUBSCRIPTION} is gone: it was deleted or has expired"),
        (PermissionDenied("no"), f"can't read {SUBSCRIPTION}: no; grant roles/pubsub.subscriber"),
    ],
)
def test_a_subscription_that_can_be_read_no_more_ends_it_and_says_why(
    subscription: Subscription, error: NotFound, message: str
) -> None:
    uses: list[Callable[[LeasedMessages], object]] = [
        LeasedMessages.pull,
        LeasedMessages.renew,
        lambda messages: messages.acknowledge(messages.take(1)),
    ]
    for use in uses:
        messages = LeasedMessages(SUBSCRIPTION)
        subscription.error = None
        subscription.publish(b"d", b"e")
        messages.pull()
        subscription.error = error
        use(messages)
        assert str(messages.failure).startswith(message)
        messages.release()
        subscription.error = None
        assert messages.pull() == 0
        assert messages.wait(10, PATIENCE_SECONDS) > 0  # What was read can be taken, at once.


def test_what_is_not_ours_any_more_is_let_go(subscription: Subscription) -> None:
    messages = LeasedMessages(SUBSCRIPTION)
    messages.pull()
    subscription.error = InvalidArgument("the ack id has expired")
    messages.acknowledge(messages.take(2))
    assert messages.failure is None
    subscription.error = None
    messages.renew()
    assert subscription.acknowledged == []


def test_many_messages_are_acknowledged_and_leased_a_thousand_at_a_time(
    subscription: Subscription,
) -> None:
    subscription.largest = 1_000
    subscription.publish(*[b"x"] * 2_500)
    sizes: list[int] = []
    messages = LeasedMessages(SUBSCRIPTION)
    while messages.pull():
        pass
    client = messages._calls._client
    acknowledge = client.acknowledge

    def counted(ack_ids: list[str], **more: object) -> None:
        sizes.append(len(ack_ids))
        acknowledge(ack_ids=ack_ids, **more)

    client.acknowledge = counted
    messages.acknowledge(messages.take(2_600))
    assert sizes == [1_000, 1_000, 503]
    assert len(set(subscription.acknowledged)) == 2_503


def test_no_more_is_pulled_while_much_waits(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_subscriber, "_BYTES_WAITING", 2)
    monkeypatch.setattr(local_subscriber, "_PULLERS", 1)
    with LeasedMessages(SUBSCRIPTION) as messages:
        assert messages.wait(3, PATIENCE_SECONDS) == 2
        assert messages.is_full
        messages.take(2)
        assert messages.wait(1, PATIENCE_SECONDS) == 1
        assert not messages.is_full


def test_once_it_is_closed_nothing_is_pulled(subscription: Subscription) -> None:
    with LeasedMessages(SUBSCRIPTION) as messages:
        assert messages.wait(3, PATIENCE_SECONDS) == 3
        messages.close()
        subscription.publish(b"d")
        assert len(messages.take(10)) == 3
        assert messages.wait(1, PATIENCE_SECONDS) == 0
    assert set(subscription.deadlines.values()) == {0}
