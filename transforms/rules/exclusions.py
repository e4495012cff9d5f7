"""Which source rows are left out, by [exclude] of the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels import fields
from transforms.kernels.records import Excluded
from transforms.rules.model import Exclude

Masks = NDArray[np.bool_]


def excluded(rules: Exclude, user_ids: pa.Array, texts: Mapping[str, pa.Array]) -> Excluded | None:
    """Which rows are left out, and by which rule: of several the first one counts.

    Args:
        rules: the rules.
        user_ids: of each row, as the source has them: strings, or a dictionary of them.
        texts: by the fields of `where` their texts, likewise.

    Returns:
        None where the rules leave nothing out.
    """
    if not rules.is_any:
        return None
    by_rule: dict[str, Masks] = {}
    rest = np.ones(len(user_ids), np.bool_)
    for name, mask in _masks(rules, user_ids, texts):
        by_rule[name] = mask & rest
        rest &= ~mask
    return Excluded({name: mask for name, mask in by_rule.items() if mask.any()}, rules.keep)


def _masks(
    rules: Exclude, user_ids: pa.Array, texts: Mapping[str, pa.Array]
) -> Iterator[tuple[str, Masks]]:
    if rules.ids:
        known = pa.array(rules.ids, pa.string())
        yield "ids", _of_values(user_ids, lambda values: pc.is_in(fields.trimmed(values), known))
    if rules.patterns:
        yield "patterns", matching(user_ids, rules.patterns)
    for field, patterns in rules.where.items():
        yield f"where.{field}", matching(texts[field], patterns)


def matching(texts: pa.Array, patterns: Sequence[str]) -> Masks:
    """Which texts hold what fits one of some patterns."""
    # RE2 takes time in proportion to the text, whatever the pattern.
    either = "|".join(f"(?:{pattern})" for pattern in patterns)
    return _of_values(texts, lambda values: pc.match_substring_regex(values, either))


def _of_values(texts: pa.Array, tell: Callable[[pa.Array], pa.Array]) -> Masks:
    """What is told of strings, of a dictionary once for each of its values."""
    if not pa.types.is_dictionary(texts.type):
        found: Masks = tell(texts).to_numpy(zero_copy_only=False)
        return found
    of_values: Masks = tell(texts.dictionary).fill_null(False).to_numpy(zero_copy_only=False)
    rows: Masks = of_values[texts.indices.to_numpy()]
    return rows
