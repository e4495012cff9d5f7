"""Whatever comes when, and whoever turns out to be known: the tables are those of one batch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError
from pipeline.graphs.batch_job import BatchJob
from pipeline.launch.dry_run import REAL_RUN
from pipeline.launch.new_files import Asked
from pipeline.launch.update_handover import hand_over_update
from pipeline.warehouse import open_warehouse
from tests.support.in_process import start
from tests.support.known_people import figures, figures_by_sql, under_known_ids, write_pairs
from tests.support.reading import asked
from tests.support.strategies import valid_rows
from tests.support.tables import NOW, Row, csv_text, row
from tests.support.thorough import THOROUGH, some, thorough
from tests.support.updates import differing
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.person_ids import resolved
from transforms.reckoning import Reckoning


def run(name: str, folder: Path, *arguments: str) -> None:
    start(name, *arguments, "--warehouse", f"duckdb:///{folder}/growth.duckdb")


class Sequences:
    """Loads into a warehouse of a folder, each compared with a batch over all that came.

    Attributes:
        folder: the folder.
        came: all rows so far.
        known: by anonymous ids the known ones.
    """

    def __init__(self, folder: Path):
        self.folder, self.known = folder, dict[str, str]()
        self.came: list[Row] = []

    def load(
        self,
        rows: Sequence[Row],
        more: Mapping[str, str] | None = None,
        by: str = "update",
    ) -> dict[str, Any]:
        """Load rows, with more pairs if there are some; gives the run's summary."""
        number = len(list(self.folder.glob("*.csv")))
        if rows:
            (self.folder / f"{number:03}.csv").write_bytes(csv_text(rows))
        self.came += rows
        arguments = ["--input", f"{self.folder}/*.csv"]
        if more is not None:
            self.known |= more
            write_pairs(self.folder / "people", self.known)
            (self.folder / "people").rename(self.folder / "people.txt")
            arguments += ["--people", f"{self.folder}/people.txt"]
        summary = self.folder / "summary.json"
        run(by, self.folder, *arguments, "--summary_file", str(summary))
        self.compare()
        found: dict[str, Any] = json.loads(summary.read_text())
        return found

    def compare(self) -> None:
        """That all tables are those of one batch, and some figures those of plain SQL."""
        database = self.folder / "growth.duckdb"
        assert differing(database, under_known_ids(self.came, self.known)) == []
        files = sorted(self.folder.glob("*.csv"))
        assert figures(database) == figures_by_sql(files, self.known)


NIGHT = [
    row("2024-01-31T23:50:00Z", "ann", "miles_redeemed", amount="5"),
    row("2024-02-01T00:05:00Z", "bob", source="paid"),
    row("2024-02-01T00:20:00Z", "ann", "miles_earned", amount="3"),
    row("2024-02-01T00:20:00Z", "cy"),
    row("2024-02-01T00:20:00Z", "dé"),
]


def test_events_that_lie_between_a_known_users_join_the_sessions(tmp_path: Path) -> None:
    home = Sequences(tmp_path)
    home.load(NIGHT)
    found = home.load([], {"bob": "ann", "dé": "cy", "nobody": "ann"})
    assert found["people"] == {
        "new_ids": 3,
        "moved_ids": 2,
        "moved_events": 2,
        "events": 1,
        "duplicates": 1,
        "forgotten": 0,
        "seconds": found["people"]["seconds"],
    }
    assert (found["input_rows"], found["files"]) == (0, {"new": 0, "loaded_before": 1})
    home.load([row("2024-02-01T00:30:00Z", "bob")])
    # A known id turns out to be somebody else's, new files come in the same run.
    home.load([row("2024-02-01T00:25:00Z", "ann")], {"ann": "zoé"})
    found = home.load([], {})
    assert "people" not in found, "nobody is new"
    run("rebuild", tmp_path)
    home.compare()


