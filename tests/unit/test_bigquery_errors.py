"""What the user is shown of an error in reaching BigQuery."""

from __future__ import annotations

import pytest
import requests
from google.api_core.exceptions import Forbidden, ResourceExhausted, RetryError
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from pipeline.errors import RunError
from pipeline.warehouse.bigquery.client import explained

DENIED = {"reason": "accessDenied", "message": "Access Denied"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DefaultCredentialsError("none"), "run `gcloud auth application-default login`"),
        (RefreshError("invalid_grant"), "refuses the credentials"),
        (Forbidden("Access\nDenied", errors=[DENIED]), "Access Denied (accessDenied); grant roles"),
        (Forbidden("quota exceeded"), "(403); wait until the quota is refilled"),
        # The Storage Read API's errors are gRPC's own.
        (ResourceExhausted("too large", errors=(object(),)), "too large (429); correct that"),
        (requests.ConnectionError("no route"), "BigQuery does not answer (no route)"),
        (RetryError("gave up", cause=None), "BigQuery does not answer (gave up"),
        (ConnectionResetError("reset"), "BigQuery does not answer (reset)"),
    ],
)
def test_errors_are_reported_in_one_line(error: Exception, expected: str) -> None:
    with pytest.raises(RunError) as raised, explained("load a table"):
        raise error
    message = str(raised.value)
    assert message.startswith("can't load a table: ")
    assert expected in message
    assert "\n" not in message


def test_errors_of_our_own_code_are_not_hidden() -> None:
    with pytest.raises(KeyError), explained("load a table"):
        raise KeyError("a bug")
