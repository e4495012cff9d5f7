"""CSV files -> raw records: nothing is lost, however the file is broken and cut."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from itertools import pairwise
from typing import IO, Literal, NamedTuple, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thorough import examples, some
from transforms.data_error import DataError
from transforms.kernels import csv_blocks, csv_columns, csv_lines, records
from transforms.kernels.csv_boundaries import record_boundaries
from transforms.kernels.csv_header import Header, read_header
from transforms.kernels.csv_layout import STANDARD
from transforms.kernels.csv_lines import MAX_HEADER_BYTES
from transforms.kernels.csv_records import read_blocks
from transforms.vocabulary import SOURCE_COLUMNS

HEADER = ",".join(SOURCE_COLUMNS).encode() + b"\n"
BOM = b"\xef\xbb\xbf"
# What blank lines consist of.
BLANK = b'\r\n, \t"'
ROW = b"2025-01-01T00:00:00Z,u1,like,,,iOS,paid,DE"
FIELDS = ROW.decode().split(",")


class Record(NamedTuple):
    position: int
    payload: bytes
    fields: list[str] | None
    error: str | None = None


def header_of(file: bytes) -> Header:
    header = read_header(io.BytesIO(file), "events.csv")
    assert header is not None
    return header


def read(file: bytes, block_bytes: int = 1 << 20) -> list[Record]:
    header = header_of(file)
    return read_range(file, header, header.length, None, block_bytes)


def read_range(
    file: bytes, header: Header, start: int, size: int | None, block_bytes: int
) -> list[Record]:
    stream = io.BytesIO(file)
    stream.seek(start)
    records = []
    for block in read_blocks(stream, header, "events.csv", start, size, block_bytes):
        columns = zip(*(column.to_pylist() for column in block.columns), strict=True)
        for row, fields in enumerate(columns):
            position = int(block.origin.position(row))
            records.append(Record(position, block.origin.payloads([row])[0], list(fields)))
        for broken in block.unreadable:
            position = int(broken.position)
            records.append(Record(position, broken.payload, None, broken.error_type))
        assert len(block) == block.rows + len(block.unreadable)
    return sorted(records)


def read_in_ranges(file: bytes, range_bytes: int, block_bytes: int) -> list[Record]:
    header = header_of(file)
    stream = io.BytesIO(file)
    stream.seek(header.length)
    ends = [
        header.length,
        *record_boundaries(stream, header.layout.fields, header.length, range_bytes),
    ]
    assert ends[-1] == len(file)
    ranges = (
        read_range(file, header, start, end - start, block_bytes) for start, end in pairwise(ends)
    )
    return [record for part in ranges for record in part]


def errors(records: list[Record]) -> list[tuple[bytes, str]]:
    return [(record.payload, record.error) for record in records if record.error is not None]


field_texts = st.sampled_from(["", " ", "a", "é,", '"', '""', "a\nb", "x\r\ny", "\x00", "5", ","])
styles = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE])
blocks = st.sampled_from([1, 3, 20, 64, 1000])


class TestWellFormedFiles:
    @settings(max_examples=examples(26, 80), deadline=None)
    @given(data=st.data(), style=styles, end=st.sampled_from(["\n", "\r\n"]), block=blocks)
    def test_rows_are_those_of_the_csv_module(
        self, data: st.DataObject, style: Literal[0, 1, 2, 3], end: str, block: int
    ) -> None:
        names = data.draw(st.permutations([*SOURCE_COLUMNS, "note", "note", "other, too"]))
        plain = st.sampled_from(["", "a", " b ", "é", "\x00"])
        texts = plain if style == csv.QUOTE_NONE else field_texts
        row = st.lists(texts, min_size=len(names), max_size=len(names))
        rows = data.draw(st.lists(row, max_size=6))
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=end).writerow(names)
        writer = csv.writer(text, quoting=style, lineterminator=end)
        writer.writerows(rows)
        content = data.draw(st.sampled_from([text.getvalue(), text.getvalue().removesuffix(end)]))
        file = data.draw(st.sampled_from([b"", BOM])) + content.encode()

        _, *expected = csv.reader(io.StringIO(content, newline=""), strict=True)
        places = [names.index(name) for name in SOURCE_COLUMNS]
        records = read(file, block)
        assert [r.fields for r in records] == [[row[i] for i in places] for row in expected]
        for record in records:
            payload = io.StringIO(record.payload.decode(), newline="")
            assert next(csv.reader(payload)) in expected
            assert file[record.position :].startswith(record.payload)


BROKEN_FIELDS = [b"", b"a", b"b c", b'"q"', b'"a,b"', b'"a""b"', b'"a\nb"', b'"', b'"x', b'y"']
BROKEN_FIELDS += [b'a"b"', b'"c"d', b"\xff", b"\xc3", "é".encode(), b"\r", b"\x00", BOM, b'""']
BROKEN_FIELDS += [b'"\r\n"', b'"\xff"', b'"\r']
broken_fields = st.sampled_from(BROKEN_FIELDS)
broken_lines = st.builds(
    lambda fields, end: b",".join(fields) + end,
    st.one_of(
        st.lists(broken_fields, min_size=8, max_size=8),
        st.lists(broken_fields, max_size=10),
        st.just([ROW]),
    ),
    st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r\r\n", b""]),
)
bodies = st.lists(broken_lines, max_size=6).map(b"".join)


class TestAnyFile:
    @settings(max_examples=examples(26, 80), deadline=None)
    @given(body=bodies, block=blocks)
    def test_records_do_not_depend_on_blocks(self, body: bytes, block: int) -> None:
        assert read(HEADER + body, block) == read(HEADER + body)

    @settings(max_examples=examples(26, 80), deadline=None)
    @given(body=bodies, range_bytes=blocks, block=st.sampled_from([7, 50, 1000]))
    def test_records_do_not_depend_on_ranges(
        self, body: bytes, range_bytes: int, block: int
    ) -> None:
        assert read_in_ranges(HEADER + body, range_bytes, block) == read(HEADER + body)

    @settings(max_examples=examples(50, 150), deadline=None)
    @given(body=bodies)
    def test_payloads_make_the_file_again(self, body: bytes) -> None:
        file = HEADER + body
        at = len(HEADER)
        for record in read(file):
            assert file[at : record.position].strip(BLANK) == b""
            assert file[record.position :].startswith(record.payload)
            assert (record.fields is None) == (record.error is not None)
            at = record.position + len(record.payload)
        assert file[at:].strip(BLANK) == b""


class TestBrokenRecords:
    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("category", [b"", b'"Food, drinks"'])
    @pytest.mark.parametrize("block_bytes", [50_000, 1 << 20])
    def test_an_unbalanced_quote_costs_its_line_alone(
        self, category: bytes, end: bytes, block_bytes: int
    ) -> None:
        lines = [
            b"2025-01-01T00:00:00Z,u%d,like,%b,,iOS,paid,DE" % (i, category) for i in range(10_000)
        ]
        broken = lines[5000] = b'2025-01-01T00:00:00Z,u5000,like,"Food,,iOS,paid,DE'
        records = read(HEADER + end.join(lines) + end, block_bytes)
        assert [record.payload for record in records] == lines
        assert errors(records) == [(broken, "malformed_row")]
        users = [record.fields[1] for record in records if record.fields]
        assert users == [f"u{i}" for i in range(10_000) if i != 5000]

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            (b"a,b", "malformed_row"),
            (ROW + b",", "malformed_row"),
            (b'""""', "malformed_row"),
            (b"\x00", "malformed_row"),
            (BOM, "malformed_row"),
            (b'a,b,c,d,e,f,g,"h"x', "malformed_row"),
            (b"a\rb", "malformed_row"),
            (b"\xff,b,c,d,e,f,g,h", "invalid_utf8"),
            (b'"\xff",b,c,d,e,f,g,h', "invalid_utf8"),
            (b"\xff,b", "invalid_utf8"),
            (b'\xff,"b', "malformed_row"),
            (b"\xed\xa0\x80,b,c,d,e,f,g,h", "invalid_utf8"),
        ],
    )
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_are_distinguished(self, line: bytes, error: str, place: int) -> None:
        lines = [ROW, ROW]
        lines.insert(place, line)
        for ending in (b"", b"\n", b"\n\n"):
            records = read(HEADER + b"\n".join(lines) + ending)
            assert [record.payload for record in records] == lines
            assert errors(records) == [(line, error)]

    @pytest.mark.parametrize(
        ("line", "fields"),
        [
            (b"a,b\x00,c,d,e,f,g,\x00", ["a", "b\x00", "c", "d", "e", "f", "g", "\x00"]),
            (b"a\r,b,c,d,e,f,g,h", ["a\r", "b", "c", "d", "e", "f", "g", "h"]),
            (b'a,"b\r",c,d,e,f,g,h', ["a", "b\r", "c", "d", "e", "f", "g", "h"]),
            (BOM + b"a,b,c,d,e,f,g,h", ["\ufeffa", "b", "c", "d", "e", "f", "g", "h"]),
            (b'a,b,c,5" disk,e,f,g,h', ["a", "b", "c", '5" disk', "e", "f", "g", "h"]),
            (b",,,,,,,\x00", [*[""] * 7, "\x00"]),
            (
                b"NULL,nan,N/A,,1e3,true,0x1,-",
                ["NULL", "nan", "N/A", "", "1e3", "true", "0x1", "-"],
            ),
        ],
    )
    def test_odd_looking_rows_are_rows(self, line: bytes, fields: list[str]) -> None:
        for body in (line, line + b"\r\n" + ROW, ROW + b"\n" + line + b"\n"):
            assert fields in [record.fields for record in read(HEADER + body)]

    def test_a_quoted_record_of_the_wrong_width_ends_with_its_first_line(self) -> None:
        records = read(HEADER + b'a,"b\nc",d\n' + ROW + b"\n")
        assert errors(records) == [(b'a,"b', "malformed_row"), (b'c",d', "malformed_row")]
        assert records[-1].fields == FIELDS


