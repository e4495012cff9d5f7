"""The sample file: its shape, its flaws, and whether it resembles life.

The file is read back by the small reader below, which follows the rules of the source event
and shares nothing with the generator.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline.sample import SampleReport, chance, flaws, write_sample, writer
from tests.support.tables import compute
from tests.support.tables import parse as parse_csv

HEADER = (
    b"event_time,user_id,event_type,transaction_category,miles_amount,platform,utm_source,country"
)
TYPES = {"miles_earned", "miles_redeemed", "share", "like", "reward_search"}
PLATFORMS = {"ios": "iOS", "android": "Android", "web": "Web"}
ROWS = 60_000

Event = tuple[datetime, str, str, str | None, int | None, str, str | None, str | None]


def parse(line: bytes) -> Event:
    """One row by the rules of the source; ValueError or csv.Error where it breaks one."""
    fields = next(csv.reader([line.decode()], strict=True))
    time_text, user, event_type, category, amount_text, platform, source, country = (
        field.strip() for field in fields
    )
    time = datetime.fromisoformat(time_text).astimezone(UTC)
    amount = float(amount_text) if amount_text else None
    rules = (
        datetime(2000, 1, 1, tzinfo=UTC) <= time,
        user,
        event_type in TYPES,
        amount is None or (amount >= 0 and amount.is_integer()),
        amount is not None or not event_type.startswith("miles"),
        platform.lower() in PLATFORMS,
        len(country) in (0, 2),
    )
    if not all(rules):
        raise ValueError(line)
    return (
        time,
        user,
        event_type,
        category or None,
        None if amount is None else int(amount),
        PLATFORMS[platform.lower()],
        source.lower() or None,
        country.upper() or None,
    )


@dataclass(frozen=True)
class Sample:
    report: SampleReport
    lines: list[bytes]
    events: list[Event]
    """The rows that can be parsed, in the order of the file, repeats included."""


def read(report: SampleReport) -> Sample:
    header, *lines, rest = report.path.read_bytes().split(b"\n")
    assert (header, rest) == (HEADER, b"")
    events = []
    for line in lines:
        try:
            events.append(parse(line))
        except (ValueError, csv.Error):
            continue
    return Sample(report, lines, events)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return read(write_sample(tmp_path_factory.mktemp("sample") / "events.csv", ROWS, 7))


@pytest.fixture(scope="module")
def database(sample: Sample) -> Iterator[duckdb.DuckDBPyConnection]:
    """Table `events`, and `users` with each user's first and last date."""
    names = HEADER.decode().split(",")
    columns = zip(*dict.fromkeys(sample.events), strict=True)
    arrow = pa.table([pa.array(column) for column in columns], names=names)
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.register("arrow", arrow)
        connection.execute("CREATE TABLE events AS SELECT *, event_time::DATE AS day FROM arrow")
        connection.execute(
            """CREATE TABLE users AS
            SELECT user_id, arg_min(utm_source, event_time) AS utm_source, count(*) AS events,
                   min(day) AS first_day, max(day) AS last_day
            FROM events GROUP BY user_id"""
        )
        yield connection


def ask(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[float, ...]]:
    return database.sql(query).fetchall()


def number(database: duckdb.DuckDBPyConnection, query: str) -> float:
    return float(ask(database, query)[0][0])


