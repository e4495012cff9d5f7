"""Replays: the tables end as a batch over the corrected input leaves them, and again is no more."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.noted_settings import settings_of_tables
from tests.support.dead_letters import run_replay
from tests.support.replays import (
    MARTS,
    build,
    build_from,
    computed,
    computed_from,
    dead_letters,
    payloads,
    spoilt,
    unlike,
)
from tests.support.runs import Run, contents, run_batch
from tests.support.strategies import broken_rows, valid_rows
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, Row, csv_text, row
from tests.support.thorough import examples
from transforms.marts.registry import TABLES
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS


def test_a_corrected_sample_ends_in_the_tables_of_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.replay.spool._PART_ROWS", 100)  # Several parts.
    source, corrected = tmp_path / "events.csv", tmp_path / "corrected.csv"
    write_sample(source, 6_000, 3)
    header, *lines = source.read_bytes().splitlines(keepends=True)
    bad = [
        line.replace(b",iOS,", b",IOS_APP,") if at % 3 == 0 else line
        for at, line in enumerate(lines)
    ]
    # Corrected, these are rows that are there already, and one of them twice.
    bad += [line.replace(b",iOS,", b",IOS_APP,") for line in lines[1:200]] * 2
    source.write_bytes(header + b"".join(bad))
    corrected.write_bytes(source.read_bytes().replace(b"IOS_APP", b"iOS"))
    ours = tmp_path / "ours.duckdb"
    run_batch([source], ours, Run(user_shards=5))
    theirs = computed_from(corrected.read_bytes())
    assert unlike(contents(ours), theirs, MARTS) == MARTS
    run_replay(ours, "--edit", "s/IOS_APP/iOS/", "--runner", "FnApiRunner")
    first = contents(ours)
    assert unlike(first, theirs, MARTS) == []
    assert payloads(first) == payloads(theirs) != Counter()
    run_replay(ours, "--edit", "s/IOS_APP/iOS/")
    assert unlike(contents(ours), first) == []


# Two runs of graphs an example: shrinking a failure would take half an hour.
@settings(max_examples=examples(2, 10), phases=[Phase.explicit, Phase.generate])
@given(
    rows=st.lists(
        st.one_of(
            valid_rows.map(lambda item: (item, item)),
            valid_rows.map(lambda item: (spoilt(item), item)),
            broken_rows.map(lambda item: (item, item)),
        ),
        min_size=1,
        max_size=25,
    ),
    repeated=st.integers(0, 5),
    columns=st.permutations([*SOURCE_COLUMNS, "extra"]),
    active=st.sampled_from([("share", "like"), ("miles_earned",)]),
)
def test_any_letters_end_in_the_tables_of_batch(
    rows: list[tuple[Row, Row]], repeated: int, columns: list[str], active: tuple[str, ...]
) -> None:
    rows = rows + rows[:repeated]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, after = (csv_text([pair[at] for pair in rows], columns) for at in (0, 1))
        database = build_from(folder, before, active=active)
        run_replay(database, "--edit", "s/_APP//")
        ours, theirs = contents(database), computed_from(after, active)
        # Whoever runs batch over the same file again does not lose what was corrected.
        run_batch([folder / "events.csv"], database, Run(active_types=active))
        again = contents(database)
    assert unlike(ours, theirs, MARTS) == []
    assert payloads(ours) == payloads(theirs)
    assert unlike(again, theirs, MARTS) == []
    assert payloads(again) == payloads(theirs)


def test_what_is_not_meant_stays_as_it_is(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z") for day in range(1, 6)]
    rows = [good[0], spoilt(good[1]), {**good[2], "country": "SGP"}, row("never")]
    database = build(tmp_path, rows)
    before = dead_letters(database)
    run_replay(database, "--error_type", "bad_country", "missing_user_id", "--edit", "s/SGP/SG/")
    after = dead_letters(database)
    assert set(before) - set(after) == {"2024-01-03T00:00:00Z,ann,share,,,iOS,organic,SGP"}
    assert all(after[payload] == before[payload] for payload in after)
    assert unlike(contents(database), computed([good[0], good[2]]), MARTS) == []
    run_replay(database, "--since", (NOW + timedelta(seconds=1)).isoformat(), "--edit", "s/_APP//")
    assert dead_letters(database) == after
    run_replay(database, "--since", f"{NOW:%Y-%m-%d}", "--edit", "s/_APP//")
    assert list(dead_letters(database)) == ["never,ann,share,,,iOS,organic,SG"]


def test_letters_that_fail_again_stay_with_their_tries(tmp_path: Path) -> None:
    good = row("2024-01-01T00:00:00Z")
    database = build(tmp_path, [spoilt(good), {**spoilt(good), "country": "SGP"}, row("never")])
    before = dead_letters(database)
    for tries, edit in ((1, "s/_APP//"), (1, "s/_APP//"), (2, "s/SGP/S/")):
        run_replay(database, "--error_type", "unknown_platform", "--edit", edit)
        (failed, untouched) = sorted(
            dead_letters(database).values(), key=lambda item: item["payload"]
        )
        assert untouched == before["never,ann,share,,,iOS,organic,SG"]
        assert json.loads(failed["attributes"])["replay_tries"] == tries
        assert {**failed, "attributes": None} == before[failed["payload"]]
    run_replay(database, "--edit", "s/_APP//;s/SGP/SG/")
    assert [item["payload"] for item in dead_letters(database).values()] == [untouched["payload"]]
    assert open_warehouse(f"duckdb:///{database}").count(TABLES["fct_events"]) == 1


def test_a_corrected_file_ends_in_the_tables_of_batch(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z", user) for day in (1, 2) for user in ("ann", "bob")]
    bad = [{**item, "event_type": "shared"} for item in good]
    text = csv_text([*good[:1], *bad]) + b'2024-01-09T00:00:00Z,"cy,share,,,Web,,\nx,y\n'
    (tmp_path / "events.csv").write_bytes(text)
    database, file = tmp_path / "events.duckdb", tmp_path / "dead_letters.csv"
    run_batch([tmp_path / "events.csv"], database)
    run_replay(database, "--output", str(file))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        sheet = list(csv.DictReader(opened))
    for line in sheet:
        line["event_type"] = line["event_type"].replace("shared", "share")
        line["payload"] = line["payload"].replace('"', "")
    kept = [line for line in sheet if line["user_id"] != "bob"]
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, sheet[0])
        writer.writeheader()
        writer.writerows(kept)
    run_replay(database, "--input", str(file))
    last = row("2024-01-09T00:00:00Z", "cy", platform="Web", source="", country="")
    theirs = computed([good[0], good[0], good[2], last])
    assert unlike(contents(database), theirs, MARTS) == []
    # Of bob's two letters nobody said anything; the last one was tried as it came.
    tries = {name: item["attributes"] for name, item in dead_letters(database).items()}
    assert [name for name, attributes in tries.items() if attributes] == ["x,y"]
    assert len(tries) == 3
    before = contents(database)
    run_replay(database, "--input", str(file))  # Again: of its rows one has a dead letter still.
    assert unlike(contents(database), before, list(TABLES)) == []


def test_letters_of_a_stream_pass_in_a_rebuild(tmp_path: Path) -> None:
    rows = [
        row("2025-12-31T10:00:00Z"),
        row("2024-01-01T10:00:00Z"),  # Too late for a horizon of a week.
        row("2025-12-31T10:10:00Z", platform="fax"),
        row("2025-12-31T10:20:00Z", kind="miles_earned", amount="1.5"),
    ]
    bundles = [[message(item, number) for number, item in enumerate(rows)]]
    database = tmp_path / "stream.duckdb"
    run_stream(stream_of(bundles), database, late_horizon_days=7)
    assert len(dead_letters(database)) == 3
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE warehouse_settings")  # As of a version that noted nothing.
    with pytest.raises(OptionError, match="--active_event_types is needed"):
        run_replay(database, "--edit", "s/fax/Web/")
    every = ("--active_event_types", ",".join(EVENT_TYPES))
    run_replay(database, "--edit", "s/fax/Web/", *every)
    theirs = computed([*rows[:2], {**rows[2], "platform": "Web"}])
    assert unlike(contents(database), theirs, MARTS) == []
    ((payload, dead_letter),) = dead_letters(database).items()
    assert json.loads(payload) == rows[3]
    assert dead_letter["position"] == "id 3"
    assert json.loads(dead_letter["attributes"])["replay_tries"] == 1


def test_the_active_event_types_are_those_of_the_tables(tmp_path: Path) -> None:
    good = [row("2024-01-01T00:00:00Z"), row("2024-01-02T00:00:00Z", "bob", "like")]
    database = build(tmp_path, [good[0], spoilt(good[1])], active=("like",))
    with pytest.raises(OptionError, match=r"share: the tables were built with like, which"):
        run_replay(database, "--edit", "s/_APP//", "--active_event_types", "share")
    run_replay(database, "--edit", "s/_APP//", "--active_event_types", "like")
    assert unlike(contents(database), computed(good, ("like",)), MARTS) == []
    assert dead_letters(database) == {}
    noted = settings_of_tables(open_warehouse(f"duckdb:///{database}"))
    assert noted["active_event_types"] == "like"
