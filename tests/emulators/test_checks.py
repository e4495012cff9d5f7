"""Checks of tables in BigQuery: by the run that builds them, and pushed down afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.emulators.support import Home
from tests.support.quality import CHECKS
from tests.support.runs import command
from tests.support.webhooks import receiving
from transforms.marts.registry import RESULTS, TABLES


def check(home: Home, *options: str) -> subprocess.CompletedProcess[str]:
    words = ("check", "--warehouse", home.url, *options)
    return command(*words, cwd=Path("/"), **home.servers.environment)


def results(home: Home) -> list[tuple[str, str, int]]:
    """(run, status, number of checks) of data_quality_results."""
    rows = home.client.query_and_wait(
        f"SELECT run_id, status, COUNT(*) AS n FROM `{home.dataset}.{RESULTS.name}` "
        "GROUP BY run_id, status ORDER BY run_id, status"
    )
    return [(row["run_id"], row["status"], row["n"]) for row in rows]


def test_a_run_appends_its_results_and_check_and_report_agree(
    home: Home, sample: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        run = home.batch(sample, "--require_partition_filter")
        assert (run.returncode, run.stderr) == (0, "")
        assert f"checks  {len(CHECKS)} passed" in run.stdout
    found = results(home)
    assert [(status, n) for _, status, n in found] == [("pass", len(CHECKS))] * 2
    assert len({run_id for run_id, _, _ in found}) == 2
    alone = check(home)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert f"checks  {len(CHECKS) - 1} passed" in alone.stdout
    assert results(home) == found
    page = tmp_path / "growth.html"
    words = ("report", "--warehouse", home.url, "--output", str(page))
    report = command(*words, cwd=tmp_path, **home.servers.environment)
    assert (report.returncode, report.stderr) == (0, "")
    assert f"all {len(CHECKS)} passed" in page.read_text()


def test_dates_of_another_zone_are_checked_and_rebuilt(home: Home, sample: Path) -> None:
    run = home.batch(sample, "--timezone", "America/St_Johns", "--week_start", "sunday")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"checks  {len(CHECKS)} passed" in run.stdout
    assert "Time  dates are in America/St_Johns, weeks begin on Sunday" in run.stdout
    alone = check(home)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert f"checks  {len(CHECKS) - 1} passed" in alone.stdout
    rebuilt = command(
        *("rebuild", "--warehouse", home.url, "--temp_location", home.temp),
        *("--timezone", "Asia/Singapore"),
        cwd=Path("/"),
        **home.servers.environment,
    )
    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    days = home.client.query_and_wait(
        "SELECT COUNTIF(event_date <> DATE(event_time, 'Asia/Singapore')) AS apart, COUNTIF("
        f"event_date <> DATE(event_time)) AS of_utc FROM `{home.dataset}.fct_events`"
    )
    ((apart, of_utc),) = ((row["apart"], row["of_utc"]) for row in days)
    assert (apart, of_utc > 0) == (0, True)
    home.client.query_and_wait(
        f"UPDATE `{home.dataset}.fct_events` SET event_date = DATE(event_time) WHERE TRUE"
    )
    broken = check(home)
    assert broken.returncode == 1
    assert "fct_events.event_date_of_event_time" in broken.stdout


def test_check_names_what_is_broken(home: Home, sample: Path) -> None:
    assert home.batch(sample).returncode == 0
    home.client.query_and_wait(
        f"UPDATE `{home.dataset}.growth_metrics` SET new_users = -1 "
        "WHERE event_date = (SELECT MIN(event_date) FROM "
        f"`{home.dataset}.growth_metrics`)"
    )
    home.client.query_and_wait(f"DELETE FROM `{home.dataset}.users_with_negative_miles` WHERE TRUE")
    with receiving() as receiver:
        run = check(home, "--alert", receiver.url, "--alert_dead_letter_pct", "100")
        again = check(home, "--alert", receiver.url, "--alert_dead_letter_pct", "100")
    assert (run.returncode, again.returncode) == (1, 1)
    (message,) = receiver.got
    assert "\u2022 2 checks of severity error failed: dim_users.user_id." in message["text"]
    assert "Warning" not in run.stderr + again.stderr
    assert "2 failed (error)" in run.stdout
    assert "growth_metrics.new_users.range  fails in 1 of" in run.stdout
    assert "new_users -1" in run.stdout
    assert "dim_users.user_id.in_users_with_negative_miles  fails in" in run.stdout
    assert "2 checks of severity error failed" in run.stderr


def test_what_is_missing_is_named(home: Home, sample: Path) -> None:
    run = check(home)
    assert (run.returncode, run.stdout) == (1, "")
    assert f"there is no warehouse {home.url}" in run.stderr
    assert home.batch(sample).returncode == 0
    home.client.delete_table(f"{home.dataset}.dim_users")
    run = check(home)
    assert (run.returncode, run.stdout) == (1, "")
    assert f"{home.url} lacks the table dim_users" in run.stderr


def test_a_refused_run_leaves_its_results(home: Home, sample: Path) -> None:
    assert home.batch(sample).returncode == 0
    before = home.contents()
    sample.write_bytes(sample.read_bytes() + b"?,?\n" * 4_000)
    run = home.batch(sample)
    assert run.returncode == 1
    assert "dead letters" in run.stderr
    assert "No table was touched but data_quality_results" in run.stderr
    assert all(home.contents()[name].equals(before[name]) for name in TABLES)
    assert [n for _, _, n in results(home)] == [len(CHECKS)] * 2
    assert home.leftovers() == []
