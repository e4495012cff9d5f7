"""Coders of all that the steps of a graph hand to each other: the one place that registers them."""

from __future__ import annotations

import json
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import Coder

from pipeline.inputs.csv_ranges import FileRange
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.source_ranges import SourceRange
from pipeline.sinks.staged_steps import StagedStep
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import FoundRows
from transforms import coders


def register() -> None:
    """Make Beam use them for the element types of the pipelines."""
    coders.register()
    for element, coder in _JSON.items():
        beam.coders.registry.register_coder(element, coder)
    beam.coders.registry.register_coder(StagedStep, _StagedStepCoder)
    # A contract and an address, a file and its names: some hundred elements a run.
    for pickled in (FoundRows, SourceRange):
        beam.coders.registry.register_coder(pickled, beam.coders.PickleCoder)


class _JsonCoder(Coder):
    """Named tuples as the JSON of their fields; those with several values come back as lists.

    Beam's coder of rows takes annotations that are text for fields of any type, which Flink's side
    of Beam decodes, and can't (2.62).
    """

    kind: type[Any]

    def encode(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def decode(self, encoded: bytes) -> Any:
        return self.kind(*json.loads(encoded))

    def is_deterministic(self) -> bool:
        return True


class _InputFileCoder(_JsonCoder):
    kind = InputFile


class _FileRangeCoder(_JsonCoder):
    kind = FileRange


class _StagedFileCoder(_JsonCoder):
    kind = StagedFile


_JSON: Final = {
    InputFile: _InputFileCoder,
    FileRange: _FileRangeCoder,
    StagedFile: _StagedFileCoder,
}


class _StagedStepCoder(Coder):
    """Staged steps as a job's state holds them."""

    def encode(self, value: StagedStep) -> bytes:
        return value.to_bytes()

    def decode(self, encoded: bytes) -> StagedStep:
        return StagedStep.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        return True
