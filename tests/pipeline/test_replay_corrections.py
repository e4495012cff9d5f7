"""What a replay has corrected is applied by later runs over the same files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipeline.warehouse import open_warehouse
from tests.support.dead_letters import run_replay
from tests.support.replays import (
    build,
    dead_letters,
    spoilt,
)
from tests.support.runs import contents, run_batch
from tests.support.tables import NOW, csv_text, row
from tests.support.thorough import examples
from transforms.marts.registry import CORRECTIONS
from transforms.vocabulary import SOURCE_COLUMNS


def corrections(database: Path) -> list[dict[str, Any]]:
    return list(open_warehouse(f"duckdb:///{database}").read(CORRECTIONS).to_pylist())


def test_a_correction_outlives_later_runs_until_somebody_removes_it(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z", f"u{day}") for day in range(1, 5)]
    spoilt_twice = {**spoilt(good[2]), "country": "SGP"}
    rows = [good[0], spoilt(good[1]), spoilt_twice, {**good[3], "event_time": "never"}]
    database = build(tmp_path, rows)
    run_replay(database, "--edit", "s/_APP//;s/SGP/SG/")
    (first, second) = sorted(corrections(database), key=lambda correction: correction["user_id"])
    assert {name: second[name] for name in SOURCE_COLUMNS} == good[2]
    assert (first["error_type"], first["source"]) == (
        "unknown_platform",
        str(tmp_path / "events.csv"),
    )
    # More rows behind those that are there, and another file.
    (tmp_path / "events.csv").write_bytes(csv_text([*rows, spoilt(good[3])]))
    (tmp_path / "more.csv").write_bytes(csv_text([row("2024-01-05T00:00:00Z", "u5")]))
    paths = [tmp_path / "events.csv", tmp_path / "more.csv"]
    for _ in range(examples(1, 2)):
        run_batch(paths, database)
        users = contents(database)["dim_users"]["user_id"].to_pylist()
        assert sorted(users) == ["u1", "u2", "u3", "u5"]
        assert len(dead_letters(database)) == 2
    # A record that was changed is not the one that was corrected; nor is one that is right now.
    changed = [good[0], {**spoilt(good[1]), "user_id": "x"}, good[2]]
    (tmp_path / "events.csv").write_bytes(csv_text(changed))
    tables = run_batch([tmp_path / "events.csv"], database)
    assert sorted(tables["dim_users"]["user_id"].to_pylist()) == ["u1", "u3"]
    assert len(dead_letters(database)) == 1
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    with duckdb.connect(str(database)) as connection:
        connection.execute("DELETE FROM dead_letter_corrections WHERE user_id = 'u2'")
    run_batch([tmp_path / "events.csv"], database)
    assert sorted(item["error_type"] for item in dead_letters(database).values()) == [
        "bad_event_time",
        "unknown_platform",
    ]


def test_a_correction_that_does_not_pass_any_more_leaves_its_letter(tmp_path: Path) -> None:
    good = [row("2024-01-01T00:00:00Z", "ann"), row("2024-01-02T00:00:00Z", "bob")]
    database = build(tmp_path, [good[0], spoilt(good[1])])
    before = dead_letters(database)
    run_replay(database, "--edit", "s/_APP//")
    with duckdb.connect(str(database)) as connection:  # As if the rules had changed since.
        connection.execute("UPDATE dead_letter_corrections SET country = 'SGP'")
    run_batch([tmp_path / "events.csv"], database)
    assert dead_letters(database) == before
    run_replay(
        database, "--edit", "s/_APP//"
    )  # The newer correction takes the place of the older one.
    run_batch([tmp_path / "events.csv"], database)
    assert dead_letters(database) == {}
    assert [correction["country"] for correction in corrections(database)] == ["SG"]


def test_what_passes_as_it_came_needs_no_correction(tmp_path: Path) -> None:
    tomorrow = row(f"{NOW + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}")
    database = build(tmp_path, [row("2024-01-01T00:00:00Z"), tomorrow])
    assert len(dead_letters(database)) == 1
    run_replay(database)  # Its day has come.
    assert dead_letters(database) == {}
    assert corrections(database) == []
