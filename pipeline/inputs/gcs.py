"""Input files on Cloud Storage, each in the one generation that a run has listed."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from typing import Final, cast

from apache_beam.io.filesystem import FileSystem
from apache_beam.io.filesystems import FileSystems
from google.cloud import storage
from google.cloud.storage.fileio import BlobReader

from transforms.data_error import DataError

_PEEK_BYTES: Final = 64 << 10
_COMPRESSED_TYPES: Final = ("application/gzip", "application/x-gzip")


def client() -> storage.Client:
    """A client with the credentials and options that Beam uses for gs://."""
    # Beam gives it to nobody otherwise, and knows no generations itself.
    found: storage.Client = FileSystems.get_filesystem("gs://")._gcsIO().client
    return found


def listed(pattern: str) -> Iterator[tuple[str, int, str]]:
    """Path, size and generation of the objects that a pattern matches, as Beam understands it.

    An object of that very name is taken for itself, whatever signs of patterns it has.
    """
    bucket, name = parted(pattern)
    storage_client = client()
    one = storage_client.bucket(bucket).get_blob(name) if name else None
    if one is not None:
        yield pattern, one.size, str(one.generation)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Of [[], which means [.
        matches = re.compile(FileSystem.translate_pattern(pattern)).fullmatch
    prefix = re.split(r"[*?[]", name, maxsplit=1)[0]
    for blob in storage_client.list_blobs(bucket, prefix=prefix):
        path = f"gs://{bucket}/{blob.name}"
        if matches(path):
            yield path, blob.size, str(blob.generation)


def generation(storage_client: storage.Client, path: str) -> str | None:
    """An object's generation; None where it is gone."""
    bucket, name = parted(path)
    found = storage_client.bucket(bucket).get_blob(name)
    return None if found is None else str(found.generation)


def opened(path: str, wanted: str, chunk_bytes: int) -> io.BufferedReader:
    """The stored bytes of one generation of an object.

    Args:
        path: the object's.
        wanted: the generation.
        chunk_bytes: how much a request asks for at least.

    Raises:
        DataError: if it can't be served as it is stored.
        LookupError: if another generation has taken its place.
    """
    bucket, name = parted(path)
    blob = client().bucket(bucket).blob(name, generation=int(wanted))
    blob.reload()
    if str(blob.generation) != wanted:  # The server knows no generations.
        raise LookupError
    # https://cloud.google.com/storage/docs/transcoding: such requests may never end.
    if blob.content_encoding == "gzip" and blob.content_type in _COMPRESSED_TYPES:
        raise DataError(
            f"{path}: its metadata say gzip twice (Content-Encoding gzip and Content-Type "
            f"{blob.content_type}), which Cloud Storage can't serve: run gcloud storage objects "
            f"update --clear-content-encoding {path}"
        )
    # Raw: what Cloud Storage would decompress on the way comes as it is stored.
    reader = BlobReader(blob, chunk_size=chunk_bytes, raw_download=True)
    return io.BufferedReader(cast(io.RawIOBase, reader), _PEEK_BYTES)


def parted(path: str) -> tuple[str, str]:
    """Bucket and name of an object's path."""
    bucket, _, name = path.removeprefix("gs://").partition("/")
    return bucket, name
