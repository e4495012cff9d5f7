"""What Beam and Google's client raise where Cloud Storage, or a disk, refuses."""

from __future__ import annotations

from typing import Final

from apache_beam.io.filesystem import BeamIOError
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

STORAGE_ERRORS: Final = (
    OSError,
    BeamIOError,
    GoogleAPIError,
    GoogleAuthError,
    InvalidResponse,
    DataCorruption,
)


def storage_reason(error: Exception) -> str:
    """What one of them says, in one line."""
    if isinstance(error, BeamIOError) and error.exception_details:
        return storage_reason(next(iter(error.exception_details.values())))
    if isinstance(error, NotFound):
        return f"not found: {error.message.split('?')[0]}"
    if isinstance(error, InvalidResponse):
        return f"{error.response.status_code} {' '.join(error.response.text.split())[:300]}"
    return " ".join(str(error).split())
