"""Users over a rate of events: whatever comes when, the tables are those of one batch without."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError
from pipeline.launch.excluded_of_tables import refuse_rates
from pipeline.launch.rules_of_run import asked_rules
from tests.support.known_people import under_known_ids, write_pairs
from tests.support.reading import asked
from tests.support.robots import Limits, let_in, robots
from tests.support.strategies import valid_rows
from tests.support.tables import Row, csv_text, row
from tests.support.thorough import examples
from tests.support.updates import Home, differing, messages_of
from tests.unit.test_moved_people import run
from transforms.figure_settings import FigureSettings
from transforms.kernels.rates import NO_RATES, Rates
from transforms.reckoning import Reckoning


class Sequences:
    """Loads into a warehouse of a folder, each compared with a batch over all that came but for
    users over a rate.

    Attributes:
        folder: the folder.
        limits: the rates.
        keep: whether events of these users become dead letters.
        came: all rows so far.
        known: by anonymous ids the known ones.
    """

    def __init__(self, folder: Path, limits: Limits, keep: bool = False):
        self.folder, self.limits = folder, limits
        self.came: list[Row] = []
        self.known: dict[str, str] = {}
        kept = "\nkeep = true\n" if keep else "\n"
        (folder / "rules.toml").write_text(limits.rules + kept)

    @property
    def database(self) -> Path:
        return self.folder / "growth.duckdb"

    def load(
        self,
        rows: Sequence[Row],
        by: str = "update",
        *arguments: str,
        more: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Load rows by a command, with more pairs if there are some; gives the run's summary."""
        number = len(list(self.folder.glob("*.csv")))
        (self.folder / f"{number:03}.csv").write_bytes(csv_text(rows))
        self.came += rows
        files = ["--input", f"{self.folder}/*.csv", "--rules", f"{self.folder}/rules.toml"]
        if more is not None:
            self.known |= more
            write_pairs(self.folder / "people.txt", self.known)
            files += ["--people", f"{self.folder}/people.txt"]
        summary = self.folder / "summary.json"
        run(by, self.folder, *files, *arguments, "--summary_file", str(summary))
        found: dict[str, Any] = json.loads(summary.read_text())
        self.compare()
        return found

    def stream(self, parts: Sequence[Sequence[Row]]) -> dict[str, Any]:
        """Take rows in by a stream, in micro-batches; gives its last report."""
        home = Home.at(self.database, self.figures)
        home.runs = len(self.asked("FROM pipeline_runs")) + 24 * 366
        rules = asked_rules(str(self.folder / "rules.toml"))
        with home.streaming(rules=rules) as batches:
            for part in parts:
                self.came += part
                report = batches.take_in(messages_of(part))
                assert report.pending == 0
                self.compare()
        return report.to_json()

    @property
    def figures(self) -> FigureSettings:
        reckoning = Reckoning(self.limits.zone, session_gap_minutes=self.limits.gap_minutes)
        return FigureSettings(reckoning=reckoning)

    def compare(self) -> None:
        """That all tables are those of one batch over the rows of all others, and who is noted."""
        came = under_known_ids(self.came, self.known)
        stays = let_in(came, self.limits)
        named = self.asked("SELECT user_id FROM excluded_users")
        assert {user for (user,) in named} == robots(came, self.limits)
        found = differing(self.database, stays, self.figures)
        assert [name for name in found if name != "dead_letter_events"] == []
        events = self.asked("SELECT count(*) FROM dim_users JOIN excluded_users USING (user_id)")
        assert events == [(0,)]

    def asked(self, statement: str) -> list[Any]:
        return asked(self.database, statement)


def on(day: int, *minutes: int, user: str = "bot") -> list[Row]:
    """Events of a user at minutes of a day of March."""
    times = (f"2024-03-{day:02}T{at // 60:02}:{at % 60:02}:00Z" for at in minutes)
    return [row(time, user) for time in times]


ANN = [*on(1, 0, 5, 300, user="ann"), *on(2, 1439, user="ann"), *on(3, 1, user="ann")]
BEFORE = [*ANN, *on(1, 10, 600), *on(2, 0, 700, 1439)]


