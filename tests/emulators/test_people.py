"""People of several ids on BigQuery: a file of them on gs://, and one that has grown."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from google.cloud import bigquery

from tests.emulators.servers import PROJECT
from tests.emulators.support import Home, unlike
from tests.support.known_people import under_known_ids, write_pairs
from tests.support.runs import command, contents
from tests.support.tables import Row, csv_text, row
from tests.support.updates import Home as Plain

DAY = [
    row("2024-01-31T23:50:00Z", "ann", "miles_redeemed", amount="5"),
    row("2024-02-01T00:05:00Z", "bob", source="paid"),
    row("2024-02-01T00:20:00Z", "ann", "miles_earned", amount="3"),
    row("2024-02-01T00:20:00Z", "cy"),
    row("2024-02-01T00:20:00Z", "dé"),
    row("2024-03-01T00:20:00Z", "dé"),
]
LATER = [row("2024-02-01T00:30:00Z", "bob"), row("2024-02-01T00:30:00Z", "eve")]
FIRST = {"cy": "dé"}
GROWN = {**FIRST, "bob": "ann", "eve": "ann"}


def run(home: Home, by: str, people: str) -> subprocess.CompletedProcess[str]:
    done = command(
        *(by, "--input", f"{home.temp}/events/*.csv", "--warehouse", home.url),
        *("--people", people, "--temp_location", f"{home.temp}/tmp"),
        cwd=Path("/"),
        **home.servers.environment,
    )
    assert done.returncode == 0, done.stderr
    return done


def compare(home: Home, folder: Path, rows: Sequence[Row], known: dict[str, str]) -> None:
    """That the dataset holds what a batch over rows of known users makes."""
    path = folder / "plain.duckdb"
    Plain.at(path).batch(under_known_ids(rows, known))
    assert set(unlike(home.contents(), contents(path))) <= {"dead_letter_events"}
    assert home.rows("user_timelines").num_rows == home.rows("dim_users").num_rows


def test_people_are_known_and_moved_when_their_file_grows(home: Home, tmp_path: Path) -> None:
    def upload(name: str, data: bytes) -> None:
        (tmp_path / "file").write_bytes(data)
        home.upload(tmp_path / "file", name)

    def name_people(known: dict[str, str]) -> None:
        write_pairs(tmp_path / "people.csv", known)
        upload("people.csv", (tmp_path / "people.csv").read_bytes())

    file = f"{home.temp}/people.csv"
    name_people(FIRST)
    upload("events/1.csv", csv_text(DAY))
    run(home, "batch", file)
    compare(home, tmp_path, DAY, FIRST)
    name_people(GROWN)
    upload("events/2.csv", csv_text(LATER))
    done = run(home, "update", file)
    assert "2 new anonymous ids of --people, of which 1 had events: 1 moved event" in done.stdout
    compare(home, tmp_path, [*DAY, *LATER], GROWN)
    pairs = home.rows("known_people").select(["anonymous_id", "user_id"]).to_pylist()
    assert {item["anonymous_id"]: item["user_id"] for item in pairs} == GROWN
    runs = home.rows("pipeline_runs")
    assert sorted(runs["command"].to_pylist()) == ["batch", "update", "update"]
    assert set(runs["outcome"].to_pylist()) == {"done"}
    assert [name for name in home.leftovers() if not name.endswith(".csv")] == []


def test_people_are_named_by_a_table_of_the_dataset(home: Home, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(csv_text([*DAY, *LATER]))
    home.upload(tmp_path / "1.csv", "events/1.csv")
    home.client.create_dataset(home.dataset, exists_ok=True)
    columns = [bigquery.SchemaField(name, "STRING") for name in ("anonymous_id", "user_id")]
    crm = home.client.create_table(bigquery.Table(f"{PROJECT}.{home.dataset}.crm", columns))
    pairs = [{"anonymous_id": anonymous, "user_id": known} for anonymous, known in GROWN.items()]
    home.client.load_table_from_json(pairs, crm).result()
    run(home, "batch", "table:crm")
    compare(home, tmp_path, [*DAY, *LATER], GROWN)
