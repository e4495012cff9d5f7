"""What a parse step gives beside its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apache_beam import pvalue

from transforms.metrics import count
from transforms.parse_step import COUNTS, DEAD_LETTERS, ParsedPart


def beside_events(
    part: ParsedPart, windowed: Callable[[Any], Any]
) -> Iterator[pvalue.TaggedOutput]:
    """The outputs of a part beside its events, which are counted here for the metrics.

    Args:
        part: what became of some records.
        windowed: gives an output its window and timestamp.
    """
    if part.dead_letters.num_rows:
        yield pvalue.TaggedOutput(DEAD_LETTERS, windowed(part.dead_letters))
    yield pvalue.TaggedOutput(COUNTS, windowed(part.counts))
    count(part.counts)
