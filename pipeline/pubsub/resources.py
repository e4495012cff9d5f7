"""Pub/Sub's subscriptions and topics, as far as a command line names them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import google.cloud.pubsub as pubsub
import grpc
from google.api_core.exceptions import GoogleAPICallError, NotFound, PermissionDenied, RetryError
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from pipeline.errors import NO_CREDENTIALS, RunError
from pipeline.terminal import print_error

_SECONDS: Final = 30
_PATIENCE_SECONDS: Final = 2.0
_CONSUME: Final = "pubsub.subscriptions.consume"
_PUBLISH: Final = "pubsub.topics.publish"


def subscriber() -> pubsub.SubscriberClient:
    """A client that takes messages of any size.

    Google's own takes no more than 4 MiB from an emulator, and a message carries up to 10 MB.
    """
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return pubsub.SubscriberClient()
    channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
    return pubsub.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


def check_subscription(name: str) -> None:
    """See that a subscription is there and may be read.

    Raises:
        RunError: if it is not.
    """
    with (
        explained(f"read {name}", "roles/pubsub.subscriber"),
        _announced(name),
        pubsub.SubscriberClient() as client,
    ):
        try:
            client.get_subscription(subscription=name, timeout=_SECONDS)
        except PermissionDenied:  # Who may read it need not be allowed to look at it.
            _check_permission(client, name, _CONSUME)


def check_topic(name: str) -> None:
    """See that a topic is there and may be published to.

    Raises:
        RunError: if it is not.
    """
    with explained(f"publish to {name}", "roles/pubsub.publisher"), _announced(name):
        client = pubsub.PublisherClient()
        try:
            client.get_topic(topic=name, timeout=_SECONDS)
        except PermissionDenied:
            _check_permission(client, name, _PUBLISH)


def _check_permission(
    client: pubsub.SubscriberClient | pubsub.PublisherClient, name: str, wanted: str
) -> None:
    """Raise PermissionDenied unless the caller has a permission on a resource."""
    request = {"resource": name, "permissions": [wanted]}
    if wanted not in client.test_iam_permissions(request=request, timeout=_SECONDS).permissions:
        raise PermissionDenied(f"{wanted} is missing on {name}, or it is not there")


@contextmanager
def _announced(name: str, seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Say whom a person waits for, if it takes longer than an answer does."""
    host = os.environ.get("PUBSUB_EMULATOR_HOST", "pubsub.googleapis.com")
    said = f"Waiting for Pub/Sub at {host}, which is asked for {name}"
    timer = threading.Timer(seconds, print_error, [said])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def explained(action: str, role: str) -> Iterator[None]:
    """Turn what the client raises into a RunError: what could not be done, why, what to do.

    Args:
        action: what is done, after "can't".
        role: what a caller without permission needs.
    """
    try:
        yield
    except GoogleAuthError as error:
        raise RunError(f"can't {action}: {NO_CREDENTIALS}") from error
    except NotFound as error:
        raise RunError(f"can't {action}: there is none; create it, and run again") from error
    except PermissionDenied as error:
        raise RunError(f"can't {action}: {error.message}; grant {role}, and run again") from error
    except (GoogleAPICallError, RetryError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"can't {action}: {reason}; check the network, and run again") from error
