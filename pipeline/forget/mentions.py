"""Texts that name people: samples of checks, and why runs have failed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from transforms.kernels.forgotten import NamedUsers, mentioning
from transforms.quality.check_counts import sample_of

_NO_WORD: Final = re.compile(r"\W")
# In the place of a message that named somebody.
LEFT_OUT: Final = "left out: it named somebody who was forgotten"


@dataclass(frozen=True)
class Mentions:
    """Whom texts may name.

    Attributes:
        ids: of users, and of what is theirs.
    """

    ids: set[str]

    def without_sampled(self, sample: str) -> str | None:
        """A sample of data_quality_results without their keys; None where no other is left."""
        found = json.loads(sample)
        kept = [key for key in found if self.ids.isdisjoint(map(str, key.values()))]
        if len(kept) == len(found):
            return sample
        return f"[{', '.join(map(sample_of, kept))}]" if kept else None

    def unless_named(self, text: str) -> str:
        """A text that names none of them; another one in the place of one that does."""
        return LEFT_OUT if self._named(text) else text

    def _named(self, text: str) -> bool:
        users = NamedUsers(pa.array(sorted(self.ids), pa.string()))
        # Others than words are no field of a sentence.
        others = (user for user in self.ids if _NO_WORD.search(user))
        return bool(mentioning(users, [text.encode()])[0]) or any(user in text for user in others)