@thorough
def test_people_move_on_the_dates_of_their_zone(tmp_path: Path) -> None:
    figures = FigureSettings(reckoning=Reckoning("America/St_Johns", "sunday"))
    (tmp_path / "1.csv").write_bytes(csv_text(NIGHT))
    files = ["--input", f"{tmp_path}/*.csv"]
    run("update", tmp_path, *files, "--timezone", "America/St_Johns", "--week_start", "sunday")
    pairs = {"bob": "ann", "dé": "cy"}
    write_pairs(tmp_path / "people", pairs)
    (tmp_path / "people").rename(tmp_path / "people.txt")
    run("update", tmp_path, *files, "--people", f"{tmp_path}/people.txt")
    assert differing(tmp_path / "growth.duckdb", under_known_ids(NIGHT, pairs), figures) == []


def listed(folder: Path) -> int:
    return len(asked(folder / "growth.duckdb", "SELECT * FROM forgotten_users"))


@pytest.mark.parametrize(
    ("named", "pseudonymise"), some([*product(["bob", "ann"], [(), ("--pseudonymise",)])], 1)
)
def test_who_is_forgotten_takes_all_ids_along(
    tmp_path: Path, named: str, pseudonymise: tuple[str, ...]
) -> None:
    home = Sequences(tmp_path)
    home.load(NIGHT, {"bob": "ann", "dé": "cy"}, "batch")
    (tmp_path / "ids.txt").write_text(f"{named}\n")
    arguments = ["--user_ids", f"{tmp_path}/ids.txt", *pseudonymise]
    run("forget", tmp_path, *arguments, "--summary_file", f"{tmp_path}/summary.json")
    found = json.loads((tmp_path / "summary.json").read_text())
    assert (found["asked"], found["other_ids"], found["users"]["found"]) == (1, 1, 1)
    assert listed(tmp_path) == 2
    assert asked(tmp_path / "growth.duckdb", "SELECT anonymous_id FROM known_people") == [("dé",)]
    if pseudonymise:
        return
    left: list[Row] = [item for item in NIGHT if item["user_id"] in ("cy", "dé")]
    database = tmp_path / "growth.duckdb"
    assert differing(database, under_known_ids(left, home.known)) == []
    # The same people as before, a further id of who was forgotten, and both ids in a new file.
    (tmp_path / "9.csv").write_bytes(
        csv_text([row("2024-03-01T10:00:00Z", user) for user in ("ann", "bob", "ann-2", "dé")])
    )
    run("update", tmp_path, "--input", f"{tmp_path}/9.csv")
    left = [*left, *(row("2024-03-01T10:00:00Z", user) for user in ("ann-2", "dé"))]
    assert differing(database, under_known_ids(left, home.known)) == []
    write_pairs(tmp_path / "people.txt", {**home.known, "ann-2": "ann"})
    people = ["--people", f"{tmp_path}/people.txt"]
    (tmp_path / "10.csv").write_bytes(csv_text([row("2024-03-02T10:00:00Z", "ann-2")]))
    summary = ["--summary_file", f"{tmp_path}/summary.json"]
    run("update", tmp_path, "--input", f"{tmp_path}/*.csv", *people, *summary)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert (found["people"]["moved_ids"], found["people"]["forgotten"]) == (1, 1)
    assert (found["input_rows"], found["forgotten"]) == (1, 1)
    left = [item for item in left if item["user_id"] != "ann-2"]
    assert differing(database, under_known_ids(left, home.known)) == []
    assert listed(tmp_path) == 3
    assert asked(tmp_path / "growth.duckdb", "SELECT anonymous_id FROM known_people") == [("dé",)]
    # A batch over all leaves them out, too.
    run("batch", tmp_path, "--input", f"{tmp_path}/*.csv", *people)
    assert differing(database, under_known_ids(left, home.known)) == []
    assert asked(tmp_path / "growth.duckdb", "SELECT anonymous_id FROM known_people") == [("dé",)]


