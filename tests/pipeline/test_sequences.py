"""Batches, updates, replays and rebuilds in any sequence: after each, the tables of one batch."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.in_process import start
from tests.support.runs import contents, run_graph
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import NOW, Row, csv_text, parse, row
from tests.support.thorough import THOROUGH
from tests.support.updates import differing
from transforms.marts import dead_letter_events

# A row as it comes, and as --edit has it.
Pair = tuple[Row, Row]
_EDIT = "s/_APP//"
_LOADS = ("batch", "update", "update by a runner")


def spoilt(item: Row) -> Pair:
    """A row that the edit corrects."""
    return {**item, "platform": f"{item['platform']}_APP"}, item


def run(name: str, database: Path, *arguments: str) -> None:
    start(name, *arguments, "--quality", "off", "--warehouse", f"duckdb:///{database}")


def payloads(rows: Sequence[Row]) -> Counter[str]:
    """The dead letters of a batch over these rows."""
    found = [
        dead_letter_events.rows(part.rejections, "a.csv", NOW, "1")["payload"].to_pylist()
        for part in parse(csv_text(rows))
    ]
    return Counter(chain.from_iterable(found))


def check(actions: Sequence[str], pairs: Sequence[Pair]) -> None:
    """That tables are right after each action: loads have shares of the rows, each its file.

    A replay corrects all that came before it, and a batch after it leaves that corrected.
    """
    loads = sum(action in _LOADS for action in actions)
    shares = iter([pairs[share::loads] for share in range(loads)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database, files = folder / "growth.duckdb", str(folder / "*.csv")
        corrected: list[Row] = []
        came: list[Pair] = []
        for number, action in enumerate(actions):
            if action in _LOADS:
                share = next(shares)
                path = folder / f"{number}.csv"
                path.write_bytes(csv_text([pair[0] for pair in share]))
                came += share
            if action == "batch":
                run_graph(sorted(folder.glob("*.csv")), database)
            elif action in _LOADS:
                options = ["--max_dead_letter_pct", "100"]
                if action == "update by a runner":
                    options += ["--runner", "FnApiRunner"]
                run("update", database, "--input", files, *options)
            elif action.startswith("replay"):
                options = ["--edit", _EDIT]
                if action == "replay by a runner":
                    options += ["--runner", "FnApiRunner"]
                run("replay", database, *options)
                corrected, came = [*corrected, *(pair[1] for pair in came)], []
            else:
                run("rebuild", database)
            now = [*corrected, *(pair[0] for pair in came)]
            assert differing(database, now) == [], (number, action)
            letters = contents(database)["dead_letter_events"]["payload"].to_pylist()
            assert Counter(letters) == payloads(now), (number, action)


_ROWS = st.lists(
    st.one_of(
        valid_rows.map(lambda item: (item, item)),
        valid_rows.map(spoilt),
        broken_rows.map(lambda item: (item, item)),
    ),
    min_size=8,
    max_size=40,
)
_REPLAYS = ("replay", "replay by a runner")
_EVERY = ("update", _REPLAYS[0], "update by a runner", "rebuild", _REPLAYS[1], "batch", "update")
_HARD = [
    (item, item) if sound else spoilt(item)
    for sound, item in [
        (True, row("2024-01-31T23:50:00Z")),
        (False, row("2024-02-01T00:10:00Z")),
        (True, row("2024-02-01T00:30:00Z")),
        (False, row("2023-11-05T10:00:00Z", "bob", "miles_redeemed", amount="5")),
        (True, row("2024-04-05T10:00:00Z", "bob", "miles_earned", amount="5")),
        (False, row("2024-01-31T23:50:00Z")),
        (False, row("2024-02-01T00:00:00Z")),
        (True, row("never")),
    ]
]


# Each action is a run of a graph: shrinking a failure would take half an hour.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, *([Phase.generate] if THOROUGH else [])],
)
@given(
    first=st.sampled_from(_LOADS),
    others=st.lists(st.sampled_from([*_LOADS, *_REPLAYS, "rebuild"]), min_size=2, max_size=5),
    rows=_ROWS,
)
@example(first="batch", others=list(_EVERY), rows=_HARD)
def test_any_sequence_ends_as_one_batch(first: str, others: list[str], rows: list[Pair]) -> None:
    check([first, *others], rows)
