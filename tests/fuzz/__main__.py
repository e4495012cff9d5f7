"""Attack the pipeline for some time: see `make fuzz`."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time
from functools import partial

from tests.fuzz.campaign import Campaign, again, table
from tests.fuzz.registry import ATTACKS
from tests.fuzz.turn import run_case


def main() -> int:
    """Run a campaign, or one case of it again.

    Returns:
        1 where something failed; otherwise 128 and its number if a signal ended the campaign.
    """
    options = _options()
    chosen = [ATTACKS[name] for name in options.attack or ATTACKS]
    if options.case is not None:
        return _run_again(options.attack, options.case)
    say = partial(print, flush=True)
    campaign = Campaign(options.seed, options.seconds, options.jobs, say)
    signals: list[int] = []

    def end(number: int, _: object) -> None:
        signals.append(number)
        campaign.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    print(
        f"Seed {options.seed}, {options.seconds:g} seconds, {options.jobs} at once: "
        f"{', '.join(attack.name for attack in chosen)}",
        flush=True,
    )
    begin = time.monotonic()
    scores = campaign.run(chosen)
    print(f"\nSeed {options.seed}\n{table(scores)}")
    if signals:
        name = signal.Signals(signals[0]).name
        print(f"\nEnded by {name} after {time.monotonic() - begin:,.0f} seconds.")
    failed = [again(score.attack, seed) for score in scores for seed in score.failed]
    print("\n".join(["", "Failed:", *failed] if failed else ["", "Nothing failed."]))
    if failed:
        return 1
    return 128 + signals[0] if signals else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="how long (3600)")
    parser.add_argument("--seed", type=int, help="the campaign's; a random one by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="attacks at once")
    parser.add_argument("--attack", action="append", choices=ATTACKS, help="all by default")
    parser.add_argument("--case", type=int, help="one case of one --attack again, by its seed")
    options = parser.parse_args()
    if options.case is not None and len(options.attack or ()) != 1:
        parser.error("--case needs the one --attack that it is of")
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    return options


def _run_again(names: list[str], seed: int) -> int:
    outcome = run_case(ATTACKS[names[0]], seed)
    print(outcome.get("failure", f"{outcome['tried']:,} {ATTACKS[names[0]].unit}: nothing failed"))
    return 1 if "failure" in outcome else 0


if __name__ == "__main__":
    sys.exit(main())
