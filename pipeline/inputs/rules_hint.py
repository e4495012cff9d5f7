"""Which rules may read a file that is not read without any."""

from __future__ import annotations

import json
import shlex

from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.sample_rows import samples
from pipeline.paths import typed_program
from transforms.data_error import DataError
from transforms.kernels.column_names import alike
from transforms.kernels.input_formats import Given
from transforms.rules.guess.sample_fields import sample_fields
from transforms.rules.presets import looked_like
from transforms.vocabulary import SOURCE_COLUMNS

_ROWS = 100


def rules_hint(file: InputFile) -> str:
    """What to say of a file that --rules could read: the preset or the lines that would do, by the
    names of its fields, and the command that writes them."""
    inspect = f"{typed_program()} inspect --input {shlex.quote(file.path)} --write_rules rules.toml"
    known = _by_names(_fields(file))
    return f"files of its kind are read by rules{known}. To have these written, run {inspect}"


def _fields(file: InputFile) -> list[str]:
    try:
        parts = [part for sample in samples(file, Given(), _ROWS) for part in sample.parts]
    except (DataError, RunError, OSError):
        return []  # What is wrong with it inspect says.
    return [field.name for field in sample_fields(parts)]


def _by_names(fields: list[str]) -> str:
    preset = looked_like(fields)
    if preset is not None:
        return f"; it looks like an export that --preset {preset} reads: add that"
    if {*SOURCE_COLUMNS} <= {*fields}:
        return "; it has our columns, so that an empty file will do as --rules"
    close = alike([name for name in SOURCE_COLUMNS if name not in fields], fields)
    lines = [
        f"{name} = {json.dumps(close[name], ensure_ascii=False)}"
        for name in SOURCE_COLUMNS
        if name in close
    ]
    return f", e.g. [columns] {', '.join(lines)}" if lines else ""
