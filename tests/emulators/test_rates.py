"""Users over a rate of events on BigQuery: they leave all tables, and stay away."""

from __future__ import annotations

from pathlib import Path

from tests.emulators.support import Home, unlike
from tests.emulators.test_people import LATER
from tests.support.robots import Limits, let_in, robots
from tests.support.runs import command, contents
from tests.support.tables import Row, csv_text
from tests.support.updates import Home as Plain
from tests.unit.test_rates import BEFORE, on

LIMITS = Limits(day=3, session=4)


def test_who_gets_over_a_rate_leaves_the_dataset(home: Home, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(LIMITS.rules)
    came: list[Row] = []
    days = (BEFORE, [*LATER, *on(2, 900)], [*on(20, 5), *on(20, 5, user="cy")])
    for number, (by, rows) in enumerate(zip(("batch", "update", "update"), days, strict=True)):
        came += rows
        (tmp_path / "file").write_bytes(csv_text(rows))
        home.upload(tmp_path / "file", f"events/{number}.csv")
        done = command(
            *(by, "--input", f"{home.temp}/events/*.csv", "--warehouse", home.url),
            *("--rules", str(tmp_path / "rules.toml"), "--temp_location", f"{home.temp}/tmp"),
            cwd=Path("/"),
            **home.servers.environment,
        )
        assert done.returncode == 0, done.stderr
        assert set(home.rows("excluded_users")["user_id"].to_pylist()) == robots(came, LIMITS)
        Plain.at(tmp_path / "plain.duckdb").batch(let_in(came, LIMITS))
        expected = contents(tmp_path / "plain.duckdb")
        assert set(unlike(home.contents(), expected)) <= {"dead_letter_events"}
    assert "1 excluded (1 events_per_day)" in done.stdout
