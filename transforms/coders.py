"""Coders of what the steps hand to each other.

Without them Beam pickles Arrow objects, and a pickled slice carries the whole of its parent: ten
rows of a 50 MB batch weigh 50 MB. Beam also asks for the size of elements now and then, and by
default encodes them to find out, which took 2 of the 25 seconds of a run over 10 M events.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import Coder

from transforms.kernels.codecs.sum_codecs import (
    decode_counters,
    decode_run_counts,
    encode_counters,
    encode_run_counts,
)
from transforms.kernels.counters import Counters
from transforms.kernels.parse import Parsed
from transforms.kernels.records import RawRecords
from transforms.kernels.run_counts import RunCounts
from transforms.quality.check_counts import CheckCounts

# Arrow's thread pool makes batches of some thousand rows 3 x (writing) and 6 x (reading) slower.
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)


class RecordBatchCoder(Coder):
    """Arrow record batches as IPC streams, LZ4-compressed."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        return _encode(value.schema, lambda writer: writer.write_batch(value))

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        with pa.ipc.open_stream(encoded, options=_READ) as reader:
            return reader.read_next_batch()

    def estimate_size(self, value: pa.RecordBatch) -> int:
        return int(value.nbytes)

    def is_deterministic(self) -> bool:
        return False


class TableCoder(Coder):
    """Arrow tables as IPC streams, LZ4-compressed."""

    def encode(self, value: pa.Table) -> bytes:
        # A stream holds one dictionary for each column.
        unified = value.unify_dictionaries()
        return _encode(unified.schema, lambda writer: writer.write_table(unified))

    def decode(self, encoded: bytes) -> pa.Table:
        with pa.ipc.open_stream(encoded, options=_READ) as reader:
            return reader.read_all()

    def estimate_size(self, value: pa.Table) -> int:
        return int(value.nbytes)

    def is_deterministic(self) -> bool:
        return False


def _encode(schema: pa.Schema, write: Callable[[pa.ipc.RecordBatchStreamWriter], None]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_WRITE) as writer:
        write(writer)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


class FusedCoder(Coder):
    """What passes from a step to the next in one process: pickled, should a runner part them."""

    def encode(self, value: Any) -> bytes:
        return pickle.dumps(value, protocol=5)

    def decode(self, encoded: bytes) -> Any:
        return pickle.loads(encoded)

    def estimate_size(self, value: RawRecords | Parsed) -> int:
        return value.nbytes

    def is_deterministic(self) -> bool:
        return False


class _StateCoder(Coder):
    """What a job keeps, the same bytes for equal values."""

    def is_deterministic(self) -> bool:
        return True


class CountersCoder(_StateCoder):
    """Counters, by `sum_codecs`."""

    def encode(self, value: Counters) -> bytes:
        return encode_counters(value)

    def decode(self, encoded: bytes) -> Counters:
        return decode_counters(encoded)


class RunCountsCoder(_StateCoder):
    """Run counts, by `sum_codecs`."""

    def encode(self, value: RunCounts) -> bytes:
        return encode_run_counts(value)

    def decode(self, encoded: bytes) -> RunCounts:
        return decode_run_counts(encoded)


class CheckCountsCoder(_StateCoder):
    """What checks have counted, by `CheckCounts.to_bytes`."""

    def encode(self, value: CheckCounts) -> bytes:
        return value.to_bytes()

    def decode(self, encoded: bytes) -> CheckCounts:
        return CheckCounts.from_bytes(encoded)


def register() -> None:
    """Make Beam use these coders for the element types of the pipelines."""
    registry = beam.coders.registry
    registry.register_coder(pa.RecordBatch, RecordBatchCoder)
    registry.register_coder(pa.Table, TableCoder)
    registry.register_coder(RawRecords, FusedCoder)
    registry.register_coder(Parsed, FusedCoder)
    registry.register_coder(Counters, CountersCoder)
    registry.register_coder(RunCounts, RunCountsCoder)
    registry.register_coder(CheckCounts, CheckCountsCoder)