class TestLargeFields:
    @pytest.mark.parametrize("block_bytes", some([4 << 20, 16 << 20], 1))
    @pytest.mark.parametrize("line", [b"x" * 10_000, b'a, ""b"" ' * 1200 + b"\n"])
    def test_ten_megabytes_are_one_field(self, line: bytes, block_bytes: int) -> None:
        content = line * (10_000_000 // len(line))
        quoted = b'"' in content
        field = content.replace(b'""', b'"').decode()
        cell = b'"' + content + b'"' if quoted else content
        row = b"2025-01-01T00:00:00Z,u1,like,%b,,iOS,paid,DE" % cell
        records = read(HEADER + ROW + b"\n" + row + b"\n" + ROW, block_bytes)
        assert [record.payload == row for record in records] == [False, True, False]
        assert [r.fields and r.fields[3] == field for r in records] == [False, True, False]


class TestHeader:
    @pytest.mark.parametrize("file", [b"", BOM, b"\n\n", b"\r\n", BOM + b"\n\r\n"])
    def test_blank_file_has_none(self, file: bytes) -> None:
        assert read_header(io.BytesIO(file), "events.csv") is None

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n"])
    @pytest.mark.parametrize("before", [b"", BOM, b"\n", BOM + b"\r\n\n"])
    def test_file_of_a_header_has_no_records(self, before: bytes, end: bytes) -> None:
        file = before + HEADER.rstrip() + end
        assert header_of(file).layout == STANDARD
        assert read(file) == []
        assert [record.fields for record in read(file + b"\n" + ROW)] == [FIELDS]

    def test_other_columns_go_with_dead_letters(self) -> None:
        assert header_of(HEADER).layout.attributes is None
        header = header_of(b'"no\nte", ' + HEADER)
        places = {name: place for place, name in enumerate(SOURCE_COLUMNS, start=1)}
        assert json.loads(header.layout.attributes or "") == {"csv_header": {"fields": 9, **places}}

    def test_a_name_may_span_lines(self) -> None:
        for line in (b'"no\nte",' + HEADER, HEADER[:-1] + b',"no\r\nte"\r\n'):
            body = b"x," + ROW + b"\n" if line.startswith(b'"') else ROW + b",x\n"
            assert [record.fields for record in read(line + body)] == [FIELDS]

    def test_an_open_quote_swallows_no_rows(self) -> None:
        assert [record.payload for record in read(HEADER[:-1] + b',"note\n' + ROW)] == [ROW]

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            (ROW, "no header is found; the first line is .*u1"),
            (HEADER.replace(b",", b";"), "event_time;.*separated by commas"),
            (HEADER.replace(b"_time", b""), "the header lacks event_time; it has"),
            (HEADER.replace(b"user_id", b"userid"), "'userid' looks like user_id: rename it"),
            (
                HEADER.replace(b"event_time,user_id,event_type", b"timestamp,user,event"),
                "'timestamp' looks like event_time; 'user' looks like user_id; 'event' looks like "
                r"event_type: rename them, or read them by --rules, of which \[columns\] "
                'event_time = "timestamp", user_id = "user", event_type = "event" are lines',
            ),
            (HEADER.replace(b"country", b"country,country"), "has country more than once"),
            (b"x" * (MAX_HEADER_BYTES + 1), "no line ends in its first 1 MiB"),
            (HEADER.rstrip() + b"\r" + (ROW + b"\r") * 30_000, "its lines end in CR alone"),
        ],
    )
    def test_what_is_none_is_refused(self, file: bytes, message: str) -> None:
        with pytest.raises(DataError, match=f"events.csv: .*{message}"):
            read_header(io.BytesIO(file), "events.csv")


