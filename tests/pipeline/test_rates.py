"""Users over a rate of events, in the graphs of batch and update."""

from __future__ import annotations

from pathlib import Path

from tests.support.in_process import command_here
from tests.support.robots import Limits
from tests.unit.test_rates import BEFORE, Sequences, on

GRAPH = ("--runner", "FnApiRunner")


def test_graphs_leave_them_out(tmp_path: Path) -> None:
    home = Sequences(tmp_path, Limits(day=3, session=4), keep=True)
    found = home.load([*BEFORE, *on(7, 1, 2, 3, 4, 4, user="other")], "batch", *GRAPH)
    assert found["dead_letters"]["by_error_type"] == {"excluded": 4}
    assert found["excluded"] == {"total": 1, "by_rule": {"events_per_day": 1}}
    late = [*on(2, 900), *on(2, 700), *on(8, 1, user="other"), *on(7, 1, user="other")]
    found = home.load(late, "update", *GRAPH)
    assert found["dead_letters"] == {"total": 8, "by_error_type": {"excluded": 8}, "known": 1}
    assert found["excluded"] == {"total": 1, "by_rule": {"events_per_day": 1}, "taken_back": 5}
    assert home.asked(
        "SELECT count(*), count(DISTINCT dead_letter_id) FROM dead_letter_events"
    ) == [(11, 11)]
    told = [line.split() for line in command_here("runs", cwd=tmp_path).stdout.splitlines()]
    (head,) = (at for at, words in enumerate(told) if words[:1] == ["began"])
    assert told[head][-5:] == ["excluded", "taken", "back", "run", "on"]
    assert [words[-4:-2] for words in told[head + 1 : head + 3]] == [["1", "5"], ["1", "0"]]
