"""What Beam and Google's client raise where Cloud Storage, or a disk, refuses."""

from __future__ import annotations

import functools


@functools.cache
def storage_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The types of what they raise, and others.

    Asked for where something was raised: importing Google's client takes a fifth of a second.
    Beam's own is an OSError, and is not named: importing Beam takes a second.
    """
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    return OSError, GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, *others


def storage_reason(error: Exception) -> str:
    """What one of them says, in one line."""
    details = getattr(error, "exception_details", None)  # Of a BeamIOError: by path.
    if details:
        return storage_reason(next(iter(details.values())))
    from google.api_core.exceptions import NotFound
    from google.cloud.storage.exceptions import InvalidResponse

    if isinstance(error, NotFound):
        return f"not found: {error.message.split('?')[0]}"
    if isinstance(error, InvalidResponse):
        return f"{error.response.status_code} {' '.join(error.response.text.split())[:300]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
