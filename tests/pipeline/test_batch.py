"""The whole batch graph: equal to the oracle, however the input is cut, and all or nothing."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import RunError, clear_message
from pipeline.inputs.input_versions import local_file
from pipeline.sample import write_sample
from pipeline.sinks.run_commit import check_sum
from pipeline.warehouse import open_warehouse
from tests.support.replays import computed
from tests.support.runs import Run, comparable, contents, read_all, run_graph
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import COLLIDING, NOW, csv_text, differences, oracle_tables, row
from tests.support.thorough import examples, thorough
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.vocabulary import SOURCE_COLUMNS

# Broken in a way that keeps DuckDB's own reader from seeing the records as we do.
_STRUCTURE = {"malformed_row", "invalid_utf8"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "events.csv"
    write_sample(path, 32_000, 3)  # 16 broken rows: one of each kind.
    return path


@pytest.fixture(scope="module")
def of_sample(sample: Path) -> Path:
    """A warehouse with the tables of the sample; who writes to it copies it."""
    database = sample.with_name("growth.duckdb")
    run_graph([sample], database)
    return database


@pytest.fixture(scope="module")
def sound_sample(sample: Path) -> Path:
    """The sample without the rows whose structure is broken."""
    path = sample.with_name("sound.csv")
    with sample.open("rb") as lines:
        kept = [line for line in lines if _is_sound(line)]
    path.write_bytes(b"".join(kept))
    return path


def _is_sound(line: bytes) -> bool:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    return text.count('"') % 2 == 0 and text.replace("Food, drinks", "").count(",") == 7


def test_the_sample_agrees_with_the_oracle(tmp_path: Path, sound_sample: Path) -> None:
    ours = run_graph([sound_sample], tmp_path / "growth.duckdb", Run(user_shards=5))
    with oracle_tables(sound_sample, ours) as oracle:
        assert differences(oracle, ours) == {}
        theirs = dict(oracle.execute("SELECT error_type, n FROM dead_letters").fetchall())
    counted = ours["dead_letter_events"].group_by("error_type").aggregate([([], "count_all")])
    assert dict(zip(*counted.to_pydict().values(), strict=True)) == theirs


def test_the_columns_and_types_are_those_of_the_contract(of_sample: Path) -> None:
    ours = read_all(open_warehouse(f"duckdb:///{of_sample}"))
    assert {name: table.schema for name, table in ours.items()} == {
        name: table.arrow_schema for name, table in TABLES.items()
    }


def test_input_rows_are_events_duplicates_and_dead_letters(sample: Path, of_sample: Path) -> None:
    tables = read_all(open_warehouse(f"duckdb:///{of_sample}"))
    dead_letters = tables["dead_letter_events"]
    assert tables["fct_events"].num_rows + 16 + dead_letters.num_rows == 32_000
    assert set(dead_letters["error_type"].to_pylist()) >= _STRUCTURE
    lines = sample.read_bytes()
    for dead_letter in dead_letters.to_pylist():
        if dead_letter["payload_encoding"] == "utf-8":
            at = int(dead_letter["position"])
            payload = dead_letter["payload"].encode()
            assert lines[at : at + len(payload)] == payload


@thorough
def test_the_result_does_not_depend_on_how_the_input_is_cut(
    tmp_path: Path, sample: Path, of_sample: Path
) -> None:
    header, *lines = sample.read_bytes().splitlines(keepends=True)
    halves = [tmp_path / "a.csv", tmp_path / "b.csv.gz"]
    halves[0].write_bytes(header + b"".join(lines[16_000:]))
    halves[1].write_bytes(gzip.compress(header + b"".join(lines[:16_000])))
    run_graph(halves, tmp_path / "two.duckdb", Run(17, 200_000, run="another"))
    one, two = contents(of_sample), contents(tmp_path / "two.duckdb")
    for name in set(TABLES) - {"dead_letter_events"}:
        assert one[name].equals(two[name]), name
    payloads = [
        sorted(tables["dead_letter_events"]["payload"].to_pylist()) for tables in (one, two)
    ]
    assert payloads[0] == payloads[1]


def test_a_rerun_changes_nothing_but_the_times_of_writing(
    tmp_path: Path, sample: Path, of_sample: Path
) -> None:
    database = tmp_path / "growth.duckdb"
    shutil.copy(of_sample, database)
    first = read_all(open_warehouse(f"duckdb:///{database}"))
    again = run_graph([sample], database, Run(started_at=NOW + timedelta(hours=1)))
    for name in TABLES:
        assert comparable(name, first[name]).equals(comparable(name, again[name])), name


# A run of the graph an example: shrinking a failure would take half an hour.
@settings(max_examples=examples(2, 15), phases=[Phase.explicit, Phase.generate])
@given(
    rows=st.lists(st.one_of(valid_rows, broken_rows), min_size=1, max_size=30),
    data=st.data(),
    shards=st.integers(1, 9),
    range_bytes=st.sampled_from([None, 100, 1_000]),
    run=st.sampled_from(["a", "b", "c"]),
)
def test_any_order_repetition_and_cut_gives_the_same_tables(
    rows: list[dict[str, str]],
    data: st.DataObject,
    shards: int,
    range_bytes: int | None,
    run: str,
) -> None:
    repeated = rows + data.draw(st.lists(st.sampled_from(rows), max_size=5))
    shuffled = data.draw(st.permutations(repeated))
    cut = data.draw(st.integers(0, len(shuffled)))
    columns = data.draw(st.permutations([*SOURCE_COLUMNS, "extra"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.csv").write_bytes(csv_text(shuffled[:cut], columns))
        (folder / "b.csv").write_bytes(csv_text(shuffled[cut:], columns))
        run_graph(
            [folder / "a.csv", folder / "b.csv"],
            folder / "cut.duckdb",
            # Another run's shards have another key.
            Run(user_shards=shards, range_bytes=range_bytes, run=run, quality="off"),
        )
        cut_up = contents(folder / "cut.duckdb")
    for name, table in computed(rows).items():
        assert table.equals(cut_up[name]), name


def test_without_a_valid_event_all_tables_exist_and_are_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "header.csv").write_bytes(csv_text([]))
    (tmp_path / "broken.csv").write_bytes(csv_text([row("yesterday")]))
    tables = run_graph(sorted(tmp_path.glob("*.csv")), tmp_path / "growth.duckdb")
    counts = {name: table.num_rows for name, table in tables.items()}
    assert counts == {**dict.fromkeys(TABLES, 0), "dead_letter_events": 1}


@pytest.fixture(scope="module")
def one_event(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the tables of one event."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "before.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    run_graph([folder / "before.csv"], folder / "growth.duckdb")
    return folder / "growth.duckdb"


@pytest.fixture
def built(tmp_path: Path, one_event: Path) -> Iterator[Path]:
    """A copy of it, which stays as it is."""
    database = tmp_path / "growth.duckdb"
    shutil.copy(one_event, database)
    before = contents(database)
    yield database
    after = contents(database)
    assert all(after[name].equals(before[name]) for name in TABLES)
    assert not list(tmp_path.glob("*.staging*"))


def test_too_many_dead_letters_leave_the_tables_alone(tmp_path: Path, built: Path) -> None:
    path = tmp_path / "broken.csv"
    elsewhere = row("2024-01-01T00:00:00Z", country="Mars")
    path.write_bytes(
        csv_text([row("never"), elsewhere, row("yesterday"), *[row("2024-01-01T00:00:00Z")] * 3])
    )
    with pytest.raises(Exception, match="dead letters") as raised:
        run_graph([path], built, Run(max_dead_letter_pct=49.9))
    message = clear_message(raised.value)
    assert message is not None
    assert "3 of 6 input rows are dead letters (50.0 %)" in message
    # Each reason, the most frequent first, with an example.
    assert "49.9 allows: 2 bad_event_time, e.g. " in message and "'never'" in message
    assert "; 1 bad_country, e.g. " in message and "'Mars'" in message
    assert "\n" not in message


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(csv_text([row("yesterday"), row("2024-01-01T00:00:00Z")]))
    tables = run_graph([path], tmp_path / "growth.duckdb", Run(max_dead_letter_pct=50))
    assert tables["fct_events"].num_rows == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"event_time,user_id\n1,2\n", "lacks event_type"),
        (csv_text([], [*SOURCE_COLUMNS, "user_id"]), "more than once"),
    ],
)
def test_a_file_with_a_wrong_header_is_named(
    tmp_path: Path, built: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(Exception, match="header") as raised:
        run_graph([path], built)
    message = clear_message(raised.value)
    assert message is not None
    assert message.startswith(str(path))
    assert expected in message


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(csv_text([row("2024-01-01T00:00:00Z")] * 90_000))[:-20],
        gzip.compress(csv_text([row("2024-01-01T00:00:00Z")]))[:-9],
        csv_text([row("2024-01-01T00:00:00Z")]),
    ],
    ids=["large and cut short", "small and cut short", "not gzip"],
)
def test_a_damaged_gzip_file_is_named(tmp_path: Path, built: Path, content: bytes) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(content)
    with pytest.raises(Exception, match="gzip") as raised:
        run_graph([path], built)
    message = clear_message(raised.value)
    assert message is not None
    assert message.startswith(str(path))


def test_a_file_that_is_gone_is_named(tmp_path: Path, built: Path) -> None:
    (tmp_path / "gone.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    listed = local_file(str(tmp_path / "gone.csv"))
    (tmp_path / "gone.csv").unlink()
    with pytest.raises(Exception, match="gone") as raised:
        run_graph([listed], built)
    expected = f"{tmp_path}/gone.csv changed while it was read: it is gone"
    assert str(clear_message(raised.value)).startswith(expected)


@thorough
def test_hostile_bytes_keep_the_sum(tmp_path: Path) -> None:
    good = csv_text([row(f"2024-01-01T00:00:{second:02}Z") for second in range(30)]).splitlines()
    hostile = [
        b'2024-01-01T00:00:00Z,"ann,share,,,iOS,,',
        b"2024-01-01T00:00:00Z,ann,share",
        b"\xff\xfe,ann,share,,,iOS,,",
        b"\x00,\x00",
        b"2024-01-01T00:00:00Z,ann,share," + b"x" * 9_000_000 + b",,iOS,,",
        b"2024-01-01T00:00:00Z,ann,share," + b"y" * 10_000_000 + b",,iOS,,",
        b'2024-01-01T00:00:00Z,bob,share,"a\nb, ""c""",,iOS,,',
        b"2024-01-01T00:00:00Z,ann,miles_earned,,-1,iOS,,",
        b"2024-01-01T00:00:00Z,ann,miles_earned,,9223372036854775808,iOS,,",
    ]
    (tmp_path / "hostile.csv").write_bytes(b"\r\n".join([*good, *hostile, *good[1:3]]))
    for cut in (Run(), Run(range_bytes=examples(100_000, 300))):
        tables = run_graph([tmp_path / "hostile.csv"], tmp_path / "growth.duckdb", cut)
        dead_letters = tables["dead_letter_events"]["error_type"].to_pylist()
        # The quoted two-line row and the one of 9 MB are events; the last two rows are repeated.
        assert tables["fct_events"].num_rows == 32
        assert sorted(dead_letters) == sorted(
            [
                *["malformed_row"] * 3,
                "invalid_utf8",
                "oversized_record",
                "bad_miles_amount",
                "too_many_miles",
            ]
        )


