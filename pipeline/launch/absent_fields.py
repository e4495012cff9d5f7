"""Fields that rules name and the first rows of JSON files lack: most often a name is misspelt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Final

import duckdb

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.sample_rows import Sample, sample_of
from pipeline.inputs.sources import describe, spread
from transforms.kernels.column_names import alike
from transforms.rules.guess.sample_fields import sample_fields
from transforms.rules.model import Rules
from transforms.rules.source_fields import source_fields

_ROWS: Final = 1_000
_MOST_FILES: Final = 5
_JSON: Final = ("jsonl", "json")


def warn_of_absent_fields(files: Sequence[InputFile], rules: Rules) -> None:
    """Say so where no row at the beginning of a file has a field that rules name; of many files
    some are looked at.

    Rows of JSON may lack a field, so that only all of them together say that it has another name; a
    CSV or Parquet file that lacks a column is refused.

    Raises:
        DataError: if the file can't be read, or is not what the rules say.
    """
    for file in spread(files, _MOST_FILES):
        for source in describe(file, rules.input, _MOST_FILES):
            if source.form.kind in _JSON:
                for line in _absent(sample_of(source, _ROWS), rules):
                    logging.getLogger(__name__).warning("%s", line)


def _absent(sample: Sample, rules: Rules) -> Iterator[str]:
    with duckdb.connect(config={"threads": 1}) as database:
        found = [source_fields(part, rules, database) for part in sample.parts]
    if all(part.unreadable.all() for part in found):
        return
    known = {field.name for field in sample_fields(sample.parts)}
    for name in rules.column_names:
        column = rules.columns.get(name)
        if column is None or not column.fields or column.optional or known & {*column.fields}:
            continue
        if any(text.null_count < len(text) for part in found for text in part.texts[name]):
            continue
        free = known - {field for other in rules.columns.values() for field in other.fields}
        near = [found for field in column.fields for found in alike([field], free).values()]
        hint = f"; {near[0]!r} is there, and looks like it" if near else ""
        yield (
            f"{sample.source.path}: none of its first {sample.rows:,} rows has "
            f"{' or '.join(map(repr, column.fields))}, from which {name} comes by "
            f"{rules.called}{hint}"
        )
