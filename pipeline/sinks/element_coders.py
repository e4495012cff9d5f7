"""Coders of all that the steps of a graph hand to each other: the one place that registers them."""

from __future__ import annotations

import apache_beam as beam

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.read_csv import FileRange
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.lookups import FoundRows
from transforms import coders
from transforms.streaming.users import UserChange


def register() -> None:
    """Make Beam use them for the element types of the pipelines."""
    coders.register()
    for element in (InputFile, FileRange, StagedFile, UserChange):
        beam.coders.registry.register_coder(element, beam.coders.RowCoder)
    # A contract and an address: some hundred elements a run.
    beam.coders.registry.register_coder(FoundRows, beam.coders.PickleCoder)
