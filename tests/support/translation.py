"""A graph translated for Dataflow, offline, and what is in it down to the pickled functions."""

from __future__ import annotations

import base64
import binascii
import bz2
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.runners.dataflow.internal import apiclient

IMAGE: Final = "europe-west3-docker.pkg.dev/test-project/growth/growth-pipeline:1"
OPTIONS: Final = (
    *("--runner=DataflowRunner", "--dry_run=True", "--no_auth", "--sdk_location=container"),
    *("--project=test-project", "--region=europe-west3", "--job_name=growth"),
    *("--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging"),
    f"--sdk_container_image={IMAGE}",
)
# Beam's pickles are compressed and written as base64.
_PICKLE: Final = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
# Of a pickle that is not compressed, see `beam_memo.remember_alone`.
_BEGINNING: Final = b"\x80\x05"


def translated(pipeline: beam.Pipeline) -> Any:
    """Beam's job of Dataflow for a pipeline laid out with OPTIONS; it is not submitted."""
    return pipeline.run().job


def environment(job: Any) -> Any:
    """What a job says of its workers and modes, as Dataflow's message."""
    staged = "gs://bucket/staging/pipeline.pb"
    return apiclient.Environment([], job.options, "1", staged, job.proto_pipeline).proto


def contents(job: Any) -> Iterator[bytes]:
    """The graph in bytes, and every pickle in it, unpacked; without what Beam stages beside it."""
    kept = type(job.proto_pipeline)()
    kept.CopyFrom(job.proto_pipeline)
    for each in kept.components.environments.values():
        del each.dependencies[:]
    yield from _unpacked(kept.SerializeToString())


def _unpacked(content: bytes) -> Iterator[bytes]:
    yield content
    for found in _PICKLE.findall(content):
        # The byte in front of a pickle may be a length that looks like a part of it.
        for start in range(4):
            packed = found[start:]
            try:
                packed = base64.b64decode(packed + b"=" * (-len(packed) % 4))
            except binascii.Error:
                continue
            inner = _decompressed(packed)
            if inner is not None:
                yield from _unpacked(inner)
                break


def _decompressed(packed: bytes) -> bytes | None:
    if packed.startswith(_BEGINNING):
        return packed
    for unpack in (zlib.decompress, bz2.decompress):
        try:
            return unpack(packed)
        except (zlib.error, OSError, ValueError):
            continue
    return None
