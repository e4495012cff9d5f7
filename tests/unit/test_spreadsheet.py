"""Dead letters in a spreadsheet and back: what nobody has touched is as it came."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError, RunError
from pipeline.replay import spreadsheet
from pipeline.replay.spool import DeadLetter, spooled
from pipeline.replay.spreadsheet import Corrected, cells_of, record_of
from pipeline.warehouse import Warehouse
from tests.support.dead_letters import Holding, dead_letter, rows
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import LIMITS, NOW, Row, csv_text, row
from tests.support.thorough import examples
from transforms.kernels.csv_layout import STANDARD
from transforms.kernels.dead_letters import Record, reread
from transforms.vocabulary import SOURCE_COLUMNS

HEADERS = [SOURCE_COLUMNS, ("extra", *reversed(SOURCE_COLUMNS)), None]
Sheet = list[dict[str, str]]


def line(item: Row, header: Sequence[str] | None = SOURCE_COLUMNS) -> bytes:
    if header is None:
        return json.dumps(item).encode()
    return csv_text([item], header).split(b"\n", 1)[1].rstrip(b"\n")


def through(
    dead_letters: Sequence[DeadLetter], change: Callable[[Sheet], Sheet]
) -> list[Record | None]:
    """The records of a file that was written, changed as a spreadsheet would, and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dead_letters.csv")
        assert spreadsheet.write(dead_letters, str(path)) == len(dead_letters)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names, sheet = list(reader.fieldnames or ()), change(list(reader))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(sheet)
        return list(Corrected.of(str(path)).correct(dead_letters))


_CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SPECIAL = st.sampled_from(
    [
        *("=1+1", "'", "''a", " =a", "a;'b", ";-1", "'a;''b", "\t@"),
        *("-5", "007", "1e9", "2024-01-01", "a\r\nb", "\0"),
    ]
)
_BYTES = st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\xff", b"\\xff", b"=", b"\0", b"'"]),
    max_size=14,
).map(b"".join)
records = st.one_of(
    st.builds(
        lambda cells, header: dead_letter(
            line(dict(zip(SOURCE_COLUMNS, cells, strict=True)), header), header
        ),
        st.lists(st.one_of(_CELLS, _SPECIAL), min_size=8, max_size=8),
        st.sampled_from(HEADERS),
    ),
    st.builds(dead_letter, _BYTES, st.sampled_from(HEADERS)),
)