_IDS = ("ann", "bob", "cy", "dé", "ᛖᚢᛖ")
_STEPS = st.lists(
    st.tuples(
        st.lists(valid_rows, max_size=12),
        # Later ids of the list stand for earlier ones, so that there are no circles.
        st.none() | st.dictionaries(st.integers(0, 3), st.integers(1, 4), max_size=2),
    ),
    min_size=2,
    max_size=4,
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, *([Phase.generate] if THOROUGH else [])],
)
@given(first=st.lists(valid_rows, min_size=1, max_size=20), steps=_STEPS)
@example(first=NIGHT, steps=[([], {0: 1}), (NIGHT, {1: 2}), ([], {2: 4, 3: 4})])
def test_any_sequence_ends_as_one_batch(
    first: list[Row], steps: list[tuple[list[Row], dict[int, int] | None]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Sequences(Path(name))
        home.load(first, {}, "batch")
        for rows, more in steps:
            pairs = {
                _IDS[at]: _IDS[to]
                for at, to in (more or {}).items()
                if at < to and _IDS[at] not in home.known
            }
            home.load(rows, None if more is None else pairs)


def test_figures_of_another_time_zone_move_as_well(tmp_path: Path) -> None:
    """Half of these events are of another date there."""
    home = Sequences(tmp_path)
    write_pairs(tmp_path / "people.txt", {"bob": "ann", "dé": "cy"})
    (tmp_path / "1.csv").write_bytes(csv_text(NIGHT))
    arguments = ["--input", f"{tmp_path}/1.csv"]
    run("batch", tmp_path, *arguments, "--timezone", "Pacific/Auckland")
    run("update", tmp_path, *arguments, "--people", f"{tmp_path}/people.txt")
    figures = FigureSettings(reckoning=Reckoning("Pacific/Auckland"))
    rows = under_known_ids(NIGHT, {"bob": "ann", "dé": "cy"})
    assert differing(tmp_path / "growth.duckdb", rows, figures) == []
    assert home.known == {}


def test_a_file_that_fails_leaves_people_moved_and_says_so(tmp_path: Path) -> None:
    home = Sequences(tmp_path)
    home.load(NIGHT)
    (tmp_path / "9.csv").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError) as raised:
        home.load([], {"bob": "ann"})
    assert raised.value.__notes__[:1] == [
        "Before that the people of --people were moved: that stays"
    ]
    (tmp_path / "9.csv").unlink()
    home.compare()
    runs = asked(
        tmp_path / "growth.duckdb", "SELECT outcome FROM pipeline_runs ORDER BY started_at, run_id"
    )
    assert sorted(runs) == [("done",), ("done",), ("failed",)]
    home.load([row("2024-02-01T00:30:00Z", "bob")], {})


def test_events_that_somebody_has_removed_are_missed(tmp_path: Path) -> None:
    home = Sequences(tmp_path)
    home.load(NIGHT)
    with duckdb.connect(f"{tmp_path}/growth.duckdb") as connection:
        connection.execute("UPDATE fct_events SET user_id = 'cy' WHERE user_id = 'bob'")
    with pytest.raises(DataError, match="fct_events has 0 events of users whose timelines count 1"):
        home.load([], {"bob": "ann"})
    assert asked(tmp_path / "growth.duckdb", "SELECT * FROM known_people") == []


def test_a_job_that_is_handed_over_moves_nobody(tmp_path: Path) -> None:
    home = Sequences(tmp_path)
    home.load(NIGHT)
    job = BatchJob(
        files=(),
        warehouse=open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb"),
        user_shards=1,
        figures=FigureSettings(),
        max_dead_letter_pct=0.0,
        run="run",
        started_at=NOW,
        asked_people=resolved(pa.array(["bob"]), pa.array(["ann"])),
    )
    with pytest.raises(OptionError, match=r"handed over moves nobody: run .* update"):
        hand_over_update(job, Asked(), PipelineOptions([]), None, REAL_RUN)