def test_who_is_over_a_rate_leaves_with_all_events(tmp_path: Path) -> None:
    home = Sequences(tmp_path, Limits(day=3, session=4))
    found = home.load(BEFORE, "batch")
    assert found["excluded"] == {"total": 0, "by_rule": {}}
    # The fourth event of a date, one of them again, and one of another date.
    late = [*on(2, 900), *on(2, 700), *on(9, 5), *on(9, 5, user="ann")]
    found = home.load(late)
    assert found["excluded"] == {"total": 8, "by_rule": {"events_per_day": 8}, "taken_back": 5}
    assert (found["input_rows"], found["events"], found["duplicates"]) == (4, 1, 0)
    assert home.asked("SELECT * EXCLUDE excluded_at FROM excluded_users") == [
        ("bot", "events_per_day", 4, date(2024, 3, 2))
    ]
    # What comes later of the user is left out, and a rerun changes nothing.
    found = home.load([*on(20, 5), *on(20, 5, user="cy")])
    assert found["excluded"] == {"total": 1, "by_rule": {"events_per_day": 1}}
    # Five events of one session over midnight, none of which is over the rate of a date.
    night = [on(11, 1430, 1435, user="night"), on(12, 0, 5, 10, user="night")]
    report = home.stream(night)
    assert report["counts"]["excluded"] == {"events_per_session": 5}
    assert report["counts"]["taken_back"] == 2
    run("rebuild", tmp_path)
    home.compare()
    found = home.load([*night[0], *night[1]], "batch")
    assert found["excluded"]["by_rule"] == {"events_per_day": 9, "events_per_session": 5}


_IDS = ("ann", "bob", "cy", "dé", "ᛖᚢᛖ")
Step = tuple[str, list[Row], dict[int, int] | None]
# A robot by two ids together; an id that is left out already turns out to be somebody else's.
HARD: list[Step] = [
    ("update", [*on(2, 3, 99, user="bob"), *on(2, 400, 600, user="cy")], None),
    ("update", on(3, 7, user="ᛖᚢᛖ"), {1: 2}),
    ("stream", on(2, 4, 5, user="dé"), None),
    ("update", [], {2: 4}),
    ("batch", [], {}),
]
_WAYS = st.sampled_from(["batch", "update", "stream"])