class TestFile:
    @pytest.mark.parametrize("rows", [0, 1, 2, 49, 50, 99, 100, 1000, 32_768, 32_769])
    def test_has_exactly_the_rows_asked_for(self, tmp_path: Path, rows: int) -> None:
        report = write_sample(tmp_path / "events.csv", rows, 1)
        assert report.path.read_bytes().count(b"\n") == rows + 1
        assert report.rows == rows

    def test_is_the_same_every_time(self, tmp_path: Path) -> None:
        one = write_sample(tmp_path / "one.csv", 5000, 7).path.read_bytes()
        two = write_sample(tmp_path / "two.csv", 5000, 7).path.read_bytes()
        other_seed = write_sample(tmp_path / "three.csv", 5000, 8).path.read_bytes()
        assert one == two
        assert one != other_seed

    def test_is_the_same_on_every_machine(self, tmp_path: Path) -> None:
        content = write_sample(tmp_path / "events.csv", 20_000, 7).path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == (
            "006dfb7dbe8cf0c539ff7002d23616bd8c1c3160522ed4f172ec4af713cf6880"
        )

    def test_can_be_compressed(self, tmp_path: Path) -> None:
        plain = write_sample(tmp_path / "events.csv", 2000, 7).path.read_bytes()
        packed = write_sample(tmp_path / "events.csv.gz", 2000, 7).path.read_bytes()
        again = write_sample(tmp_path / "again.csv.gz", 2000, 7).path.read_bytes()
        assert gzip.decompress(packed) == plain
        assert packed == again

    def test_makes_its_folders(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "events.csv"
        assert write_sample(str(path), 10, 7).path == path
        assert path.exists()

    def test_empty_has_a_header_alone(self, tmp_path: Path) -> None:
        report = write_sample(tmp_path / "events.csv", 0, 7)
        assert report == SampleReport(tmp_path / "events.csv", 0, 0, 0, 0, None, None)
        assert report.path.read_bytes() == HEADER + b"\n"

    @pytest.mark.parametrize(("events", "seed"), [(-1, 7), (10, -7)])
    def test_refuses_negative_numbers(self, tmp_path: Path, events: int, seed: int) -> None:
        with pytest.raises(ValueError, match=r"must be 0 or more, not -\d"):
            write_sample(tmp_path / "events.csv", events, seed)
        assert list(tmp_path.iterdir()) == []

    def test_failure_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(*_: object) -> Iterator[bytes]:
            yield b"half a"
            raise OSError("disk full")

        path = tmp_path / "events.csv"
        path.write_bytes(b"old")
        monkeypatch.setattr(writer, "csv_chunks", break_down)
        with pytest.raises(OSError, match="disk full"):
            write_sample(path, 10, 7)
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]

    def test_needs_no_beam(self) -> None:
        check = "import sys, pipeline.sample; sys.exit('apache_beam' in sys.modules)"
        root = Path(__file__).parents[2]
        assert subprocess.run([sys.executable, "-c", check], cwd=root, check=False).returncode == 0

    def test_report_tells_what_is_in_it(self, sample: Sample) -> None:
        report, events = sample.report, sample.events
        assert report.rows == len(sample.lines) == ROWS
        assert report.users == len({event[1] for event in events})
        assert report.first_event_time == min(event[0] for event in events)
        assert report.last_event_time == max(event[0] for event in events)


class TestFlaws:
    def test_broken_and_repeated_rows_are_as_many_as_reported(self, sample: Sample) -> None:
        report = sample.report
        assert ROWS - len(sample.events) == report.broken
        assert len(sample.events) - len(set(sample.events)) == report.repeated
        assert 0.0005 < (report.broken + report.repeated) / ROWS < 0.002

    @pytest.mark.parametrize("seed", range(5))
    def test_small_files_have_some_too(self, tmp_path: Path, seed: int) -> None:
        small = read(write_sample(tmp_path / "events.csv", 1000, seed))
        assert 1 <= 1000 - len(small.events) <= 5
        assert 1 <= len(small.events) - len(set(small.events)) <= 5

    def test_some_repeats_are_written_differently(self, sample: Sample) -> None:
        exact = len(sample.lines) - len(set(sample.lines))
        assert 0 < exact < sample.report.repeated

    @pytest.mark.parametrize("flaw", flaws.REPEATS)
    def test_a_repeat_is_equal_after_parsing(self, flaw: flaws.Flaw) -> None:
        line = b'2025-03-01T10:11:12.123456Z,u01,miles_earned,"a, b",575,iOS,paid,DE'
        written = flaw(next(csv.reader([line.decode()])))
        assert written != line
        assert parse(written) == parse(line)

    @pytest.mark.parametrize("flaw", flaws.BREAKAGES)
    @pytest.mark.parametrize("action", ["like,,", "miles_redeemed,flight,500"])
    def test_a_breakage_breaks_a_rule_in_one_line(self, flaw: flaws.Flaw, action: str) -> None:
        line = f"2025-03-01T10:11:12.123456Z,u01,{action},iOS,paid,DE"
        written = flaw(line.split(","))
        assert b"\n" not in written
        with pytest.raises((ValueError, csv.Error)):
            parse(written)

    def test_rows_are_in_order_but_for_some(self, sample: Sample) -> None:
        times = np.array([event[0].timestamp() for event in sample.events])
        behind = np.maximum.accumulate(times) - times
        assert 0.001 < np.mean(behind > 0) < 0.02
        assert 60 < behind.max() < 24 * 3600

    def test_a_repeat_comes_after_its_first(self) -> None:
        rng = np.random.default_rng(1)
        time = np.sort(rng.integers(0, 10**12, 500))
        log = flaws.arrange(rng, time, broken=10, repeated=100)
        assert Counter(log.event.tolist()).most_common(1)[0][1] == 2
        assert len(log.event) == 600
        # A later appearance of an event that is written in a way of its own is the second one.
        rewritten = [row for row, flaw in log.flaws.items() if flaw in flaws.REPEATS]
        assert all(log.event[row] in log.event[:row] for row in rewritten)
        assert set(log.event[list(log.flaws.keys() - set(rewritten))]) == set(log.broken)