def numbered(dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    return [item._replace(dead_letter_id=f"{at:032x}") for at, item in enumerate(dead_letters)]


@settings(max_examples=examples(50, 150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(records, max_size=6))
def test_untouched_rows_are_the_records_as_they_came(found: list[DeadLetter]) -> None:
    dead_letters = numbered(found)
    assert through(dead_letters, lambda sheet: sheet) == [item.record for item in dead_letters]


@settings(max_examples=examples(20, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(broken_rows, valid_rows, st.sampled_from(HEADERS))
def test_corrected_cells_make_the_event_that_they_say(
    broken: Row, sound: Row, header: Sequence[str] | None
) -> None:
    def correct(sheet: Sheet) -> Sheet:
        return [{**item, **sound} for item in sheet]

    (record,) = through([dead_letter(line(broken, header), header)], correct)
    assert record is not None
    expected = reread([Record(line(sound), STANDARD)], NOW, LIMITS)
    assert reread([record], NOW, LIMITS).events.to_pylist() == expected.events.to_pylist()


def test_rows_that_are_removed_leave_their_letters() -> None:
    dead_letters = numbered([dead_letter(b"a,b"), dead_letter(b"c,d"), dead_letter(b"e")])
    assert through(dead_letters, lambda sheet: sheet[1:2]) == [None, dead_letters[1].record, None]


def test_what_can_not_be_split_is_corrected_in_payload_or_in_the_columns() -> None:
    sound = row("2024-01-01T00:00:00Z")
    dead_letters = numbered(
        [dead_letter(b'2024-01-01,"ann'), dead_letter(b"{", None), dead_letter(b"x")]
    )

    def correct(sheet: Sheet) -> Sheet:
        assert [item["payload"] for item in sheet] == ['2024-01-01,"ann', "{", "x"]
        sheet[0]["payload"] = line(sound).decode()
        sheet[1]["payload"] = json.dumps(sound)
        sheet[2].update(sound)  # And payload is left as it is.
        return sheet

    found = [record for record in through(dead_letters, correct) if record is not None]
    first, second, third = reread(found, NOW, LIMITS).events.to_pylist()
    assert first == second == third


def test_odd_bytes_are_corrected_one_by_one() -> None:
    data = line(row("2024-01-01T00:00:00Z", category="caf?", source="k?ln"))
    bad = dead_letter(data.replace(b"f?", b"f\xe9").replace(b"k?", b"k\xf6"))

    def cell(name: str, before: str, after: str) -> Callable[[Sheet], Sheet]:
        def correct(sheet: Sheet) -> Sheet:
            assert sheet[0][name] == before
            sheet[0][name] = after
            return sheet

        return correct

    (half,) = through([bad], cell("transaction_category", r"caf\xe9", "caf\u00e9"))
    assert half is not None
    assert b"k\xf6ln" in half.data
    assert "caf\u00e9".encode() in half.data
    assert reread([half], NOW, LIMITS).failures[0].error_type == "invalid_utf8"
    (whole,) = through([bad._replace(record=half)], cell("utm_source", r"k\xf6ln", "k\u00f6ln"))
    assert whole is not None
    (event,) = reread([whole], NOW, LIMITS).events.to_pylist()
    # That of the half-corrected file was whole in its category: as bytes it comes back whole.
    assert (event["transaction_category"], event["utm_source"]) == ("caf\u00e9", "k\u00f6ln")


def test_a_spreadsheet_takes_no_cell_for_a_formula_or_a_number(tmp_path: Path) -> None:
    hostile = row("2024-01-01 10:00:00", user="0012", category="=cmd()", source="1e5", country="+1")
    path = tmp_path / "dead_letters.csv"
    spreadsheet.write([dead_letter(line(hostile))], str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_bytes()
    assert text.startswith(b"\xef\xbb\xbfdead_letter_id,")
    for cell in (b"'2024-01-01 10:00:00", b"'0012", b"'=cmd()", b"'1e5", b"'+1"):
        assert b"," + cell in text
    assert cells_of(dead_letter(line(hostile)).record)[1] == "0012"


_SIGNS = "=+-@';|,\"\t\r\n a\u00a0\u3000\ufeff\uff1d\x00\x0b0"
_HOSTILE = st.text(st.sampled_from(_SIGNS), max_size=9)


@settings(max_examples=examples(100, 300), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_HOSTILE, min_size=8, max_size=8), st.sampled_from([*HEADERS, "payload"]))
def test_no_spreadsheet_finds_a_formula_wherever_it_splits(
    cells: list[str], header: Sequence[str] | str | None
) -> None:
    if header == "payload":
        bad = dead_letter("".join(cells).encode(), None)
    else:
        names = None if header is None else tuple(header)
        bad = dead_letter(line(dict(zip(SOURCE_COLUMNS, cells, strict=True)), names), names)
    message = bad._replace(error_message=f"country {cells[0]} is not two letters")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dead_letters.csv")
        spreadsheet.write([message], str(path))
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        (record,) = Corrected.of(str(path)).correct([bad])
    assert record == bad.record
    rows_of_cells = [
        found for at in ";|\t" for found in csv.reader(io.StringIO(text, ""), delimiter=at)
    ]
    rows_of_cells += [re.split(r"[;|\t\r\n]", text), *csv.reader(io.StringIO(text, ""))]
    for found in rows_of_cells:
        for cell in found:
            assert cell.strip('\ufeff\x00\x0b \u00a0\u3000\t\r\n"')[:1] not in [*"=+-@\uff1d"]


def test_apostrophes_that_somebody_types_stay(tmp_path: Path) -> None:
    typed = row("2024-01-01T00:00:00Z", category="rock;'n'roll")

    def correct(sheet: Sheet) -> Sheet:
        return [{**item, **typed} for item in sheet]

    (record,) = through([dead_letter(b"x")], correct)
    assert record is not None
    (event,) = reread([record], NOW, LIMITS).events.to_pylist()
    assert event["transaction_category"] == "rock;'n'roll"


def test_spaces_before_a_quoted_cell_are_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.csv"
    names = ["dead_letter_id", *SOURCE_COLUMNS]
    cells = ["1", *row("2024-01-01T00:00:00Z", category="a, b").values()]
    text = "\n".join([", ".join(names), ", ".join(f'"{cell}"' for cell in cells), ""])
    path.write_text(text, encoding="utf-8-sig")
    (record,) = Corrected.of(str(path)).correct([dead_letter(b"x")])
    assert record is not None
    (event,) = reread([record], NOW, LIMITS).events.to_pylist()
    assert event["transaction_category"] == "a, b"


def test_files_of_other_spreadsheets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.csv"
    names = ["dead_letter_id", *SOURCE_COLUMNS]
    cells = ["1", *row("2024-01-01T00:00:00Z").values()]
    text = "\n".join([";".join(names), ";".join(cells), ";" * 8, ""])
    path.write_text(text, encoding="utf-8-sig")
    (record,) = Corrected.of(str(path)).correct([dead_letter(b"x")])
    assert record is not None
    assert len(reread([record], NOW, LIMITS).events) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "lacks the column dead_letter_id"),
        (b"user_id\n1\n", "lacks the column dead_letter_id"),
        (",".join(["dead_letter_id", *SOURCE_COLUMNS[:-1]]).encode(), "lacks the column country"),
        (b"dead_letter_id,caf\xe9", "not UTF-8"),
        (
            ",".join(["dead_letter_id", *SOURCE_COLUMNS]).encode() + b"\n1,a,,,,,,,\n1,b,,,,,,,\n",
            "line 3: dead_letter_id '1' is there twice",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "dead_letters.csv"
    path.write_bytes(text)
    with pytest.raises(OptionError, match=message):
        Corrected.of(str(path))


def test_rows_without_a_letter_are_reported() -> None:
    table = rows(b"a", b"b")
    known, other = table["dead_letter_id"].to_pylist()
    cells = cells_of(dead_letter(b"a").record)
    holding = cast(Warehouse, Holding(table.slice(0, 1)))
    with spooled(holding) as dead_letters:
        assert Corrected("m.csv", {known: cells}).without_dead_letter(dead_letters) == ""
        message = Corrected("m.csv", {known: cells, other: cells}).without_dead_letter(dead_letters)
        assert message.startswith(
            f"m.csv: 1 of 2 rows correct no dead letter of the warehouse (dead_letter_id {other!r}"
        )


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.csv"
    path.write_text("corrected")
    with pytest.raises(RunError, match=r"can't write .*dead_letters\.csv"):
        spreadsheet.write([], str(path))
    assert path.read_text() == "corrected"


def test_an_emptied_row_is_an_empty_record() -> None:
    before: Any = dead_letter(line(row("never"))).record
    assert record_of(("",) * 9, before).data == b""
