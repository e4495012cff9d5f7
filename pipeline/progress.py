"""How far the workers on this machine are: small files in a folder, written by them, read by us."""

from __future__ import annotations

import hashlib
import json
import os
import threading
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
        """Note that the range of `path` from `start` is read up to `position`, `records` more.

        Row groups of a Parquet file and files of an archive are one range, which several workers
        may read: each has a note of its own.
        """
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
        """The records of all notes, and how far the one is that is farthest in its range."""
        farthest: dict[str, int] = {}
        records = 0
        for path in Path(self.folder).glob("*.json"):
            name, note = path.name.partition("-")[0], _read(path)
            farthest[name] = max(farthest.get(name, 0), note.bytes)
            records += note.records
        return Reached(sum(farthest.values()), records)

    def _note(self, name: str) -> Path:
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        return Path(self.folder, f"{digest}-{os.getpid()}-{threading.get_ident()}.json")


def _read(note: Path) -> Reached:
    try:
        return Reached(**json.loads(note.read_text()))
    except FileNotFoundError:
        return Reached()