class TestLife:
    def test_stays_in_the_calendar(self, database: duckdb.DuckDBPyConnection) -> None:
        query = "SELECT count(DISTINCT day), min(day)::VARCHAR, max(day)::VARCHAR FROM events"
        days, first, last = ask(database, query)[0]
        assert days > 530
        assert str(first) >= "2024-07-01"
        assert str(last) == "2025-12-31"

    def test_users_grow_with_events_and_their_rate_does_not(self, tmp_path: Path) -> None:
        few = write_sample(tmp_path / "few.csv", 40_000, 3).users
        many = write_sample(tmp_path / "many.csv", 200_000, 3).users
        assert 4 < many / few < 6
        assert 35 < 200_000 / many < 55

    def test_weekdays_differ_from_weekends(self, database: duckdb.DuckDBPyConnection) -> None:
        query = """SELECT avg(n) FILTER (isodow(day) < 6) / avg(n) FILTER (isodow(day) >= 6)
                   FROM (SELECT day, count(*) AS n FROM events GROUP BY day)"""
        assert 1.1 < number(database, query) < 1.8

    def test_hours_differ(self, database: duckdb.DuckDBPyConnection) -> None:
        query = """SELECT max(n) / min(n)
                   FROM (SELECT count(*) AS n FROM events GROUP BY hour(event_time))"""
        assert number(database, query) > 2

    def test_users_keep_arriving(self, database: duckdb.DuckDBPyConnection) -> None:
        query = """SELECT count(*) FILTER (first_day >= '2025-07-01') /
                          count(*) FILTER (first_day < '2025-01-01') FROM users"""
        assert 1.2 < number(database, query) < 4

    def test_months_grow_at_a_plausible_rate(self, database: duckdb.DuckDBPyConnection) -> None:
        months = ask(
            database,
            """WITH active AS (SELECT DISTINCT user_id, date_trunc('month', day) AS month
                               FROM events),
            moves AS (SELECT month, lag(month) OVER by_user = month - INTERVAL 1 MONTH AS stayed,
                             lead(month) OVER by_user IS NOT DISTINCT FROM
                                 month + INTERVAL 1 MONTH AS stays
                      FROM active WINDOW by_user AS (PARTITION BY user_id ORDER BY month)),
            sums AS (SELECT month, count(*) AS mau, count(*) FILTER (stayed) AS retained,
                            count(*) FILTER (NOT stays) AS leaving
                     FROM moves GROUP BY month)
            SELECT retained / lag(mau) OVER (ORDER BY month),
                   (mau - retained) / lag(leaving) OVER (ORDER BY month)
            FROM sums ORDER BY month""",
        )
        assert len(months) == 18
        # The first months have too few users for their shares to be steady.
        assert all(0.1 < retention < 0.75 for retention, _ in months[4:])
        assert all(0.4 < quick_ratio < 3.5 for _, quick_ratio in months[4:])
        assert months[-1][0] > 0.5 > 0.35 > months[4][0]  # The product has become better.

    def test_users_return_as_often_as_those_of_published_figures(
        self, database: duckdb.DuckDBPyConnection
    ) -> None:
        """docs/tables.md says whose figures; bounds are wide, as theirs are."""
        first, week, month = ask(
            database,
            """WITH days AS (SELECT DISTINCT user_id, day - first_day AS age, first_day
                             FROM events JOIN users USING (user_id))
               SELECT count(*) FILTER (age = 1) / count(*) FILTER (age = 0),
                      count(*) FILTER (age = 7) / count(*) FILTER (age = 0),
                      count(*) FILTER (age = 30) / count(*) FILTER (age = 0)
               FROM days WHERE first_day < '2025-12-01'""",
        )[0]
        assert 0.24 < first < 0.40
        assert 0.07 < week < 0.20
        assert 0.04 < month < 0.11
        stickiness = number(
            database,
            """WITH days AS (SELECT DISTINCT user_id, day FROM events),
               daily AS (SELECT day, count(*) AS dau FROM days GROUP BY day)
               SELECT median(dau / (SELECT count(DISTINCT user_id) FROM days AS d
                                    WHERE d.day BETWEEN daily.day - 29 AND daily.day))
               FROM daily WHERE day >= '2025-01-01'""",
        )
        assert 0.10 < stickiness < 0.30

    def test_no_label_is_the_answer_to_every_day(self, sample: Sample) -> None:
        tables = compute([part.events for part in parse_csv(sample.report.path.read_bytes())])
        for table, label in (
            ("retention_quality_framework", "retention_quality_category"),
            ("user_resurrection_analysis", "resurrection_quality_category"),
            ("growth_metrics", "daily_growth_quality"),
            ("quick_ratio_analysis", "strategic_recommendation"),
            ("quick_ratio_analysis", "retention_benchmark"),
        ):
            counts = Counter(tables[table][label].drop_null().to_pylist()).most_common()
            assert counts[0][1] < 0.65 * tables[table].num_rows, (label, counts)
            assert len([label for label, n in counts if n > 1]) >= 3, (label, counts)
        alerts = set(tables["quick_ratio_analysis"]["alert_level"].to_pylist())
        assert {"OK", "CRITICAL: Quick Ratio Below 1.0"} < alerts

    def test_some_come_once_and_a_few_do_most(self, database: duckdb.DuckDBPyConnection) -> None:
        once = "SELECT avg((first_day = last_day)::INT) FROM users"
        assert 0.4 < number(database, once) < 0.7
        heavy = """SELECT sum(events) FILTER (rank <= 0.1) / sum(events)
                   FROM (SELECT events, percent_rank() OVER (ORDER BY events DESC) AS rank
                         FROM users)"""
        assert 0.4 < number(database, heavy) < 0.8

    def test_users_come_back_after_days_weeks_and_months(
        self, database: duckdb.DuckDBPyConnection
    ) -> None:
        days, weeks, months, longer = ask(
            database,
            """SELECT count(*) FILTER (away BETWEEN 2 AND 7),
                      count(*) FILTER (away BETWEEN 8 AND 30),
                      count(*) FILTER (away BETWEEN 31 AND 90), count(*) FILTER (away > 90)
               FROM (SELECT day - lag(day) OVER (PARTITION BY user_id ORDER BY day) AS away
                     FROM (SELECT DISTINCT user_id, day FROM events))""",
        )[0]
        assert days > weeks > months > longer > 20

    def test_channels_differ(self, database: duckdb.DuckDBPyConnection) -> None:
        query = """SELECT coalesce(utm_source, ''), count(*) / (SELECT count(*) FROM users),
                          avg((last_day - first_day > 30)::INT),
                          avg((first_day >= '2025-07-01')::INT)
                   FROM users GROUP BY 1"""
        rows = {row[0]: row[1:] for row in database.sql(query).fetchall()}
        size, retention, recent = ({name: row[i] for name, row in rows.items()} for i in range(3))
        assert rows.keys() == {"organic", "paid", "social", "referral", ""}
        assert size["organic"] > size["paid"] > size["social"] > size["referral"] > size[""] > 0.005
        assert retention["referral"] > 1.3 * retention["paid"]
        assert retention["organic"] > 1.3 * retention["social"]
        assert recent["referral"] > recent["organic"]

    def test_users_mostly_keep_channel_country_and_platform(
        self, database: duckdb.DuckDBPyConnection
    ) -> None:
        query = """SELECT avg((e.utm_source IS NOT DISTINCT FROM u.utm_source)::INT)
                   FROM events e JOIN users u USING (user_id)"""
        assert 0.95 < number(database, query) < 1
        platforms = """SELECT avg((n > 1)::INT) FROM (
            SELECT count(DISTINCT platform) AS n FROM events GROUP BY user_id)"""
        assert 0.03 < number(database, platforms) < 0.25
        countries = """SELECT max(n) FROM (
            SELECT count(DISTINCT coalesce(country, '')) AS n FROM events GROUP BY user_id)"""
        assert number(database, countries) == 1

    def test_platforms_differ(self, database: duckdb.DuckDBPyConnection) -> None:
        query = """SELECT platform, avg((event_type IN ('share', 'like'))::INT)
                   FROM events GROUP BY platform"""
        social = dict(database.sql(query).fetchall())
        assert social.keys() == {"iOS", "Android", "Web"}
        assert social["Android"] > social["iOS"] > 1.2 * social["Web"]

    def test_events_come_in_sessions(self, database: duckdb.DuckDBPyConnection) -> None:
        inside, median = ask(
            database,
            """SELECT avg((gap < 1800)::INT), median(gap) FILTER (gap < 1800)
               FROM (SELECT epoch(event_time - lag(event_time) OVER
                                  (PARTITION BY user_id ORDER BY event_time)) AS gap
                     FROM events)
               WHERE gap IS NOT NULL""",
        )[0]
        assert 0.4 < inside < 0.8
        assert 10 < median < 300

    def test_miles_are_plausible(self, database: duckdb.DuckDBPyConnection) -> None:
        earned = ask(
            database,
            """SELECT min(miles_amount), max(miles_amount), median(miles_amount),
                      avg(miles_amount) FROM events WHERE event_type = 'miles_earned'""",
        )[0]
        assert earned[0] == 50
        assert earned[1] == 5000
        assert earned[2] < 0.8 * earned[3]
        odd = """SELECT count(*) FROM events
                 WHERE event_type = 'miles_redeemed' AND miles_amount % 100 <> 0"""
        assert number(database, odd) == 0
        negative = """SELECT avg((balance < 0)::INT) FROM (
            SELECT sum(CASE event_type WHEN 'miles_earned' THEN miles_amount
                       WHEN 'miles_redeemed' THEN -miles_amount ELSE 0 END) AS balance
            FROM events GROUP BY user_id)"""
        assert 0.01 < number(database, negative) < 0.07

    def test_only_miles_have_categories_and_amounts(
        self, database: duckdb.DuckDBPyConnection
    ) -> None:
        query = """SELECT count(*) FROM events
                   WHERE event_type NOT LIKE 'miles%'
                     AND (miles_amount IS NOT NULL OR transaction_category IS NOT NULL)"""
        assert number(database, query) == 0
        quoted = "SELECT count(*) FROM events WHERE transaction_category = 'Food, drinks & more'"
        assert number(database, quoted) > 1000


class TestChance:
    def test_tickets_follow_the_weights(self) -> None:
        lottery = chance.Lottery.weighted([[1, 1, 2], [0, 3, 1]], slots=64)
        assert np.bincount(lottery.tickets[0]).tolist() == [16, 16, 32]
        assert np.bincount(lottery.tickets[1]).tolist() == [0, 48, 16]

    def test_each_case_draws_from_its_row(self) -> None:
        lottery = chance.Lottery.weighted([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
        rows = np.array([2, 0, 1, 1])
        assert lottery.draw(np.random.default_rng(1), rows).tolist() == [2, 0, 1, 1]

    def test_lognormal_has_its_median_and_its_bounds(self) -> None:
        tickets = chance.Lottery.lognormal([100, 200], 1.0, 20, 900).tickets
        assert np.median(tickets, axis=1).round().tolist() == [100, 200]
        assert (tickets.min(), tickets.max()) == (20, 900)

    def test_stretches(self) -> None:
        lengths = np.array([2, 1, 3])
        assert chance.position_within(lengths).tolist() == [0, 1, 0, 0, 1, 2]
        totals = chance.running_total(np.array([5, 1, 7, 1, 1, 1]), lengths)
        assert totals.tolist() == [5, 6, 7, 1, 2, 3]
