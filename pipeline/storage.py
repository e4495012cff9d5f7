"""Cloud Storage, as far as a command line asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.errors import NO_CREDENTIALS, RunError


def check_storage(paths: Iterable[str | None], arguments: Sequence[str]) -> None:
    """Make Cloud Storage usable in this process, if one of the paths lies there.

    Args:
        paths: what the command line names, on gs:// or elsewhere.
        arguments: the command line's options of Beam.

    Raises:
        RunError: if there are no credentials.
    """
    if not any(path and path.startswith("gs://") for path in paths):
        return
    # Beam itself looks for credentials for half a minute, and then goes on without any.
    _check_credentials()
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions(list(arguments)))


def _check_credentials() -> None:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise RunError(f"can't use gs://: {NO_CREDENTIALS}") from error
