"""Lines of CSV small enough to read by hand, so that the oracle answers to the contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from tests.oracle import build
from tests.oracle.conftest import query

HEADER = (
    "event_time,user_id,event_type,transaction_category,miles_amount,platform,utm_source,country"
)


def build_csv(
    connection: duckdb.DuckDBPyConnection, folder: Path, lines: Sequence[str], header: str = HEADER
) -> None:
    path = folder / f"events{len(list(folder.iterdir()))}.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    build(connection, [str(folder / "*.csv")])


TIMES = {
    "2024-05-01T10:20:30": "2024-05-01 10:20:30",
    "2024-05-01 10:20:30Z": "2024-05-01 10:20:30",
    " 2024-05-01 10:20:30 UTC\u00a0": "2024-05-01 10:20:30",
    "2024-05-01T10:20:30.1": "2024-05-01 10:20:30.1",
    "2024-05-01T10:20:30.1234569Z": "2024-05-01 10:20:30.123456",
    "2024-05-01T10:20:30.1234569+02:30": "2024-05-01 07:50:30.123456",
    "2024-05-01T10:20:30-0230": "2024-05-01 12:50:30",
    "2024-05-01T10:20:30+11": "2024-04-30 23:20:30",
    "2000-01-01T00:00:00Z": "2000-01-01 00:00:00",
}


def test_times(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    build_csv(connection, tmp_path, [f"{text},u,share,{text},,Web,," for text in TIMES])
    found = query(connection, "SELECT transaction_category, event_time::VARCHAR FROM fct_events")
    assert dict(found) == {text.strip("\u00a0 "): time for text, time in TIMES.items()}


# Of the errors of a line the first counts.
ERRORS = [
    ("2000-01-01T00:00:00+00:01,u,share,,,Web,,", "event_time_out_of_range"),
    ("1999-12-31T23:59:59.999999Z,u,share,,,Web,,", "event_time_out_of_range"),
    ("2999-01-01T00:00:00Z,u,share,,,Web,,", "event_time_out_of_range"),
    (",u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T10:20,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T10:20:30.,u,share,,,Web,,", "bad_event_time"),
    ("2023-02-29T10:20:30,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T24:00:00,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T23:59:60,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T10:20:30 CET,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T10:20:30+2,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01  10:20:30,u,share,,,Web,,", "bad_event_time"),
    ("1714558830,u,share,,,Web,,", "bad_event_time"),
    ("2024-05-01T10:00:00Z, ,sold,x,-1,Palm,,DEU", "missing_user_id"),
    ("2024-05-01T10:00:00Z,u,sold,x,-1,Palm,,DEU", "unknown_event_type"),
    ("2024-05-01T10:00:00Z,u,,x,1,Web,,DE", "unknown_event_type"),
    ("2024-05-01T10:00:00Z,u,Share,x,1,Web,,DE", "unknown_event_type"),
    ("2024-05-01T10:00:00Z,u,miles_earned,x,,Palm,,DEU", "missing_miles_amount"),
    ("2024-05-01T10:00:00Z,u,miles_earned,x,-1,Palm,,DEU", "bad_miles_amount"),
    ("2024-05-01T10:00:00Z,u,miles_redeemed,x,1.5,Web,,DE", "bad_miles_amount"),
    ("2024-05-01T10:00:00Z,u,miles_redeemed,x,1000000000001,Web,,DE", "too_many_miles"),
    ("2024-05-01T10:00:00Z,u,miles_redeemed,x,9223372036854775808,Palm,,DE", "too_many_miles"),
    ("2024-05-01T10:00:00Z,\u200b \ufeff,share,x,1,Web,,DE", "missing_user_id"),
    ("2024-05-01T10:00:00Z,u,share,x,1,Palm,,DEU", "unknown_platform"),
    ("2024-05-01T10:00:00Z,u,share,x,1,,,DE", "unknown_platform"),
    ("2024-05-01T10:00:00Z,u,share,x,1,Web,,DEU", "bad_country"),
    ("2024-05-01T10:00:00Z,u,share,x,1,Web,,D1", "bad_country"),
    # No ASCII letter, but its upper case is one.
    ("2024-05-01T10:00:00Z,u,share,x,1,Web,,\u0131t", "bad_country"),
]


@pytest.mark.parametrize("error", dict.fromkeys(error for _, error in ERRORS))
def test_the_first_error_counts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, error: str
) -> None:
    lines = [line for line, its_error in ERRORS if its_error == error]
    build_csv(connection, tmp_path, lines)
    assert query(connection, "FROM dead_letters") == [(error, len(lines))]
    assert query(connection, "FROM fct_events") == []


def test_rows_equal_after_parsing_are_one_event(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    build_csv(
        connection,
        tmp_path,
        [
            "2024-05-01T10:00:00Z,u,miles_earned,x,575,iOS,paid,de",
            ' 2024-05-01 12:00:00.000000+02:00 , u,miles_earned," x ",575.0,IOS,Paid,DE\t',
            "2024-05-01T10:00:00Z,u,share,,12,web,,",
            "2024-05-01T10:00:00Z,u,share,,oops,web,,",
            '2024-05-01T10:00:00Z,u,like,"Food, drinks & ""more""",,ANDROID,,',
        ],
    )
    # Another file may order its columns otherwise and have more of them.
    build_csv(
        connection,
        tmp_path,
        [
            "1,DE,PAID,ios,575.00,x,miles_earned,u,2024-05-01T10:00:00Z",
            "2,US,,Web,,x,like,v,2024-05-01T10:00:00Z",
        ],
        header="version," + ",".join(reversed(HEADER.split(","))),
    )
    assert query(
        connection,
        "SELECT user_id, event_type, transaction_category, miles_amount, platform, utm_source, "
        "country FROM fct_events ORDER BY user_id, event_type",
    ) == [
        ("u", "like", 'Food, drinks & "more"', None, "Android", None, None),
        ("u", "miles_earned", "x", 575, "iOS", "paid", "DE"),
        ("u", "share", None, None, "Web", None, None),
        ("v", "like", "x", None, "Web", None, "US"),
    ]
    assert query(connection, "SELECT n FROM input_rows") == [(7,)]


def test_malformed_lines_are_counted(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    build_csv(
        connection,
        tmp_path,
        [
            "2024-05-01T10:00:00Z,u,share,,,Web,,",
            "2024-05-01T10:00:00Z,u,share,,,Web",
            "2024-05-01T10:00:00Z,u,share,,,Web,,,v2",
        ],
    )
    assert query(connection, "FROM dead_letters") == [("malformed_row", 2)]
    assert query(connection, "SELECT n FROM input_rows") == [(3,)]
