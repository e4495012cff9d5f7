"""CSV whose first line is a row already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pipeline.inputs.sample_rows import Sample
from transforms.kernels.input_formats import Given

_A_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d|\d\d[./]\d\d[./]\d{4}|\d{10}(\d{3}){0,2}$")
_SNOWPLOW_COLUMNS: Final = 131


def headless(sample: Sample) -> str:
    """What to do where the first line of CSV is a row already; "" where it is a header."""
    names, form = sample.source.names, sample.source.form
    if form.kind != "csv" or not any(_A_TIME.match(name) for name in names):
        return ""
    tool = ", or try --preset snowplow" if len(names) == _SNOWPLOW_COLUMNS else ""
    return (
        f"{sample.source.path}: its first line looks like a row, and no header: name its columns "
        f"in [input] of the rules, names = [...]{tool}"
    )


def numbered(samples: Sequence[Sample]) -> Given | None:
    """What names the columns of CSV without a header c1, c2 and so on.

    None where some files have a header, or another delimiter or number of columns.
    """
    kinds = {(sample.source.form.dialect.delimiter, len(sample.source.names)) for sample in samples}
    if len(kinds) > 1 or not all(headless(sample) for sample in samples):
        return None
    delimiter, width = kinds.pop()
    names = tuple(f"c{number}" for number in range(1, width + 1))
    return Given(delimiter=delimiter, names=names)


def said_of(given: Given) -> str:
    """The names of columns that have numbers, in words."""
    return f"{given.names[0]} to {given.names[-1]}"
