"""Files of other tools -> source rows, against the csv and json modules."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.display.formats_line import formats_line
from pipeline.inputs.input_versions import local_file
from pipeline.inputs.source_ranges import source_ranges, source_rows
from pipeline.inputs.sources import Source, describe, files_within
from tests.support.thorough import examples
from transforms.data_error import DataError
from transforms.kernels.input_formats import Given
from transforms.kernels.source_records import PayloadFormat, read_payloads
from transforms.kernels.source_rows import JSON, SourceRows

NAMES: Final = ["when", "who", "größe", "note"]
ROWS: Final = [
    ["2025-01-01 00:00:00", "u1", "1,5", "a;b|c\td"],
    ["2025-01-02 00:00:00", "ü2", "", 'quoted "x"'],
    ["", "u3", "170.000,00", "two\nlines"],
    ["2025-01-04 00:00:00", "Straße € 5", "-1", "'"],
]
OBJECTS: Final = [
    {"who": "u1", "context": {"os": {"name": "iOS"}}, "n": 1},
    {"who": "ü2", "list": [{"key": "a", "value": {"int": 5}}], "n": None},
    {"who": 'a"b\\', "n": 1.5},
]


class Found(NamedTuple):
    """What came of a file: rows, and position, payload and error type of others."""

    rows: list[tuple[Any, ...]]
    rejected: list[tuple[str, bytes, str]]


def as_csv(rows: list[list[str]], **dialect: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", **dialect).writerows(rows)
    return text.getvalue()


def as_lines(objects: list[Any]) -> str:
    return "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in objects)


def zipped(files: dict[str, bytes]) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return found.getvalue()


def sources(path: Path, given: Given = Given()) -> list[Source]:  # noqa: B008
    return describe(local_file(str(path)), given)


def read(source: Source, range_bytes: int | None = None) -> Found:
    """The rows as tuples, each behind its position; all together are one for every record."""
    rows, rejected = [], []
    wanted = source.names
    for part in source_ranges(source, range_bytes):
        for found, _ in source_rows(part, wanted):
            places = [found.origin.position(row) for row in range(found.table.num_rows)]
            columns = [column.to_pylist() for column in found.table.columns]
            rows += list(zip(places, *columns, strict=True))
            rejected += [(bad.position, bad.payload, bad.error_type) for bad in found.unreadable]
            assert len(found) == len(places) + len(found.unreadable)
    rows.sort(key=lambda row: int(row[0].rpartition(":")[2]))
    return Found(rows, rejected)


def values(source: Source, range_bytes: int | None = None) -> list[Any]:
    """The rows as lists, of JSON as objects; nothing may be rejected."""
    found = read(source, range_bytes)
    assert found.rejected == []
    if source.form.kind == "csv":
        return [list(row[1:]) for row in found.rows]
    return [json.loads(row[1]) for row in found.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark", "said"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", codecs.BOM_UTF8, "UTF-8"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "UTF-16LE"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16BE"),
        ("utf-16-le", b"", "UTF-16LE"),
        ("cp1252", b"", "cp1252"),
    ],
)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_csv_of_any_delimiter_and_encoding_is_found_out(
    tmp_path: Path, delimiter: str, encoding: str, mark: bytes, said: str, quoting: int
) -> None:
    text = as_csv([NAMES, *ROWS], delimiter=delimiter, quoting=quoting)
    (tmp_path / "export.csv").write_bytes(mark + text.encode(encoding))
    (source,) = sources(tmp_path / "export.csv")
    name = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}[delimiter]
    assert source.form.text == f"CSV, {name}, {said}"
    assert source.names == tuple(NAMES)
    assert values(source) == ROWS
    assert values(source, 60) == ROWS


def test_latin_1_is_what_cp1252_leaves_undefined(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a;b\n\xfc;\x81\n")
    (source,) = sources(tmp_path / "a.csv")
    assert source.form.text == "CSV, semicolon, Latin-1"
    assert values(source) == [["ü", "\x81"]]


def test_a_broken_byte_makes_no_other_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\nü,é\nß,ö\n".encode() + b"\xff,x\n")
    (source,) = sources(tmp_path / "a.csv")
    assert source.form.encoding == "utf-8"
    found = read(source)
    assert [row[1:] for row in found.rows] == [("ü", "é"), ("ß", "ö")]
    assert found.rejected == [("16", b"\xff,x", "invalid_utf8")]


def test_a_byte_that_is_none_of_the_encoding_costs_its_record_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a;b\n\xfc;1\nx\x81;2\n\xe4;3\n")
    (source,) = sources(tmp_path / "a.csv", Given(encoding="cp1252"))
    found = read(source)
    assert [row[1:] for row in found.rows] == [("ü", "1"), ("ä", "3")]
    assert [row[1:] for row in found.rejected] == [(b"x\x81;2", "invalid_utf8")]


def test_a_text_that_ends_within_a_character_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\n1,2\n".encode("utf-16") + b"x")
    with pytest.raises(DataError, match="no whole character"):
        values(sources(tmp_path / "a.csv")[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", ',"'),
        ("a;b\n1,5;2\n1,7;3\n", ';"'),
        ("a,b\n1;5,2;6\n", ',"'),
        ('"a;b",c\n1,2\n', ',"'),
        ("a|b,c|d\n1|2,3|4\n", '|"'),
        ("sep=|\na;b|c\n", '|"'),
        ("one\n1\n", ',"'),
        ("'a','b'\n'1','x,y'\n", ",'"),
        ("'a';'b'\n", ";'"),
        ("\n\n;;\na;b\n1;2\n", ';"'),
    ],
)
def test_the_dialect_is_the_one_that_fits(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    (source,) = sources(tmp_path / "a.csv")
    assert source.form.dialect == (expected[0], expected[1])


def test_what_is_given_is_not_found_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes("1;'ü;'|2\n\n'3'|\"4\n".encode("cp1252"))
    given = Given("csv", "none", "latin1", "|", "'", names=("x", "y"))
    (source,) = sources(tmp_path / "a.json", given)
    assert source.form.text == "CSV, pipe, quote ', Latin-1"
    assert values(source) == [["1;'ü;'", "2"], ["3", '"4']]


def test_a_file_without_a_header_is_named_by_rules(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('1\t{"a": 1}\n"2\t3"\n')
    (source,) = sources(tmp_path / "a.tsv", Given(names=("x", "y"), quote=""))
    assert source.form.text == "CSV, tab, no quotes, UTF-8"
    assert values(source) == [["1", '{"a": 1}'], ['"2', '3"']]


def test_wanted_columns_come_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a;b;c\n1;2;3\n4;5\n"x\ny";6;7\n')
    (source,) = sources(tmp_path / "a.csv")
    (part,) = source_ranges(source, None)
    ((rows, _),) = source_rows(part, ["c", "a"])
    assert rows.table.to_pydict() == {"c": ["3", "7"], "a": ["1", "x\ny"]}
    (bad,) = rows.unreadable
    assert (bad.payload, bad.message) == (b"4;5", "the header has 3 fields, this record 2")
    for attributes in (bad.attributes, rows.origin.attributes(0)):
        assert json.loads(attributes or "") == {
            "input_format": {
                "kind": "csv",
                "delimiter": ";",
                "quote": '"',
                "fields": 3,
                "columns": {"c": 2, "a": 0},
            }
        }
    ((labels, _),) = source_rows(part, ["c", "a"], {"c"})
    assert pa.types.is_dictionary(labels.table.schema.field("c").type)
    assert labels.table.to_pydict() == rows.table.to_pydict()
    ((rows, _),) = source_rows(part, [])
    assert rows.table.num_rows == 2


def test_a_wanted_column_may_not_be_there_twice(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b;a\n1;2;3\n")
    (source,) = sources(tmp_path / "a.csv")
    (part,) = source_ranges(source, None)
    with pytest.raises(DataError, match="the header has a more than once"):
        list(source_rows(part, ["a"]))
    ((rows, _),) = source_rows(part, ["c", "b"])
    assert rows.table.to_pydict() == {"b": ["2"]}


PACKED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "zip": lambda data: zipped({"in/a.csv": data}),
}


@pytest.mark.parametrize("compression", PACKED)
def test_compressed_files_are_read(tmp_path: Path, compression: str) -> None:
    data = PACKED[compression](as_csv([NAMES, *ROWS], delimiter=";").encode("cp1252"))
    (tmp_path / "export.csv").write_bytes(data)
    (source,) = sources(tmp_path / "export.csv")
    assert source.form.text == f"CSV, semicolon, cp1252, {compression}"
    assert values(source, 10) == ROWS


@pytest.mark.parametrize("compression", PACKED)
def test_damaged_data_ends_the_run(tmp_path: Path, compression: str) -> None:
    text = as_csv([NAMES, *(ROWS * 5_000)]).encode()
    data = bytearray(PACKED[compression](text))
    (tmp_path / "a.csv").write_bytes(data[:-30])
    with pytest.raises(DataError, match=f"{compression} data is damaged or cut short"):
        values(sources(tmp_path / "a.csv")[0])


@pytest.mark.parametrize(
    ("name", "problem"),
    [("a.csv.gz", "is no gzip file"), ("a.zst", "no zstd file"), ("a.parquet", "no Parquet file")],
)
def test_a_name_has_to_be_true(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / name).write_text("a,b\n")
    with pytest.raises(DataError, match=problem):
        sources(tmp_path / name)


def test_each_file_of_an_archive_is_a_source(tmp_path: Path) -> None:
    files = {
        "b/one.csv": b"a;b\n1;2\nx\n",
        "__MACOSX/b/._one.csv": b"\0\0",
        ".DS_Store": b"\0",
        "empty.csv": b"",
        "two.jsonl": b'{"a": 1}\n\xff\n',
    }
    (tmp_path / "all.zip").write_bytes(zipped(files))
    one, two = sources(tmp_path / "all.zip", Given(encoding="utf-8"))
    assert (one.form.text, two.form.text) == (
        "CSV, semicolon, UTF-8, zip",
        "JSON lines, UTF-8, zip",
    )
    assert read(one) == ([("b/one.csv:4", "1", "2")], [("b/one.csv:8", b"x", "malformed_row")])
    rejected = [("two.jsonl:9", b"\xff", "invalid_utf8")]
    assert read(two) == ([("two.jsonl:0", '{"a": 1}')], rejected)


def test_what_is_no_data_by_its_name_is_left_out_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({"guide.pdf": b"%PDF\xff", "b/ONE.CSV": b"a,b\n1,2\n", "README": b"x"}))
    (one,) = sources(path)
    assert one.member == "b/ONE.CSV"
    assert files_within(local_file(str(path)), Given()).left_out == ["guide.pdf", "README"]
    told = formats_line([local_file(str(path))], Given())
    assert "CSV, comma, UTF-8, zip; left out of archives: guide.pdf, README; where" in told
    # Where no name tells, all are data.
    path.write_bytes(zipped({"part-0": b"a,b\n1,2\n"}))
    assert [source.member for source in sources(path)] == ["part-0"]
    assert files_within(local_file(str(path)), Given()).left_out == []


@pytest.mark.parametrize("packed", ["gzip", "zstd", "bzip2"])
def test_files_of_an_archive_may_be_compressed(tmp_path: Path, packed: str) -> None:
    lines = PACKED[packed](as_lines(OBJECTS).encode())
    files = {"1/a.json": lines, "1/b.parquet": PACKED[packed](as_parquet())}
    (tmp_path / "all.zip").write_bytes(zipped(files))
    one, two = sources(tmp_path / "all.zip")
    assert one.form.text == f"JSON lines, UTF-8, {packed} in zip"
    assert values(one) == OBJECTS
    (part,) = source_ranges(two, None)
    tables = [found.table for found, _ in source_rows(part, ["flat.name"])]
    assert pa.concat_tables(tables).equals(EVENTS.select(["flat.name"]))
    damaged = zipped({"a.json": lines[:-4]})
    (tmp_path / "all.zip").write_bytes(damaged)
    with pytest.raises(DataError, match=f"{packed} data is damaged or cut short"):
        values(sources(tmp_path / "all.zip")[0])
    (tmp_path / "all.zip").write_bytes(zipped({"a.zip": zipped({})}))
    with pytest.raises(DataError, match="an archive in an archive"):
        sources(tmp_path / "all.zip")


def test_an_excel_workbook_is_no_archive_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(zipped({"[Content_Types].xml": b"<x/>"}))
    with pytest.raises(DataError, match="Excel workbook"):
        sources(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt", "a.csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_of_json_are_known_by_what_they_are(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(f"\n{as_lines(OBJECTS)}".encode(encoding))
    (source,) = sources(tmp_path / name)
    assert source.form.kind == "jsonl"
    assert values(source) == OBJECTS
    assert values(source, 20) == OBJECTS


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_json_arrays_are_read(tmp_path: Path, indent: int | None, encoding: str) -> None:
    text = f"\n{json.dumps(OBJECTS, indent=indent, ensure_ascii=False)}\n"
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (source,) = sources(tmp_path / "a.txt")
    assert source.form.kind == "json"
    assert values(source) == OBJECTS
    for place, found in read(source, 10).rows:
        # Positions are those of the text in UTF-8, with its byte order mark.
        mark = "\ufeff" if encoding in ("utf-8-sig", "utf-16") else ""
        assert (mark + text).encode()[int(place) :].startswith(found.encode())


def test_objects_over_several_lines_are_read(tmp_path: Path) -> None:
    text = "".join(json.dumps(found, indent=2) + "\n" for found in OBJECTS)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    (source,) = sources(tmp_path / "a.json.gz")
    assert source.form.text == "JSON, UTF-8, gzip"
    assert values(source) == OBJECTS


def test_lines_stay_as_they_are(tmp_path: Path) -> None:
    lines = [b"{", b"[1]", b"{}x", b'{"a": "\xff"}', b"\xfe", b'{"a": 1}', b' {"b": 2} ', b"{}"]
    text = b"\n \n\t\r\n".join([*lines, b'\t{"c":\r3}']) + b"\r\n"
    (tmp_path / "a.jsonl").write_bytes(text)
    (source,) = sources(tmp_path / "a.jsonl", Given(encoding="utf-8"))
    for range_bytes in (None, 1, 10):
        found = read(source, range_bytes)
        rows = [(int(place), row.encode()) for place, row in found.rows]
        assert [row for _, row in rows] == [*lines[:3], *lines[5:], b'\t{"c":\r3}']
        assert [bad[1:] for bad in found.rejected] == [(bad, "invalid_utf8") for bad in lines[3:5]]
        for position, payload in [*rows, *((int(bad[0]), bad[1]) for bad in found.rejected)]:
            assert text[position:].startswith(payload)


line_texts = st.sampled_from(
    [b"{}", b'{"a": "\\u00e9"}', '{"a": "é"}'.encode(), b"", b" ", b"{", b"\xff", b"[1]", b"\r{}"]
)


@settings(max_examples=examples(30, 100), deadline=None)
@given(lines=st.lists(line_texts, max_size=12), range_bytes=st.integers(1, 40), cut=st.booleans())
def test_no_line_is_lost_in_ranges(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], range_bytes: int, cut: bool
) -> None:
    text = b"\n".join(lines) + (b"" if cut else b"\n")
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(text)
    expected, at = [], 0
    for line in text.split(b"\n"):
        if line.strip():
            expected.append((at, line))
        at += len(line) + 1
    found = [read(source, range_bytes) for source in sources(path, Given(encoding="utf-8"))]
    rows = [(int(place), text.encode()) for each in found for place, text in each.rows]
    rejected = [(int(bad[0]), bad[1]) for each in found for bad in each.rejected]
    assert sorted(rows + rejected) == expected
    assert all(b"\xff" in text for _, text in rejected)


EVENTS: Final = pa.table(
    {
        "at": pa.array([1_700_000_000_000_000 + row for row in range(100)], pa.timestamp("us")),
        "context": [{"os": {"name": f"os{row}", "more": "x"}, "id": row} for row in range(100)],
        "params": [[{"key": "k", "value": {"int": row}}] for row in range(100)],
        "flat.name": [f"f{row}" for row in range(100)],
        "half": pa.array(np.arange(100), pa.float16()),
    }
)


def as_parquet(table: pa.Table = EVENTS, rows: int = 30) -> bytes:
    found = io.BytesIO()
    pq.write_table(table, found, row_group_size=rows)
    return found.getvalue()


@pytest.mark.parametrize("compression", ["none", *PACKED])
def test_parquet_is_read_by_row_groups(tmp_path: Path, compression: str) -> None:
    packed = PACKED.get(compression, bytes)(as_parquet())
    (tmp_path / "events.bin").write_bytes(packed)
    (source,) = sources(tmp_path / "events.bin")
    assert source.form.kind == "parquet"
    assert source.names == tuple(EVENTS.column_names)
    for range_bytes, ranges in ((None, 1), (1, 4)):
        parts = list(source_ranges(source, range_bytes))
        assert len(parts) == ranges
        wanted = ["at", "context.os.name", "params", "flat.name", "half"]
        tables = [rows.table for part in parts for rows, _ in source_rows(part, wanted)]
        found = pa.concat_tables(tables)
        for name in ("at", "params", "flat.name", "half"):
            assert found[name].to_pylist() == EVENTS[name].to_pylist()
        # Of the struct only what is wanted is read.
        expected = [{"os": {"name": f"os{row}"}} for row in range(100)]
        assert found["context"].to_pylist() == expected


def test_a_row_of_parquet_as_a_dead_letter_is_json(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(as_parquet())
    (source,) = sources(tmp_path / "a.parquet")
    parts = list(source_ranges(source, 1))
    ((rows, _),) = source_rows(parts[2], ["at", "context", "params"])
    assert rows.origin.position(5) == "65"
    assert json.loads(rows.origin.attributes(5) or "") == {"input_format": {"kind": "parquet"}}
    assert json.loads(rows.origin.payloads([5])[0]) == {
        "at": "2023-11-14 22:13:20.000065",
        "context": {"os": {"name": "os65", "more": "x"}, "id": 65},
        "params": [{"key": "k", "value": {"int": 65}}],
    }
    ((rows, _),) = source_rows(parts[3], [])
    assert rows.table.num_rows == 10


def test_sizes_of_large_rows_are_those_of_their_json(tmp_path: Path) -> None:
    texts = ["a", "b" * 11_000_000, '"' * 6_000_000]
    (tmp_path / "a.parquet").write_bytes(as_parquet(pa.table({"x": texts})))
    (source,) = sources(tmp_path / "a.parquet")
    (part,) = source_ranges(source, None)
    sizes = [size for rows, _ in source_rows(part, ["x"]) for size in rows.origin.sizes()]
    assert [size > 10_000_000 for size in sizes] == [False, True, True]


def test_parquet_without_a_wanted_column(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(as_parquet())
    (source,) = sources(tmp_path / "a.parquet")
    (part,) = source_ranges(source, None)
    for wanted, expected in (
        (["none", "flat.name", "flat"], ["flat.name"]),
        (["context.os.none", "at.x"], ["context", "at"]),
        (["none"], ["at"]),
    ):
        tables = [found.table for found, _ in source_rows(part, wanted)]
        assert [table.column_names for table in tables] == [expected] * len(tables)
        assert sum(table.num_rows for table in tables) == 100


def test_damaged_parquet_ends_the_run(tmp_path: Path) -> None:
    data = bytearray(as_parquet(pa.table({"x": [str(row) for row in range(10_000)]})))
    (tmp_path / "a.parquet").write_bytes(data[:-20])
    with pytest.raises(DataError, match="Parquet data is damaged or cut short"):
        sources(tmp_path / "a.parquet")
    data[200:2_000] = bytes(1_800)
    (tmp_path / "a.parquet").write_bytes(data)
    (source,) = sources(tmp_path / "a.parquet")
    (part,) = source_ranges(source, None)
    with pytest.raises(DataError, match="Parquet data is damaged or cut short"):
        list(source_rows(part, ["x"]))


def reread(rows: SourceRows) -> list[dict[str, Any]]:
    """All rows, read again from payload and attributes."""
    found = []
    for row in range(rows.table.num_rows):
        form = PayloadFormat.from_attributes(json.loads(rows.origin.attributes(row) or ""))
        assert form is not None
        again = read_payloads([b"", rows.origin.payloads([row])[0]], form, rows.source)
        # An empty payload is no CSV record; in JSON it is a text that the rules refuse.
        place = again.table.num_rows - 1
        assert again.origin.position(place) == "1"
        found.append(again.table.to_pylist()[place])
    return found


def test_what_files_were_taken_for_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a;b\nü;1\n".encode("cp1252"))
    (tmp_path / "b.jsonl").write_text(as_lines(OBJECTS))
    one, two = (local_file(str(tmp_path / name)) for name in ("a.csv", "b.jsonl"))
    ending = "; where that is wrong, say so in [input] of the rules"
    assert formats_line([one], Given()) == f"read as CSV, semicolon, cp1252{ending}"
    assert formats_line([one], Given(encoding="latin-1")).startswith(
        "read as CSV, semicolon, Latin-1;"
    )
    assert formats_line([one, two, two], Given()) == (
        f"read as JSON lines, UTF-8 (2); CSV, semicolon, cp1252 (1){ending}"
    )
    assert formats_line([two] * 11, Given()) == (
        f"read as JSON lines, UTF-8, to go by the first 10 files{ending}"
    )
    (tmp_path / "a.csv").unlink()
    assert formats_line([one], Given()) == f"read as nothing{ending}"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_payloads_of_csv_are_read_again(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = as_csv([NAMES, *ROWS], delimiter=delimiter)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    (source,) = sources(tmp_path / "a.csv")
    (part,) = source_ranges(source, None)
    blocks = [rows for rows, _ in source_rows(part, ["note", "größe"])]
    found = [row for rows in blocks for row in reread(rows)]
    assert sorted((row["größe"], row["note"]) for row in found) == sorted(
        (row[2], row[3]) for row in ROWS
    )


@pytest.mark.parametrize("name", ["lines", "array"])
def test_payloads_of_json_are_read_again(tmp_path: Path, name: str) -> None:
    text = as_lines(OBJECTS) if name == "lines" else json.dumps(OBJECTS, indent=1)
    (tmp_path / "a.json").write_text(text)
    (source,) = sources(tmp_path / "a.json")
    (part,) = source_ranges(source, None)
    ((rows, _),) = source_rows(part, [])
    assert reread(rows) == rows.table.to_pylist()


def test_payloads_of_parquet_are_read_again_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(as_parquet())
    (source,) = sources(tmp_path / "a.parquet")
    (part, *_) = source_ranges(source, 1)
    ((rows, _),) = source_rows(part, ["context", "params"])
    expected = EVENTS.slice(0, 30).select(["context", "params"]).to_pylist()
    assert [json.loads(row[JSON]) for row in reread(rows)] == expected


def test_a_payload_that_is_no_record_is_rejected() -> None:
    found = {"kind": "csv", "delimiter": ";", "quote": "", "fields": 2, "columns": {"b": 1}}
    form = PayloadFormat.from_attributes({"input_format": found})
    assert form is not None
    rows = read_payloads([b"1;2", b"1;2;3", b'"1;2', b"\xff;1", b"1;2\n3;4"], form, "a.csv")
    assert rows.table.to_pydict() == {"b": ["2", "2"]}
    assert [rows.origin.position(row) for row in range(2)] == ["0", "2"]
    assert [(bad.position, bad.error_type) for bad in rows.unreadable] == [
        ("1", "malformed_row"),
        ("3", "invalid_utf8"),
        ("4", "malformed_row"),
    ]


@pytest.mark.parametrize(
    "found",
    [
        7,
        {},
        {"kind": "xml"},
        {"kind": "csv"},
        {"kind": "csv", "delimiter": ";", "quote": "", "fields": 2, "columns": {"b": 2}},
        {"kind": "csv", "delimiter": ";", "quote": "", "fields": 2, "columns": ["b"]},
        {"kind": "csv", "delimiter": ";;", "quote": "", "fields": 2, "columns": {"b": 1}},
    ],
)
def test_other_attributes_are_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="input_format"):
        PayloadFormat.from_attributes({"input_format": found})
    assert PayloadFormat.from_attributes({"csv_header": found}) is None


ANY_PIECES: Final = [
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r\n",
        b"\r",
        b"a",
        b" ",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(b":", b"\\", b"\0", b"\xff", b"\xe9", b"\x81", "é".encode(), codecs.BOM_UTF8, b"sep=;\n"),
    *(b'{"a": 1}', b'[{"a":1}]', b"a;b\n1;2\n", "a,b\n1,é\n".encode("utf-16")),
    *(b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"),
]
any_given = st.builds(
    Given,
    format=st.sampled_from([None, "csv", "jsonl", "json"]),
    delimiter=st.sampled_from([None, ";"]),
    quote=st.sampled_from([None, "", "'"]),
    encoding=st.sampled_from([None, "utf-8", "utf-16", "cp1252"]),
    names=st.sampled_from([(), ("x", "y")]),
)


@settings(max_examples=examples(60, 400), deadline=None)
@given(
    data=st.lists(st.sampled_from(ANY_PIECES), max_size=25).map(b"".join),
    known=any_given,
    range_bytes=st.integers(1, 30),
)
def test_any_bytes_are_read_or_refused_whatever_the_ranges(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, known: Given, range_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.txt"
    path.write_bytes(data)
    outcomes: list[object] = []
    for size in (None, range_bytes):
        try:
            outcomes.append([records_of(source, size) for source in sources(path, known)])
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def records_of(source: Source, range_bytes: int | None) -> list[tuple[str, bytes]]:
    """Position and payload of every record."""
    records = []
    wanted = [name for name in source.names if source.names.count(name) == 1]
    for part in source_ranges(source, range_bytes):
        for rows, _ in source_rows(part, wanted):
            rows.table.validate(full=True)
            origin = rows.origin
            places = range(rows.table.num_rows)
            records += [(origin.position(row), origin.payloads([row])[0]) for row in places]
            records += [(bad.position, bad.payload) for bad in rows.unreadable]
    return sorted(records)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"format": "xlsx"}, "format is 'xlsx': it is one of csv, jsonl"),
        ({"compression": "rar"}, "compression is 'rar'"),
        ({"encoding": "ebcdic9"}, "encoding is 'ebcdic9'"),
        ({"encoding": "base64"}, "encoding is 'base64'"),
        ({"delimiter": ""}, "delimiter is ''"),
        ({"delimiter": ";;"}, "delimiter is ';;'"),
        ({"delimiter": "a"}, "delimiter is 'a'"),
        ({"quote": "\n"}, "quote is"),
        ({"delimiter": ";", "quote": ";"}, "delimiter and quote are both ';'"),
        ({"names": ("a", "a")}, "names has a more than once"),
    ],
)
def test_what_can_not_be_given_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Given(**given)
