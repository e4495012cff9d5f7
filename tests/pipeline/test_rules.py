"""Exports of a shop by rules, day by day, as CSV, JSON lines and Parquet, against plain CSV."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.in_process import command_here
from tests.support.reading import asked
from tests.support.runs import contents
from tests.support.tables import csv_text, row

RULES = """\
[columns]
event_time = "at"
user_id = ["customer", "visitor"]
event_type = "what"
miles_amount = "order.total"
platform = {field = "device", default = "Web"}
country = "address.country"
utm_source = {constant = "shop"}
[time]
format = "%d.%m.%Y %H:%M:%S"
zone = "Europe/Berlin"
[amount]
miles_per_unit = 100
[values.event_type]
Bought = "miles_earned"
[values.platform]
iPad = "iOS"
[event_types]
own = ["Viewed"]
"""
BERLIN_SUMMER = timedelta(hours=2)


def shop_rows(day: int) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Rows of the shop, and each as a row of ours."""
    for number in range(40):
        at = datetime(2026, 7, day, 1, number, number)
        bought, known = number % 4 == 0, number % 3 == 0
        total = Decimal(number) + Decimal("0.905") if bought else None
        device = ["iPad", "Android", ""][number % 3]
        row = {
            "at": f"{at:%d.%m.%Y %H:%M:%S}",
            "customer": f"customer {number % 5}" if known else "",
            "visitor": f"visitor {number % 7}",
            "what": "Bought" if bought else "Viewed",
            "order.total": "" if total is None else str(total),
            "device": device,
            "address.country": ["Germany", "FRA", "sg"][number % 3],
        }
        yield (
            row,
            {
                "event_time": (at - BERLIN_SUMMER).isoformat(),
                "user_id": row["customer"] or row["visitor"],
                "event_type": "miles_earned" if bought else "Viewed",
                "transaction_category": "",
                "miles_amount": "" if total is None else str(int(total * 100 + Decimal("0.5"))),
                "platform": {"iPad": "iOS", "": "Web"}.get(device, device),
                "utm_source": "shop",
                "country": ["DE", "FR", "SG"][number % 3],
            },
        )


