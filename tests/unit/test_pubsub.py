"""What the user is shown of a subscription or a topic that can't be used."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, Self

import google.cloud.pubsub as pubsub
import pytest
from google.api_core.exceptions import NotFound, PermissionDenied, ServiceUnavailable

from pipeline.errors import RunError
from pipeline.options.option_values import resource
from pipeline.pubsub import resources
from pipeline.pubsub.resources import check_subscription, check_topic

SUBSCRIPTION, TOPIC = "projects/p-1/subscriptions/s", "projects/p-1/topics/t"


class Client:
    """Pub/Sub's clients, of which looking at a resource fails."""

    error: Exception | None = None
    permissions: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_subscription(self, **_: Any) -> None:
        if self.error is not None:
            raise self.error

    get_topic = get_subscription

    def test_iam_permissions(self, request: dict[str, Any], **_: Any) -> SimpleNamespace:
        granted = [name for name in request["permissions"] if name in self.permissions]
        return SimpleNamespace(permissions=granted)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    kind = type("Client", (Client,), {})
    monkeypatch.setattr(pubsub, "SubscriberClient", kind)
    monkeypatch.setattr(pubsub, "PublisherClient", kind)
    return kind


@pytest.mark.parametrize(
    ("error", "permissions"),
    [
        (None, ()),
        (
            PermissionDenied("look"),
            ("pubsub.subscriptions.consume", "pubsub.topics.publish"),
        ),
    ],
)
def test_who_may_use_it_need_not_be_allowed_to_look_at_it(
    client: type[Client], error: Exception | None, permissions: tuple[str, ...]
) -> None:
    client.error, client.permissions = error, permissions
    check_subscription(SUBSCRIPTION)
    check_topic(TOPIC)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionDenied("look"), "is missing on projects/p-1/{}, or it is not there; grant {}"),
        (NotFound("gone"), "there is none; create it"),
        (ServiceUnavailable("503\nnot now"), "503 not now; check the network"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(
    client: type[Client], error: Exception, expected: str
) -> None:
    client.error, client.permissions = error, ("pubsub.topics.get",)
    with pytest.raises(RunError) as subscription:
        check_subscription(SUBSCRIPTION)
    with pytest.raises(RunError) as topic:
        check_topic(TOPIC)
    for raised, name, role in (
        (subscription, "subscriptions/s", "roles/pubsub.subscriber"),
        (topic, "topics/t", "roles/pubsub.publisher"),
    ):
        message = str(raised.value)
        assert expected.format(name, role) in message
        assert "\n" not in message


@pytest.mark.parametrize("name", ["S", "ab", "x" * 256])
def test_a_name_that_is_too_short_or_long_says_so(name: str) -> None:
    with pytest.raises(ValueError, match=rf"name of {len(name)} characters: .* have 3 to 255"):
        resource("subscriptions", "")(f"projects/my-project/subscriptions/{name}")
    assert resource("subscriptions", "")("projects/my-project/subscriptions/abc")


def test_who_waits_for_pubsub_is_told_whom_it_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")
    said: list[str] = []
    told = threading.Event()

    def note(text: str) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr(resources, "print_error", note)
    with resources._announced("projects/p/topics/t", seconds=0):
        assert told.wait(60)
    assert said == ["Waiting for Pub/Sub at localhost:1, which is asked for projects/p/topics/t"]
    with resources._announced("projects/p/topics/t", seconds=3_600):
        pass
    assert len(said) == 1
