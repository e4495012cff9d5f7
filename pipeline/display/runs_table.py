"""What a person sees of the runs into a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from rich.padding import Padding
from rich.text import Text

from pipeline.display.page import Page, section, show_reckoning, show_warehouse_of
from pipeline.terminal import counted, printable
from transforms.kernels.run_counts import RunCounts
from transforms.state.pipeline_runs import RunState
from transforms.state.warehouse_settings import TIMEZONE, reckoning_of

_NUMBERS: Final[Mapping[str, Callable[[RunCounts], int]]] = {
    ">rows": lambda counts: counts.input_rows,
    ">events": lambda counts: counts.events,
    ">duplicates": lambda counts: counts.duplicates,
    ">dead letters": lambda counts: counts.rejected,
    ">forgotten": lambda counts: counts.forgotten,
}
# Shown where a run has some.
_RARE: Final[Mapping[str, Callable[[RunCounts], int]]] = {
    ">excluded": lambda counts: counts.left_out,
    ">taken back": lambda counts: counts.taken_back,
}
# Settings that say what was read, by the commands that have them.
_ON: Final = ("input", "subscription", "user_ids", "error_type")


def show_runs(states: Sequence[RunState], noted: int, url: str) -> None:
    """Print runs, the latest first, and why those failed that did.

    Args:
        states: the runs to show.
        noted: how many there are in all.
        url: of the warehouse.
    """
    console = Page()
    counted_by_runs = [state.counts for state in states if state.counts is not None]
    rare = {name: of for name, of in _RARE.items() if any(map(of, counted_by_runs))}
    numbers = {**_NUMBERS, **rare}
    columns = ("began (UTC)", "command", "outcome", ">took", *numbers, "run", "~on")
    section(console, "Runs", [_line(state, [*numbers.values()]) for state in states], *columns)
    failed = [state for state in states if state.message]
    if failed:
        console.print("\n[bold]Why they failed[/]")
    for state in failed:
        heading = Text.assemble((_began(state), "bold"), f"  {state.run.run_id}")
        console.print(Padding(heading, (0, 2)))
        console.print(Padding(Text(printable(str(state.message))), (0, 4)))
    if noted > len(states):
        console.print(
            f"\n{len(states):,} of {counted(noted, 'run')} are shown; --limit {noted} shows all"
        )
    built = (state.run.settings for state in states if state.outcome != "failed")
    show_reckoning(console, reckoning_of(next((its for its in built if TIMEZONE in its), {})))
    show_warehouse_of(console, url)
    console.print()


def _line(state: RunState, numbers: Sequence[Callable[[RunCounts], int]]) -> tuple[str, ...]:
    counts, run = state.counts, state.run
    return (
        _began(state),
        run.command,
        state.outcome,
        _took(state.updated_at - run.started_at),
        *("" if counts is None else f"{of(counts):,}" for of in numbers),
        run.run_id,
        _on(run.settings),
    )


def _began(state: RunState) -> str:
    return f"{state.run.started_at:%Y-%m-%d %H:%M:%S}"


def _on(settings: Mapping[str, Any]) -> str:
    found = [_shown(name, settings[name]) for name in _ON if settings.get(name)]
    return " ".join(
        str(item) for value in found for item in (value if isinstance(value, list) else [value])
    )


def _shown(name: str, value: Any) -> Any:
    # Of users how many there were; nobody is named.
    return counted(value, "user") if name == "user_ids" and isinstance(value, int) else value


def _took(time: timedelta) -> str:
    """A span of time as people read it."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} days {hours % 24} h"