long_lines = st.lists(
    st.text("aé\r,", max_size=40) | st.sampled_from(["", "a" * 31, "é" * 6, "é" * 7, "a" * 100]),
    max_size=8,
)


class TestBounds:
    @settings(max_examples=examples(100, 300), deadline=None)
    @given(
        lines=long_lines, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans(), data=st.data()
    )
    def test_of_a_long_line_the_beginning_is_kept_however_it_is_read(
        self, lines: list[str], end: str, last: bool, data: st.DataObject
    ) -> None:
        text = HEADER + "".join(f"{line}{end}" for line in lines).encode()
        text = text.removesuffix(end.encode()) if last and lines else text
        expected, rows, at = [], set(), len(HEADER)
        for line in text[at:].split(b"\n"):
            record = line.removesuffix(b"\r")
            if record.strip(b","):
                kind = "oversized_record" if len(record) > 12 else "malformed_row"
                size = len(record) if len(record) > 12 else None
                expected.append((at, record[:12], kind, size))
                # A line of eight fields is no event either, but its columns are known.
                rows |= {at} if record.count(b",") == 7 and len(record) <= 30 else set()
            at += len(line) + 1
        with (
            patch.object(csv_lines, "LONGEST_LINE", 30),
            patch.object(csv_blocks, "LONGEST_LINE", 30),
            patch.object(csv_blocks, "MAX_RECORD_BYTES", 12),
            patch.object(csv_columns, "MAX_RECORD_BYTES", 12),
            patch.object(records, "MAX_RECORD_BYTES", 12),
            patch.object(csv_blocks, "_MOST_LINES", data.draw(st.integers(1, 5))),
            patch.object(csv_columns, "_FEW", data.draw(st.integers(0, 2))),
        ):
            header = header_of(text)
            block = data.draw(blocks)
            stream = io.BytesIO(text[len(HEADER) :])
            found = [
                (int(each.position), each.payload, each.error_type, each.size)
                for part in read_blocks(stream, header, "e.csv", len(HEADER), None, block)
                for each in part.unreadable
            ]
            ranges = read_in_ranges(text, data.draw(blocks), block)
        assert sorted(found) == [each for each in expected if each[0] not in rows]
        assert [record.position for record in ranges] == [place for place, *_ in expected]

    def test_a_long_line_is_read_without_being_held(self) -> None:
        class Endless(io.RawIOBase):
            """A line of 4 GiB, and a row behind it."""

            left = 4096

            def read(self, size: int = -1) -> bytes:
                self.left -= 1
                return b"\n" + ROW if self.left == 0 else b"" if self.left < 0 else block

        block = b"x" * (1 << 20)
        stream = cast(IO[bytes], Endless())
        tracemalloc.start()
        found = list(read_blocks(stream, header_of(HEADER), "e.csv", 0, None, 1 << 20))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        (dead_letter,) = (dead_letter for part in found for dead_letter in part.unreadable)
        assert (dead_letter.error_type, dead_letter.size) == ("oversized_record", 4095 << 20)
        assert len(dead_letter.payload) == 10_000_000
        assert sum(part.rows for part in found) == 1
        assert peak < 200 << 20

    def test_letters_of_a_file_with_a_long_header_are_short(self) -> None:
        header = HEADER[:-1] + b"," + b"c" * 60_000 + b"\n"
        (block,) = read_blocks(io.BytesIO(b"x\n" * 5_000), header_of(header), "e.csv", 0, None)
        assert len(block.unreadable) == 5_000
        assert block.unreadable.table.nbytes < 5_000 * 400

    def test_blocks_have_a_limited_number_of_lines(self) -> None:
        text = (ROW + b"\n") * 10 + b"x\n" * 100 + (ROW + b"\n") * 10
        with patch.object(csv_blocks, "_MOST_LINES", 16):
            found = list(read_blocks(io.BytesIO(text), header_of(HEADER), "e.csv", 0, None))
        assert max(map(len, found)) <= 32
        assert (sum(part.rows for part in found), sum(map(len, found))) == (20, 120)

    @pytest.mark.parametrize("line", [b"x", b"a,b", b'"a,b"', b'a,"",b', b",x", b'"a""b",c'])
    def test_a_short_line_is_reported_with_its_fields(self, line: bytes) -> None:
        # With as many fields as a row has bytes, and with fewer.
        for extra in (0, 30):
            names = [*SOURCE_COLUMNS, *map(str, range(extra))]
            header = header_of(",".join(names).encode() + b"\n")
            text = b"%b\n%b\n" % (line, line)
            (block,) = read_blocks(io.BytesIO(text), header, "e.csv", 7, None)
            fields = len(next(csv.reader([line.decode()])))
            found = [(each.position, each.payload, each.message) for each in block.unreadable]
            reason = f"the header has {len(names)} fields, this record {fields}"
            assert found == [("7", line, reason), (str(8 + len(line)), line, reason)]


