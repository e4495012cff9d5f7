"""How far the workers on this machine are: small files in a folder, written by them, read by us."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reached:
    """How much of the input has been read: stored bytes and records."""

    bytes: int = 0
    records: int = 0


@dataclass(frozen=True)
class Progress:
    """A folder of progress notes; only for runners whose workers share this machine's disk.

    Attributes:
        folder: where the notes lie.
    """

    folder: str

    def report(self, path: str, start: int, position: int, records: int) -> None:
        """Note that the range of `path` from `start` is read up to `position`, `records` more."""
        note = self._note(f"{path}:{start}")
        before = _read(note)
        text = json.dumps({"bytes": position - start, "records": before.records + records})
        part = note.with_suffix(".part")
        part.write_text(text)
        os.replace(part, note)

    def enter_commit(self) -> None:
        """Note that the tables are being replaced."""
        self._commit.touch()

    @property
    def committing(self) -> bool:
        """Whether the tables are being replaced."""
        return self._commit.exists()

    @property
    def _commit(self) -> Path:
        return Path(self.folder, "commit")

    def reached(self) -> Reached:
        """The sum of all notes."""
        notes = [_read(note) for note in Path(self.folder).glob("*.json")]
        return Reached(sum(note.bytes for note in notes), sum(note.records for note in notes))

    def _note(self, name: str) -> Path:
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        return Path(self.folder, f"{digest}.json")


def _read(note: Path) -> Reached:
    try:
        return Reached(**json.loads(note.read_text()))
    except FileNotFoundError:
        return Reached()