def nested(row: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in row.items():
        outer, _, inner = name.rpartition(".")
        (found.setdefault(outer, {}) if outer else found)[inner] = text or None
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of each of three days, in a format each, and a plain one of all."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "rules.toml").write_text(RULES)
    days = {day: list(shop_rows(day)) for day in (1, 2, 3)}
    first = [row for row, _ in days[1]]
    with (folder / "day1.csv").open("w", encoding="cp1252", newline="") as file:
        writer = csv.DictWriter(file, list(first[0]), delimiter=";")
        writer.writeheader()
        writer.writerows([*first, {**first[0], "at": "32.07.2026 00:00:00"}])
    lines = "\n".join(json.dumps(nested(row)) for row, _ in days[2])
    (folder / "day2.jsonl.gz").write_bytes(gzip.compress(f"{lines}\n[]\n".encode()))
    pq.write_table(
        pa.Table.from_pylist([nested(row) for row, _ in days[3]]), folder / "day3.parquet"
    )
    plain = [ours for rows in days.values() for _, ours in rows]
    (folder / "plain.csv").write_bytes(csv_text(plain))
    return folder


def test_days_in_three_formats_are_the_plain_events(shop: Path) -> None:
    """By Beam in ranges, by an update in this process that takes the noted rules, by Beam again."""
    rules = ["--rules", "rules.toml"]
    here, there = shop / "growth.duckdb", shop / "plain.duckdb"
    runs = [
        ["batch", "--input", "day1.csv", *rules],
        ["update", "--input", "day1.csv", "day2.jsonl.gz"],
        ["update", "--input", "day*", *rules, "--runner", "FnApiRunner"],
    ]
    for arguments in runs:
        found = command_here(*arguments, "--warehouse", f"duckdb:///{here}", cwd=shop)
        assert found.returncode == 0, found.stderr
    (shop / "own.toml").write_text('[event_types]\nown = ["Viewed"]')
    plain = ["batch", "--input", "plain.csv", "--rules", "own.toml"]
    assert command_here(*plain, "--warehouse", f"duckdb:///{there}", cwd=shop).returncode == 0
    tables, expected = contents(here), contents(there)
    letters = tables.pop("dead_letter_events"), expected.pop("dead_letter_events")
    assert [name for name, table in tables.items() if table != expected[name]] == []
    assert [len(part) for part in letters] == [2, 0]
    found_letters = asked(here, "SELECT error_type, error_message, payload FROM dead_letter_events")
    assert sorted(letter[0] for letter in found_letters) == ["bad_event_time", "malformed_row"]
    assert any("'32.07.2026 00:00:00' does not fit" in letter[1] for letter in found_letters)
    assert {"[]"} <= {letter[2] for letter in found_letters}
    counts = asked(here, "SELECT input_rows FROM loaded_files ORDER BY path")
    assert counts == [(41,), (41,), (40,)]


def test_dead_letters_are_corrected_by_the_rules(shop: Path, tmp_path: Path) -> None:
    url = ["--warehouse", f"duckdb:///{tmp_path / 'growth.duckdb'}"]
    batch = ["batch", "--input", "day1.csv", "day2.jsonl.gz", "--rules", "rules.toml", *url]
    assert command_here(*batch, cwd=shop).returncode == 0
    edit = "s/32.07.2026 00:00:00/31.07.2026 12:00:00/"
    found = command_here("replay", "--edit", edit, *url, cwd=shop)
    assert found.returncode == 0, found.stderr
    at = "SELECT user_id FROM fct_events WHERE event_time = TIMESTAMP '2026-07-31 10:00:00'"
    left = "SELECT error_type FROM dead_letter_events"
    for _ in range(2):
        assert asked(tmp_path / "growth.duckdb", at) == [("customer 0",)]
        assert asked(tmp_path / "growth.duckdb", left) == [("malformed_row",)]
        assert command_here(*batch[:-4], *url, cwd=shop).returncode == 0


def test_other_rules_are_refused_and_more_event_types_rebuilt(shop: Path, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'growth.duckdb'}"

    def run(*arguments: str) -> tuple[int, str]:
        found = command_here(*arguments, "--warehouse", url, cwd=shop)
        return found.returncode, found.stderr

    day1 = ("--input", str(shop / "day1.csv"))
    assert run("batch", *day1, "--rules", "rules.toml")[0] == 0
    (shop / "other.toml").write_text(RULES.replace("100", "10"))
    code, said = run("update", *day1, "--rules", "other.toml")
    assert code == 2 and "amount.miles_per_unit is 100 there and 10 here" in " ".join(said.split())
    (shop / "more.toml").write_text(RULES.replace('"Viewed"', '"Viewed", "Left"'))
    code, said = run("update", *day1, "--rules", "more.toml")
    assert code == 2 and "replay" in said
    assert run("rebuild", "--rules", "other.toml")[0] == 2
    assert run("rebuild", "--rules", "more.toml")[0] == 0
    assert run("update", *day1, "--rules", "more.toml")[0] == 0
    code, said = run("batch", *day1, "--rules", "none")
    assert code == 1 and "event_time" in said
    assert run("batch", *day1)[0] == 0
    noted = asked(
        tmp_path / "growth.duckdb",
        "SELECT value FROM warehouse_settings WHERE name = 'input_rules'",
    )
    assert json.loads(noted[0][0])["event_types"] == {"own": ["Viewed", "Left"]}


def test_rules_say_when_sessions_end_and_how_old_events_may_be(tmp_path: Path) -> None:
    """The gap takes a rebuild, older events a replay; the tables are those of a batch by both."""
    here, there = tmp_path / "here.duckdb", tmp_path / "there.duckdb"
    times = ["1997-03-01T10:00:00Z", "2025-01-31T10:00:00Z", "2025-01-31T10:25:00Z"]
    times.append("2025-01-31T23:50:00Z")
    (tmp_path / "1.csv").write_bytes(csv_text([row(time) for time in times]))
    late = ["1997-03-01T10:21:00Z", "2025-01-31T10:40:00Z", "2025-02-01T00:11:00Z"]
    (tmp_path / "2.csv").write_bytes(csv_text([row(time) for time in late]))
    (tmp_path / "gap.toml").write_text("[sessions]\ngap_minutes = 20")
    both = '[sessions]\ngap_minutes = 20\n[time]\nearliest = "1990-01-01"'
    (tmp_path / "both.toml").write_text(both)

    def run(home: Path, *arguments: str) -> tuple[int, str]:
        found = command_here(*arguments, "--warehouse", f"duckdb:///{home}", cwd=tmp_path)
        return found.returncode, " ".join((found.stdout + found.stderr).split())

    def sessions(home: Path) -> int:
        ((number,),) = asked(home, "SELECT SUM(is_session_start) FROM fct_events")
        return int(number)

    assert run(here, "batch", "--input", "1.csv")[0] == 0
    assert sessions(here) == 2
    assert asked(here, "SELECT error_type FROM dead_letter_events") == [
        ("event_time_out_of_range",)
    ]
    code, said = run(here, "update", "--input", "*.csv", "--rules", "gap.toml")
    assert code == 2 and "sessions.gap_minutes is not said there and 20 here" in said
    assert "rebuild" in said
    assert run(here, "replay", "--rules", "gap.toml")[0] == 2
    code, said = run(here, "rebuild", "--rules", "gap.toml")
    assert code == 0 and "sessions end after 20 minutes" in said
    assert sessions(here) == 3
    assert run(here, "replay", "--rules", "both.toml")[0] == 0
    assert asked(here, "SELECT error_type FROM dead_letter_events") == []
    assert run(here, "update", "--input", "*.csv")[0] == 0
    code, said = run(here, "check")
    assert code == 0, said
    assert run(there, "batch", "--input", "*.csv", "--rules", "both.toml")[0] == 0
    assert contents(here) == contents(there)
    assert sessions(here) == 6


def test_dead_letters_are_read_again_by_corrected_rules(shop: Path, tmp_path: Path) -> None:
    """The tables are those of a batch by these rules; the next update takes them as they are."""
    here, there = tmp_path / "here.duckdb", tmp_path / "there.duckdb"
    files = ["--input", "day1.csv", "day2.jsonl.gz"]
    less = RULES.replace('"%d.%m.%Y %H:%M:%S"', '["%d.%m.%Y", "iso"]')
    less = less.replace('own = ["Viewed"]', 'own = ["Left"]').replace('iPad = "iOS"', 'X = "iOS"')
    more = less.replace('"iso"]', '"iso", "%d.%m.%Y %H:%M:%S"]').replace(
        'own = ["Left"]', 'own = ["Left", "Viewed"]'
    )
    more = more.replace('X = "iOS"', 'X = "iOS"\niPad = "iOS"')
    for name, text in ("less", less), ("more", more):
        (tmp_path / f"{name}.toml").write_text(text)

    def run(home: Path, *arguments: str) -> tuple[int, str]:
        found = command_here(*arguments, "--warehouse", f"duckdb:///{home}", cwd=shop)
        return found.returncode, " ".join((found.stdout + found.stderr).split())

    rules = {name: ["--rules", str(tmp_path / f"{name}.toml")] for name in ("less", "more")}
    let_in = ["--max_dead_letter_pct", "100"]
    assert run(here, "batch", *files, *rules["less"], *let_in)[0] == 0
    code, told = run(here, "update", *files, *rules["more"])
    assert code == 2 and f"replay --warehouse duckdb:///{here} with --rules" in told
    code, told = run(here, "replay", *rules["more"], "--dry_run")
    assert code == 0 and "A dry run" in told
    assert run(here, "check", *rules["more"])[0] == 2
    assert run(here, "replay", *rules["more"])[0] == 0
    assert run(here, "check", *rules["more"])[0] == 0
    assert run(here, "update", *files, *rules["more"])[0] == 0
    assert run(there, "batch", *files, *rules["more"], *let_in)[0] == 0
    tables, expected = contents(here), contents(there)
    assert len(tables["fct_events"]) == 80
    assert len(tables.pop("dead_letter_events")) == len(expected.pop("dead_letter_events")) == 2
    assert [name for name, table in tables.items() if table != expected[name]] == []


def test_days_by_a_preset_add_their_names_as_types(tmp_path: Path) -> None:
    """A batch, an update here and one by Beam come to what one batch over all comes to."""

    def events(day: int, *names: str) -> list[dict[str, Any]]:
        at = int(datetime(2026, 7, day).timestamp())
        return [
            {
                "event": name,
                "properties": {"time": at + 60 * place, "distinct_id": f"u{place % 3}"},
            }
            for place, name in enumerate(names * 5)
        ]

    days = [events(1, "Seen", "Bought"), events(2, "Signed Up", "Seen"), events(3, "Left", "like")]
    for day, rows in enumerate(days, 1):
        (tmp_path / f"day{day}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    by_day, at_once = tmp_path / "a.duckdb", tmp_path / "b.duckdb"
    preset = ["--preset", "mixpanel"]
    for home, arguments in (
        (by_day, ["batch", "--input", "day1.jsonl", *preset]),
        (by_day, ["update", "--input", "day1.jsonl", "day2.jsonl"]),
        (by_day, ["update", "--input", "day*.jsonl", *preset, "--runner", "FnApiRunner"]),
        (at_once, ["update", "--input", "day*.jsonl", *preset]),
    ):
        found = command_here(*arguments, "--warehouse", f"duckdb:///{home}", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
    tables, expected = contents(by_day), contents(at_once)
    assert [name for name, table in tables.items() if table != expected[name]] == []
    types = asked(
        by_day, "SELECT event_type, sum(events) FROM events_by_type GROUP BY 1 ORDER BY 1"
    )
    named = {"Bought": 5, "Left": 5, "Seen": 10, "Signed Up": 5, "like": 5}
    assert {name: number for name, number in types if number} == named
    (noted,) = asked(by_day, "SELECT value FROM warehouse_settings WHERE name = 'input_rules'")[0]
    assert json.loads(noted)["event_types"] == {"own": "*"}
    many = [{**events(1, "x")[0], "event": f"viewed {place}"} for place in range(120)]
    (tmp_path / "day4.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in many))
    found = command_here(
        "update", "--input", "day*.jsonl", "--warehouse", f"duckdb:///{by_day}", cwd=tmp_path
    )
    told = " ".join(found.stderr.split())
    assert found.returncode == 2
    assert "the files have 120 names of events, beside the 4 that the tables have" in told