class TestBlankLines:
    @pytest.mark.parametrize("blank", [b",,,,,,,", b",", b" , ,\t", b'"",""', b' "" , " "', b"  "])
    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("block_bytes", [1, 10, 1 << 20])
    def test_rows_that_were_emptied_are_no_records(
        self, blank: bytes, end: bytes, block_bytes: int
    ) -> None:
        body = end.join([blank, ROW, blank, blank, b"x", ROW, blank])
        for file in (HEADER + body, blank + end + HEADER[:-1] + end + body + end):
            found = read(file, block_bytes)
            assert [record.payload for record in found] == [ROW, b"x", ROW]
            for record in found:
                assert file[record.position :].startswith(record.payload)

    def test_a_file_of_them_has_no_header(self) -> None:
        assert read_header(io.BytesIO(BOM + b",,,\r\n\n" * 50_000 + b",,"), "e.csv") is None


class TestSpacesAroundQuotes:
    def test_are_no_part_of_the_field(self) -> None:
        header = b' "event_time" ,"user_id"\t,event_type,transaction_category, miles_amount'
        header += b' , "platform",utm_source,country\n'
        row = b'2025-01-01T00:00:00Z , "u1"\t, "like" ,\t"a, ""b""\n c" ,,"iOS" , paid, "DE" '
        (record,) = read(header + row + b"\r\n")
        assert record.payload == row
        assert [str(field).strip() for field in record.fields or ()] == [
            *("2025-01-01T00:00:00Z", "u1", "like", 'a, "b"\n c', "", "iOS", "paid", "DE")
        ]