@settings(
    max_examples=examples(1, 40),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(
    first=st.lists(valid_rows, min_size=1, max_size=20),
    steps=st.lists(
        st.tuples(
            _WAYS,
            st.lists(valid_rows, max_size=12),
            # Later ids of the list stand for earlier ones, so that there are no circles.
            st.none() | st.dictionaries(st.integers(0, 3), st.integers(1, 4), max_size=2),
        ),
        min_size=1,
        max_size=4,
    ),
    keep=st.booleans(),
    day=st.none() | st.integers(1, 4),
    session=st.integers(1, 4),
)
@example(first=BEFORE, steps=HARD, keep=True, day=3, session=3)
def test_any_sequence_ends_as_one_batch(
    first: list[Row], steps: list[Step], keep: bool, day: int | None, session: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Sequences(Path(name), Limits(day, session), keep)
        home.load(first, "batch", more={})
        for number, (way, rows, asked) in enumerate(steps):
            more = (
                None
                if asked is None
                else {
                    _IDS[at]: _IDS[to]
                    for at, to in asked.items()
                    if at < to and _IDS[at] not in home.known
                }
            )
            # Rows that came before come again.
            again = [*rows, *home.came[:: number + 2]]
            if way == "stream":
                home.stream([again[:5], again[5:]])
                (Path(name) / f"streamed-{number}.csv").write_bytes(csv_text(again))
            else:
                # Who are one person by more pairs may leave.
                shrinks = ["--allow_shrink"] if way == "batch" else []
                home.load(again, way, *shrinks, more=more)


def kept(home: Sequences) -> list[tuple[Any, ...]]:
    return home.asked(
        "SELECT user_id, error_message, payload, position, event_time FROM dead_letter_events "
        "ORDER BY event_time, user_id"
    )


def test_events_that_are_kept_are_dead_letters_once_each(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("day by day", "at once")]
    homes = []
    for folder in folders:
        folder.mkdir()
        homes.append(Sequences(folder, Limits(day=3), keep=True))
    by_day, at_once = homes
    by_day.load(BEFORE, "batch")
    found = by_day.load([*on(2, 900), *on(2, 700)])
    assert found["dead_letters"] == {"total": 6, "by_error_type": {"excluded": 6}}
    assert found["excluded"] == {"total": 1, "by_rule": {"events_per_day": 1}, "taken_back": 5}
    found = by_day.load([*on(2, 900), *on(4, 1), *on(4, 1)])
    assert found["dead_letters"]["known"] == 1
    assert found["excluded"]["total"] == 1
    by_day.stream([on(4, 1), on(5, 2)])
    at_once.load(by_day.came, "batch")
    assert kept(by_day) == kept(at_once)
    assert len(kept(by_day)) == 8
    run("rebuild", by_day.folder)
    assert kept(by_day) == kept(at_once)
    # As they are they are left out again, and so they are if they are said to be another user's.
    run("replay", by_day.folder)
    assert kept(by_day) == kept(at_once)
    run("replay", by_day.folder, "--edit", "s/,bot,/,human,/")
    assert [user for user, *_ in kept(by_day)] == ["human"] * 8
    named = by_day.asked("SELECT user_id, events FROM excluded_users ORDER BY 1")
    assert named == [("bot", 4), ("human", 4)]


def test_who_is_forgotten_is_not_noted_any_more(tmp_path: Path) -> None:
    home = Sequences(tmp_path, Limits(session=2))
    home.load([*ANN, *on(1, 1, 2, 3)], "batch")
    (tmp_path / "ids.txt").write_text("bot\n")
    run("forget", tmp_path, "--user_ids", f"{tmp_path}/ids.txt")
    assert home.asked("FROM excluded_users") == []
    (tmp_path / "9.csv").write_bytes(csv_text(on(1, 1, 2, 3)))
    run("update", tmp_path, "--input", f"{tmp_path}/9.csv")
    assert home.asked("FROM excluded_users") == []
    assert home.asked("SELECT DISTINCT user_id FROM fct_events") == [("ann",)]


def test_rebuild_takes_stricter_rates_and_refuses_looser_ones(tmp_path: Path) -> None:
    home = Sequences(tmp_path, Limits(day=3, session=4))
    home.load([*BEFORE, *on(5, *range(9), user="other")], "batch")
    rules = ["--rules", f"{tmp_path}/rules.toml"]

    def rebuilt(limits: Limits, *more: str) -> None:
        (tmp_path / "rules.toml").write_text(limits.rules)
        run("rebuild", tmp_path, *rules, *more)

    for limits in (Limits(day=4, session=4), Limits(session=4)):
        with pytest.raises(OptionError, match=r"left out 1 user by events_per_day.*run .* batch"):
            rebuilt(limits)
    with pytest.raises(OptionError, match="--timezone Asia/Singapore in place of UTC"):
        run("rebuild", tmp_path, "--timezone", "Asia/Singapore")
    rebuilt(Limits(day=3, session=5, gap_minutes=10))
    with pytest.raises(OptionError, match=r"events_per_day is 3 there and 2 here.*run .* rebuild"):
        home.limits = Limits(day=2, session=5, gap_minutes=10)
        (tmp_path / "rules.toml").write_text(home.limits.rules)
        home.load([])
    home.came, home.limits = home.came[:], Limits(day=2, session=5, gap_minutes=10)
    rebuilt(home.limits)
    home.compare()
    assert home.asked("SELECT count(*) FROM excluded_users") == [(3,)]
    home.load(on(7, 1, 2, 3, user="third"))


def test_a_stream_on_another_runner_refuses_rates() -> None:
    refuse_rates(NO_RATES)
    with pytest.raises(OptionError, match="leave out --runner to stream on this machine"):
        refuse_rates(Rates(per_session=5))


def test_ids_of_events_and_dates_of_a_zone_tell_who_is_over(tmp_path: Path) -> None:
    """Two ids of one moment are two events, one id that comes again with other values is one."""
    header = "event_time,user_id,event_type,platform,id\n"
    lines = [
        *("2024-03-02T15:59:00Z,bot,like,Web,1\n", "2024-03-02T16:00:00Z,bot,like,Web,2\n"),
        *("2024-03-02T16:00:00Z,ann,like,Web,1\n", "2024-03-02T16:00:00Z,ann,share,Web,1\n"),
        *("2024-03-02T16:00:00Z,bot,like,Web,2\n", "2024-03-02T16:00:00Z,bot,like,Web,3\n"),
        "2024-03-03T15:59:00Z,bot,like,Web,4\n",
    ]
    rules = '[columns]\nevent_id = "id"\n[exclude]\nevents_per_day = 2\nkeep = true\n'
    found: list[list[Any]] = []
    for name, parts in (("at once", [lines]), ("day by day", [lines[:4], lines[4:6], lines[6:]])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rules.toml").write_text(rules)
        for number, part in enumerate(parts):
            (folder / f"{number}.csv").write_text(header + "".join(part))
            files = ["--input", f"{folder}/*.csv", "--rules", f"{folder}/rules.toml"]
            by = "update" if number else "batch"
            run(by, folder, *files, "--timezone", "Asia/Singapore")
        home = Sequences(folder, Limits(day=2), keep=True)
        assert home.asked("SELECT user_id FROM fct_events") == [("ann",)]
        assert home.asked("SELECT user_id, rule, event_date FROM excluded_users") == [
            ("bot", "events_per_day", date(2024, 3, 3))
        ]
        found.append([item for item in kept(home) if item[0] == "bot"])
    assert found[0] == found[1]
    assert len(found[0]) == 4
