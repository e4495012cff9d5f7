"""Which files have the same fields, so that one set of rules may read them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.inputs.sample_rows import Sample
from transforms.rules.guess.sample_fields import sample_fields

# Of the fields of the one that has fewer.
_LEAST_SHARED = 0.5


def kinds_of(read: Sequence[Sample]) -> list[list[Sample]]:
    """The samples by what their fields are called: those of one kind share at least half of them.

    Args:
        read: the first rows of files; those without any are of no kind.
    """
    kinds: list[tuple[set[str], list[Sample]]] = []
    for sample in read:
        fields = {*sample.source.names} or {field.name for field in sample_fields(sample.parts)}
        if not fields:
            continue
        for known, alike in kinds:
            if len(fields & known) >= _LEAST_SHARED * min(len(fields), len(known)):
                alike.append(sample)
                known |= fields
                break
        else:
            kinds.append((fields, [sample]))
    return [alike for _, alike in kinds]
