"""Coders of all that the steps of a graph hand to each other, staged files among them."""

from __future__ import annotations

import apache_beam as beam

from pipeline.warehouse.changes import StagedFile
from transforms import coders


def register() -> None:
    """Make Beam use them for the element types of the pipelines."""
    coders.register()
    beam.coders.registry.register_coder(StagedFile, beam.coders.RowCoder)
