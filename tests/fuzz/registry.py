"""All attacks, by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz.attack import Attack
from tests.fuzz.attacks import (
    batches,
    changing_files,
    csv_records,
    event_ids,
    flipped_bits,
    full_disks,
    kills,
    messages,
    streams,
)

ATTACKS: Final[dict[str, Attack]] = {
    attack.name: attack
    for attack in (
        Attack("csv_records", csv_records.case, "records", 118_000),
        Attack("messages", messages.case, "messages", 100_000),
        Attack("batches", batches.case, "runs", 100),
        Attack("streams", streams.case, "streams", 50),
        Attack("batch_kills", kills.batch_case, "kills", 40),
        Attack("replay_kills", kills.replay_case, "kills", 20),
        Attack("full_disks", full_disks.case, "full disks", 19),
        Attack("flipped_bits", flipped_bits.case, "flips", 50),
        Attack("changing_files", changing_files.case, "runs", 50),
        Attack("event_ids", event_ids.case, "pairs", 100_000),
    )
}
