"""Some cases of one attack, in a process of its own: a crash or a hang ends nothing else.

python -m tests.fuzz.turn ATTACK FIRST_SEED SECONDS

It writes a JSON object a line to where stdout was: the seed of a case before it begins, how many
units it tried and how it ended after that. All else that is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.fuzz.attack import Attack
from tests.fuzz.registry import ATTACKS

# A case is some thousand records: what takes more memory than this follows their shape.
MOST_MEMORY: Final = 2 << 30

Tell = Callable[[dict[str, Any]], None]


def take_turn(attack: Attack, first_seed: int, seconds: float, tell: Tell) -> None:
    """Run cases, from `first_seed` on, until no time is left."""
    end = time.monotonic() + seconds
    seed = first_seed
    while time.monotonic() < end or seed == first_seed:
        tell({"seed": seed})
        tell({"seed": seed, **run_case(attack, seed)})
        seed += 1


def run_case(attack: Attack, seed: int) -> dict[str, Any]:
    """The case of a seed in a folder of its own: `tried`, and `failure` where it failed."""
    before = _peak()
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        try:
            tried = attack.run(seed, Path(folder))
        except Exception:
            return {"tried": 1, "failure": traceback.format_exc()}
    peak = _peak()
    if before < MOST_MEMORY < peak:
        return {"tried": tried, "failure": f"memory rose from {before:,} to {peak:,} bytes"}
    return {"tried": tried}


def _peak() -> int:
    """The most memory that this process, or one that it started, has held so far."""
    return max(
        resource.getrusage(who).ru_maxrss << 10
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def main() -> None:
    """Take a turn as the command line says."""
    name, first_seed, seconds = sys.argv[1:]
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    take_turn(
        ATTACKS[name],
        int(first_seed),
        float(seconds),
        lambda note: print(json.dumps(note), file=output),
    )


if __name__ == "__main__":
    main()
