"""What a runner takes of a subscription is acknowledged once it is durable there."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import google.cloud.pubsub as pubsub
import pytest
from apache_beam.io.unbounded_source import UnboundedSource
from google.api_core.exceptions import NotFound, ServiceUnavailable

from pipeline.errors import RunError
from pipeline.pubsub import held_messages
from pipeline.pubsub.held_messages import HeldMessages
from pipeline.pubsub.runner_source import Reader, SubscriptionSource
from tests.support.subscriptions import Subscription

SUBSCRIPTION = "projects/p-1/subscriptions/s"


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Subscription:
    found = Subscription()
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(pubsub, "SubscriberClient", found.client())
    return found


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def held(subscription: Subscription, clock: _Clock) -> HeldMessages:
    return HeldMessages(SUBSCRIPTION, clock)


def read(reader: Reader) -> Iterator[bytes]:
    while reader.advance():
        yield reader.get_current().data


def test_a_message_is_given_as_it_was_published(
    subscription: Subscription, held: HeldMessages
) -> None:
    reader = Reader(held)
    assert not reader.start()
    subscription.publish(b"a", b"b", ids=["1", "2"])
    assert reader.advance()
    message = reader.get_current()
    assert (message.data, message.attributes, message.message_id) == (b"a", {}, "1")
    before = reader.get_current_timestamp()
    assert list(read(reader)) == [b"b"]
    assert before <= reader.get_current_timestamp() <= reader.get_watermark()
    assert subscription.deadlines == {"1": 120, "2": 120}


def test_a_bundle_is_acknowledged_by_one_that_began_when_it_was_known_to_be_durable(
    subscription: Subscription, held: HeldMessages
) -> None:
    reader = Reader(held)
    subscription.publish(b"a", b"b")
    assert list(read(reader)) == [b"a", b"b"]
    first = reader.get_checkpoint_mark()
    subscription.publish(b"c")
    assert list(read(reader)) == [b"c"]
    second = reader.get_checkpoint_mark()
    assert subscription.acknowledged == []
    # As Flink does at the end of a checkpoint that the second one may have come behind.
    first.finalize_checkpoint()
    second.finalize_checkpoint()
    assert subscription.acknowledged == []
    assert list(read(reader)) == []
    third = reader.get_checkpoint_mark()
    third.finalize_checkpoint()
    assert subscription.acknowledged == ["0", "1", "2"]
    third.finalize_checkpoint()
    assert subscription.acknowledged == ["0", "1", "2"]


def test_bundles_of_several_readers_are_acknowledged_each_for_itself(
    subscription: Subscription, held: HeldMessages
) -> None:
    subscription.publish(b"a", b"b")
    readers = [Reader(held), Reader(held)]
    assert all(reader.advance() for reader in readers)
    marks = [reader.get_checkpoint_mark() for reader in readers]
    for _ in range(2):  # The first reader's bundles are durable; the second one's is not.
        marks[0].finalize_checkpoint()
        assert not readers[0].advance()
        marks[0] = readers[0].get_checkpoint_mark()
    assert subscription.acknowledged == ["0"]
    readers[1].close()
    assert subscription.deadlines == {"0": 120, "1": 0}


def test_what_no_runner_has_comes_again(subscription: Subscription, held: HeldMessages) -> None:
    subscription.publish(b"a", b"b", b"c")
    reader = Reader(held)
    assert reader.advance()
    durable = reader.get_checkpoint_mark()
    assert reader.advance()
    reader.get_checkpoint_mark()
    assert reader.advance()
    durable.finalize_checkpoint()
    reader.close()
    assert subscription.deadlines == {"0": 120, "1": 0, "2": 0}


def test_leases_are_renewed_while_somebody_reads_and_for_an_hour_at_most(
    subscription: Subscription, held: HeldMessages, clock: _Clock
) -> None:
    subscription.publish(b"a", b"b")
    reader = Reader(held)
    assert reader.advance()
    subscription.deadlines.clear()
    clock.now = 29
    assert reader.advance()
    assert subscription.deadlines == {}
    clock.now = 30
    assert not reader.advance()
    assert subscription.deadlines == {"0": 120, "1": 120}
    subscription.deadlines.clear()
    clock.now = 3_601
    assert not reader.advance()
    assert subscription.deadlines == {"1": 120}


def test_an_outage_passes_and_what_was_durable_meanwhile_is_acknowledged(
    subscription: Subscription, held: HeldMessages, caplog: pytest.LogCaptureFixture
) -> None:
    subscription.publish(b"a")
    reader = Reader(held)
    assert reader.advance()
    reader.get_checkpoint_mark().finalize_checkpoint()
    for error in (ServiceUnavailable("no route"), None):
        subscription.error = error
        assert not reader.advance()
        reader.get_checkpoint_mark().finalize_checkpoint()
    assert [record.getMessage() for record in caplog.records] == [
        f"Pub/Sub can't be reached for {SUBSCRIPTION}, and is tried again: 503 no route"
    ]
    assert subscription.acknowledged == ["0"]


def test_a_subscription_that_is_gone_ends_the_job_and_says_so(
    subscription: Subscription, held: HeldMessages
) -> None:
    subscription.error = NotFound("no")
    with pytest.raises(RunError, match=f"{SUBSCRIPTION} is gone: it was deleted or has expired"):
        Reader(held).start()


def test_no_more_is_read_while_too_much_waits_for_a_checkpoint(
    subscription: Subscription,
    held: HeldMessages,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(held_messages, "_MOST", 2)
    subscription.largest = 1
    subscription.publish(b"a", b"b", b"c")
    reader = Reader(held)
    assert list(read(reader)) == [b"a", b"b"]
    assert not reader.advance()
    assert [record.getMessage() for record in caplog.records] == [
        f"2 messages of {SUBSCRIPTION} wait for the runner to make them durable, and no more are "
        "read until it does: see that it takes checkpoints, and that none fail"
    ]
    for _ in range(2):
        reader.get_checkpoint_mark().finalize_checkpoint()
        reader.advance()
    assert reader.get_current().data == b"c"


def test_readers_of_a_process_share_what_it_holds_and_keep_their_own_names(
    subscription: Subscription,
) -> None:
    source: UnboundedSource = SubscriptionSource(SUBSCRIPTION)
    parts = [pickle.loads(pickle.dumps(part)) for part in source.split(20)]
    assert len(parts) == 4
    subscription.publish(b"a", b"b")
    first, second = (part.create_reader(None, None) for part in parts[:2])
    assert first.start()  # It pulls both.
    assert second.start()
    assert [reader.get_current().data for reader in (first, second)] == [b"a", b"b"]
    coder = source.get_checkpoint_mark_coder()
    names = {coder.encode(reader.get_checkpoint_mark()) for reader in (first, second)}
    assert len(names) == 2
    assert {coder.encode(coder.decode(name)) for name in names} == names
