"""What input files were taken for, in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.sources import describe, files_within
from pipeline.terminal import counted
from transforms.data_error import DataError
from transforms.kernels.input_formats import Given

# Looking takes some 30 ms a file, on gs:// two or three requests.
_LOOKED_AT: Final = 10
_SHOWN: Final = 3


def formats_line(files: Sequence[InputFile], given: Given) -> str:
    """What the first files are, and how to say otherwise.

    Args:
        files: those that a run has read, by rules; at least one.
        given: what the rules say of them.
    """
    looked_at = files[:_LOOKED_AT]
    found: Counter[str] = Counter()
    others: list[str] = []
    for file in looked_at:
        with suppress(DataError):  # It has changed since it was read.
            sources = describe(file, given, _LOOKED_AT)
            found.update(source.form.text for source in sources)
            if any(source.member for source in sources):
                others += files_within(file, given).left_out
    kinds = "; ".join(
        text if len(found) == 1 else f"{text} ({number})" for text, number in found.most_common()
    )
    several = len(looked_at) < len(files)
    of = f", to go by the first {counted(len(looked_at), 'file')}" if several else ""
    told = f"; left out of archives: {', '.join(others[:_SHOWN])}" if others else ""
    more = f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else ""
    return (
        f"read as {kinds or 'nothing'}{of}{told}{more}; where that is wrong, say so in [input] of "
        "the rules"
    )
