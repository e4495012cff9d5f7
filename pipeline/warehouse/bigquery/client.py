"""Reaching BigQuery, and saying clearly why it can't be reached."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import google.auth.exceptions
import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from pipeline import __version__
from pipeline.errors import NO_CREDENTIALS, RunError

EMULATOR: Final = "BIGQUERY_EMULATOR_HOST"

# For a first look: whoever is cut off learns of it after a minute, not after the client's ten.
QUICK: Final = bigquery.DEFAULT_RETRY.with_timeout(60)

_EXPIRED: Final = (
    "Google Cloud refuses the credentials: run `gcloud auth application-default login`, or renew "
    "the service account's key, and run again"
)

# What to do, by what the message or the reason says; the first that is found counts.
_ADVICE: Final = (
    (
        "bigquery.jobs.create",
        "grant roles/bigquery.jobUser on the project",
    ),
    (
        "quota",
        "wait until the quota is refilled (a table takes 1,500 loads and 30,000 changed partitions "
        "a day)",
    ),
    ("ratelimit", "wait a little, and start fewer runs at a time"),
    (
        "different locations",
        "the bucket of --temp_location must lie where the dataset does",
    ),
    (
        "was not found in location",
        "the dataset lies elsewhere: leave out --location, or name the dataset's",
    ),
    (
        "storage.objects",
        "grant roles/storage.objectAdmin on the bucket of --temp_location",
    ),
    (
        "accessdenied",
        "grant roles/bigquery.dataEditor on the dataset (roles/bigquery.user on the project to "
        "create one) and roles/bigquery.jobUser on the project",
    ),
    (
        "permission",
        "grant roles/bigquery.dataEditor on the dataset, and roles/bigquery.jobUser on the project",
    ),
    ("not found: project", "check the project in bigquery://project/dataset"),
    (
        "error while reading data",
        "a staged file is gone or damaged: see that nobody else clears it",
    ),
)


def connect(project: str, location: str | None = None) -> bigquery.Client:
    """A client for a project, or for the emulator that the environment names.

    Raises:
        RunError: if there are no credentials.
    """
    credentials = AnonymousCredentials() if os.environ.get(EMULATOR) else None
    with explained(f"connect to project {project}"):
        return bigquery.Client(
            project=project,
            credentials=credentials,
            location=location,
            client_info=ClientInfo(user_agent=f"growth-pipeline/{__version__}"),
        )


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn what the client raises into a RunError: what could not be done, why, what to do.

    Args:
        action: what is done, after "can't".
    """
    try:
        yield
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise RunError(f"can't {action}: {NO_CREDENTIALS}") from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise RunError(f"can't {action}: {_EXPIRED} ({_line(error)})") from error
    except GoogleAPICallError as error:
        raise RunError(f"can't {action}: {explanation(error)}") from error
    except (RetryError, requests.RequestException, ConnectionError) as error:
        raise RunError(
            f"can't {action}: BigQuery does not answer ({_line(error)}): check the network, and "
            "run again"
        ) from error


def explanation(error: GoogleAPICallError) -> str:
    """What BigQuery says, its reason, and what to do."""
    # The Storage Read API's errors hold gRPC's own objects there.
    items = [item for item in error.errors or () if isinstance(item, Mapping)]
    reasons = [str(item["reason"]) for item in items if "reason" in item]
    return described(error.message or str(error), reasons[0] if reasons else str(error.code))


def described(message: str, reason: str) -> str:
    """A message of BigQuery in one line, with its reason and what to do."""
    message = " ".join(message.split())
    found = f"{message} {reason}".casefold()
    advice = next((text for sign, text in _ADVICE if sign in found), "correct that")
    return f"{message} ({reason}); {advice}, and run again"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