def test_rows_that_do_not_add_up_stop_the_commit() -> None:
    rows = {**dict.fromkeys(TABLES, 0), "fct_events": 5, "dead_letter_events": 2}
    check_sum(RunCounts(9, 5, 2, 0, {"bad_country": 2}), rows)
    for wrong in (
        RunCounts(10, 5, 2, 0, {"bad_country": 2}),
        RunCounts(9, 6, 1, 0, {"bad_country": 2}),
        RunCounts(9, 5, 1, 0, {"bad_country": 3}),
    ):
        with pytest.raises(RunError, match="please report this as a bug"):
            check_sum(wrong, rows)


def test_absurd_amounts_are_dead_letters_and_the_others_go_in(tmp_path: Path) -> None:
    amounts = ["1000000000000", "1000000000001", "5000000000000000000", "9" * 30]
    rows = [
        row(f"2024-01-0{day}T00:00:00Z", user, "miles_earned", amount=amount)
        for day, (user, amount) in enumerate(product(("ann", "bob"), amounts), start=1)
    ]
    (tmp_path / "huge.csv").write_bytes(csv_text(rows))
    tables = run_graph(
        [tmp_path / "huge.csv"], tmp_path / "growth.duckdb", Run(max_dead_letter_pct=80)
    )
    dead_letters = tables["dead_letter_events"]
    assert dead_letters["error_type"].to_pylist() == ["too_many_miles"] * 6
    assert "is more than 1,000,000,000,000" in dead_letters["error_message"][0].as_py()
    assert tables["dim_users"]["total_miles_earned"].to_pylist() == [10**12] * 2


def test_events_that_were_made_to_collide_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(csv_text([*COLLIDING, COLLIDING[0]]))
    ours = run_graph([path], tmp_path / "growth.duckdb")
    kept = ours["fct_events"]["transaction_category"].to_pylist()
    assert sorted(kept) == sorted(event["transaction_category"] for event in COLLIDING)
    assert ours["dim_users"]["share_events"].to_pylist() == [2]
