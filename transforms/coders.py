"""Coders of what goes through shuffles.

Without them Beam pickles Arrow objects, and a pickled slice carries the whole of its parent: ten
rows of a 50 MB batch weigh 50 MB.
"""

from __future__ import annotations

from typing import Protocol, Self

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import Coder

from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts

# Arrow's thread pool makes batches of some thousand rows 3 x (writing) and 6 x (reading) slower.
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)


class RecordBatchCoder(Coder):
    """Arrow record batches as IPC streams, LZ4-compressed."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema, options=_WRITE) as writer:
            writer.write_batch(value)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        with pa.ipc.open_stream(encoded, options=_READ) as reader:
            return reader.read_next_batch()

    def is_deterministic(self) -> bool:
        return False


class _SelfEncoding(Protocol):
    def to_bytes(self) -> bytes: ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...


class _SelfCoder(Coder):
    """Objects that encode themselves."""

    kind: type[_SelfEncoding]

    def encode(self, value: _SelfEncoding) -> bytes:
        return value.to_bytes()

    def decode(self, encoded: bytes) -> _SelfEncoding:
        return self.kind.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        return True


class CountersCoder(_SelfCoder):
    """Counters, by `Counters.to_bytes`."""

    kind = Counters


class RunCountsCoder(_SelfCoder):
    """Run counts, by `RunCounts.to_bytes`."""

    kind = RunCounts


def register() -> None:
    """Make Beam use these coders for the element types of the pipelines."""
    registry = beam.coders.registry
    registry.register_coder(pa.RecordBatch, RecordBatchCoder)
    registry.register_coder(Counters, CountersCoder)
    registry.register_coder(RunCounts, RunCountsCoder)
