"""Pub/Sub's subscriptions and topics, as far as a command line names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import google.cloud.pubsub as pubsub
from google.api_core.exceptions import GoogleAPICallError, NotFound, PermissionDenied, RetryError
from google.auth.exceptions import GoogleAuthError

from pipeline.errors import NO_CREDENTIALS, RunError

_SECONDS = 30


def check_subscription(name: str) -> None:
    """See that a subscription is there and may be read.

    Raises:
        RunError: if it is not.
    """
    # The subscriber's role lets read messages, not look at the subscription.
    roles = "roles/pubsub.subscriber and roles/pubsub.viewer"
    with explained(f"read {name}", roles), pubsub.SubscriberClient() as client:
        client.get_subscription(subscription=name, timeout=_SECONDS)


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
