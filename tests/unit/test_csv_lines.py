"""Where the records of a CSV text begin and end, against a reader that goes byte by byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.scaling import costs_at_most
from tests.support.thorough import examples
from transforms.kernels import csv_lines
from transforms.kernels.csv_dialect import RFC_4180, Dialect
from transforms.kernels.csv_lines import find_records, first_record_end, split_fields

Record = tuple[int, bytes, list[bytes] | None]
"""Start, payload, and the fields; None where a quote is not closed properly."""

PIECES = [b'"', b'""', b'"\r', b',"', b'",', b",", b"\n", b"\r\n", b"\r", b"\x00", b"a", b" "]
PIECES += [b' "', b'" ', b',\t"', b'"\t,', b"\n,,", b', "" ,']
PIECES += ["é".encode(), b"\xc3", b"\xff", b"\xef\xbb\xbf"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


def read_fields(text: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The fields of the record that begins there, and where its line break begins."""
    fields = []
    while True:
        field = bytearray()
        quote = at
        while text[quote : quote + 1] in (b" ", b"\t"):
            quote += 1
        if text[quote : quote + 1] == b'"':
            at = quote + 1
            while text[at : at + 1] != b'"' or text[at : at + 2] == b'""':
                if at >= len(text):
                    return None
                field.append(text[at])
                at += 2 if text[at : at + 2] == b'""' else 1
            at += 1
            while text[at : at + 1] in (b" ", b"\t"):
                at += 1
        else:
            while text[at : at + 1] not in (b"", b",", b"\n") and text[at:] != b"\r":
                if text[at : at + 2] == b"\r\n":
                    break
                field.append(text[at])
                at += 1
        fields.append(bytes(field))
        if text[at : at + 1] != b",":
            break
        at += 1
    ended = text[at:] in (b"", b"\r") or text.startswith((b"\n", b"\r\n"), at)
    return (fields, at) if ended else None


def is_blank(line: bytes) -> bool:
    """Whether a line, its break left out, has nothing in its fields."""
    read = read_fields(line, 0)
    if read is None or set(line) - set(b', \t"'):
        return False
    fields, end = read
    return end == len(line) and not any(field.strip(b" \t") for field in fields)


def reference(
    text: bytes, width: int, max_lines: int, max_bytes: int, longest_line: int
) -> Iterator[Record]:
    at = 0
    while at < len(text):
        line = text[at:].split(b"\n", 1)[0]
        after = at + len(line) + 1
        line = line.removesuffix(b"\r")
        record: Record = (at, line, None)
        read = read_fields(text, at)
        if read is not None and len(line) <= longest_line:
            fields, end = read
            rest = text[end:].split(b"\n", 1)[0]
            beyond = min(end + len(rest) + 1, len(text))
            lines = 1 + text.count(b"\n", at, end)
            fits = lines <= max_lines and beyond - at <= max_bytes and len(fields) == width
            if lines == 1 or fits:
                record, after = (at, text[at:end], fields), beyond
        if not is_blank(line):
            yield record
        at = after


def in_blocks(
    text: bytes, width: int, block_bytes: int, dialect: Dialect = RFC_4180
) -> list[Record]:
    records: list[Record] = []
    rest, offset = b"", 0
    for begin in range(0, len(text) + block_bytes, block_bytes):
        block = text[begin : begin + block_bytes]
        data = rest + block
        lines = find_records(data, width, not block, dialect)
        for start, end in zip(lines.starts.tolist(), lines.ends.tolist(), strict=True):
            # A plain record is so sound that the strict reader takes it.
            text_of_row = [data[start:end].decode()]
            row = next(
                csv.reader(
                    text_of_row,
                    delimiter=dialect.delimiter,
                    quotechar=dialect.quote or None,
                    quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
                    strict=True,
                )
            )
            fields = [field.encode() for field in row]
            records.append((offset + start, data[start:end], fields))
        records += [
            (offset + odd.start, data[odd.start : odd.end], odd.fields) for odd in lines.odd
        ]
        rest = data[lines.consumed :]
        offset += lines.consumed
    assert rest == b""
    return sorted(records)


def in_one(text: bytes, width: int) -> list[Record]:
    return in_blocks(text, width, len(text) + 1)


class TestAnyText:
    @settings(max_examples=examples(166, 500), deadline=None)
    @given(
        text=texts,
        width=st.integers(1, 4),
        block_bytes=st.sampled_from([1, 2, 3, 5, 8, 13, 100]),
        max_lines=st.sampled_from([1, 2, 3, 1000]),
        max_bytes=st.sampled_from([1, 4, 9, 1000]),
        longest_line=st.sampled_from([2, 9, 1000]),
        most_places=st.sampled_from([0, 3, 1000]),
    )
    def test_records_are_those_of_the_reference_whatever_the_blocks(
        self,
        text: bytes,
        width: int,
        block_bytes: int,
        max_lines: int,
        max_bytes: int,
        longest_line: int,
        most_places: int,
    ) -> None:
        # A line that is no record's part has to be longer than what a record may have.
        longest_line = max(longest_line, max_bytes)
        with (
            patch.object(csv_lines, "MAX_RECORD_LINES", max_lines),
            patch.object(csv_lines, "MAX_RECORD_BYTES", max_bytes),
            patch.object(csv_lines, "LONGEST_LINE", longest_line),
            patch.object(csv_lines, "_MOST_PLACES", most_places),
        ):
            expected = list(reference(text, width, max_lines, max_bytes, longest_line))
            assert in_blocks(text, width, block_bytes) == expected

    @settings(max_examples=examples(60, 200), deadline=None)
    @given(
        text=texts.map(lambda text: text.replace(b"\t", b" ")),
        width=st.integers(1, 4),
        block_bytes=st.sampled_from([1, 3, 8, 100]),
        delimiter=st.sampled_from(";\t|"),
        quote=st.sampled_from("\"'"),
    )
    def test_another_dialect_is_the_usual_one_in_other_signs(
        self, text: bytes, width: int, block_bytes: int, delimiter: str, quote: str
    ) -> None:
        signs = bytes.maketrans(b',"', (delimiter + quote).encode())
        expected = [
            (at, payload.translate(signs), fields and [field.translate(signs) for field in fields])
            for at, payload, fields in in_one(text, width)
        ]
        found = in_blocks(text.translate(signs), width, block_bytes, Dialect(delimiter, quote))
        assert found == expected

    @settings(max_examples=examples(60, 200), deadline=None)
    @given(text=texts, width=st.integers(1, 4), block_bytes=st.sampled_from([1, 3, 8, 100]))
    def test_without_quotes_every_line_is_a_record(
        self, text: bytes, width: int, block_bytes: int
    ) -> None:
        expected, at = [], 0
        for line in text.split(b"\n"):
            record = line.removesuffix(b"\r")
            if record.strip(b", \t"):
                expected.append((at, record, record.split(b",")))
            at += len(line) + 1
        assert in_blocks(text, width, block_bytes, Dialect(",", "")) == expected

    @settings(max_examples=examples(50, 150), deadline=None)
    @given(text=texts, width=st.integers(1, 4))
    def test_every_byte_but_line_breaks_is_in_one_record(self, text: bytes, width: int) -> None:
        at = 0
        between = []
        for start, payload, _ in in_one(text, width):
            assert start >= at
            assert payload == text[start : start + len(payload)] != b""
            between.append(text[at:start])
            at = start + len(payload)
        for gap in [*between, text[at:]]:
            lines = gap.removesuffix(b"\r").replace(b"\r\n", b"\n").split(b"\n")
            assert all(is_blank(line) for line in lines)

    @settings(max_examples=examples(33, 100), deadline=None)
    @given(text=texts, width=st.integers(1, 4))
    def test_what_is_consumed_does_not_change_with_more_text(self, text: bytes, width: int) -> None:
        lines = find_records(text, width, final=False)
        begun = [record for record in in_one(text, width) if record[0] < lines.consumed]
        for more in (b'"', b"\n", b'",\n"', b"a\n"):
            whole = in_one(text + more, width)
            assert [record for record in whole if record[0] < lines.consumed] == begun


class TestRecords:
    @pytest.mark.parametrize(
        "text",
        [
            *(b"", b"\n", b"\n\n\n", b"\r\n\r\n", b"\r"),
            *(b",,", b",,\n,,\n", b" , ,\t\r\n", b",,,,,,,,", b"  \n"),
            *(b'"",,""\n', b' "" ,"  ",\n'),
        ],
    )
    def test_blank_text_has_none(self, text: bytes) -> None:
        lines = find_records(text, 3, final=True)
        assert (len(lines.starts), lines.odd, lines.consumed) == (0, [], len(text))

    def test_a_line_without_its_break_waits_for_more(self) -> None:
        assert find_records(b"a,b\nc,d", 2, final=False).consumed == 4
        assert find_records(b"a,b\nc,d", 2, final=True).consumed == 7

    def test_a_quoted_field_may_span_lines(self) -> None:
        assert in_one(b'a,"b\nc"\nd,e\n', 2) == [
            (0, b'a,"b\nc"', [b"a", b"b\nc"]),
            (8, b"d,e", [b"d", b"e"]),
        ]

    def test_one_that_spans_lines_and_has_another_width_is_not_closed(self) -> None:
        assert in_one(b'a,"b\nc",x\nd,e\n', 2) == [
            (0, b'a,"b', None),
            (5, b'c",x', [b'c"', b"x"]),
            (10, b"d,e", [b"d", b"e"]),
        ]

    def test_what_looks_like_a_blank_line_may_be_a_record(self) -> None:
        for text in (b'""""', b'"', b'",",', b'"\n",', b",\r,", "\u3000,,".encode()):
            assert len(in_one(text, 3)) >= 1

    def test_a_blank_line_within_quotes_is_part_of_its_record(self) -> None:
        assert in_one(b'a,"b\n,,,\nc"\n,\nd,e\n', 2) == [
            (0, b'a,"b\n,,,\nc"', [b"a", b"b\n,,,\nc"]),
            (14, b"d,e", [b"d", b"e"]),
        ]

    def test_white_space_around_quotes_is_no_part_of_the_field(self) -> None:
        assert in_one(b' "u1" ,\t"a, ""b"" \n c"\t, x "y" \n', 3) == [
            (0, b' "u1" ,\t"a, ""b"" \n c"\t, x "y" ', [b"u1", b'a, "b" \n c', b' x "y" ']),
        ]

    @pytest.mark.parametrize("field", [b' "a" b', b'"a" b', b' "a', b' "a"b"', b'\xa0"a"\xa0'])
    def test_other_text_beside_quotes_closes_nothing(self, field: bytes) -> None:
        ((_, payload, fields),) = in_one(b"x," + field + b",y\n", 3)
        assert payload == b"x," + field + b",y"
        # A quote within an unquoted field is a character still.
        assert fields == (None if field[:1] != b"\xa0" else [b"x", field, b"y"])

    def test_a_quote_within_an_unquoted_field_is_a_character(self) -> None:
        assert in_one(b'5" disk,b\nx","y"\n', 2) == [
            (0, b'5" disk,b', [b'5" disk', b"b"]),
            (10, b'x","y"', [b'x"', b"y"]),
        ]

    def test_a_closing_quote_before_a_lone_carriage_return_closes_nothing(self) -> None:
        assert in_one(b'a,"b"\r\r\nc,d\n', 2) == [
            (0, b'a,"b"\r', None),
            (8, b"c,d", [b"c", b"d"]),
        ]

    def test_a_lone_carriage_return_belongs_to_its_field(self) -> None:
        assert in_one(b"a\rb,c\r\r\n", 2) == [(0, b"a\rb,c\r", [b"a\rb", b"c\r"])]

    @pytest.mark.parametrize("block_bytes", [100, 5000, 1 << 20])
    @pytest.mark.parametrize(("lines", "closed"), [(1000, True), (1001, False)])
    def test_a_record_has_a_thousand_lines_at_most(
        self, lines: int, closed: bool, block_bytes: int
    ) -> None:
        assert csv_lines.MAX_RECORD_LINES == 1000
        record = b'a,"' + b"\n" * (lines - 1) + b'"'
        records = in_blocks(b"x,y\n" + record + b"\nz,z\n", 2, block_bytes)
        if closed:
            assert [payload for _, payload, _ in records] == [b"x,y", record, b"z,z"]
        else:
            assert [fields for _, _, fields in records] == [
                [b"x", b"y"], None, None, [b"z", b"z"]
            ]  # fmt: skip
            assert [payload for _, payload, _ in records[1:3]] == [b'a,"', b'"']

    @pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    @settings(max_examples=examples(20, 60), deadline=None)
    @given(fields=st.lists(st.text('",ab\n \x00é'), min_size=2, max_size=5))
    def test_split_fields_undoes_what_a_writer_does(
        self, quoting: Literal[0, 1, 2, 3], fields: list[str]
    ) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=quoting, lineterminator="").writerow(fields)
        assert split_fields(text.getvalue().encode()) == [field.encode() for field in fields]


class TestFirstRecord:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            (b"a,b\nc", 4),
            (b"a,b\r\nc", 5),
            (b'a,"b\nc"\nd', 8),
            (b'a,"b\nc"\r\nd', 9),
            (b"a,b", None),
            (b'a,"b"', None),
            (b'a,"b\nc', None),
            (b"", None),
        ],
    )
    def test_ends_at_its_line_break(self, text: bytes, end: int | None) -> None:
        assert first_record_end(text, final=False) == end

    @pytest.mark.parametrize(("text", "end"), [(b"", 0), (b"a", 1), (b'"a\nb', 3), (b'"a\nb"', 5)])
    def test_the_end_of_the_text_ends_it_too(self, text: bytes, end: int) -> None:
        assert first_record_end(text, final=True) == end

    def test_an_open_quote_is_given_up_after_a_mebibyte(self) -> None:
        text = b'a,"b\n' + b"x\n" * (1 << 19)
        assert first_record_end(text, final=False) == 5


HOSTILE = [b'x","y"\n', b'",x","\n', b'a,"b\n', b'"\n', b'"a""\n', b'",\n', b'a,"",""b\n']


def reading(text: bytes) -> Callable[[], object]:
    return partial(find_records, text, 8, final=True)


class TestHostileText:
    @pytest.mark.parametrize("line", HOSTILE)
    def test_takes_time_in_proportion_to_its_length(self, line: bytes) -> None:
        # Four times the text: 4 if linear, 16 if quadratic.
        assert costs_at_most(10, reading(line * 20_000), reading(line * 5_000))

    def test_many_lines_that_open_and_close_quotes_cost_little_more_than_others(self) -> None:
        # From inside a quote and from outside, a line ends inside one; each 999th closes it. Read
        # up to the thousandth line for each, they would take more than 40 times as long.
        nested = (b'",x","\n' * 999 + b'"\n') * 10
        assert costs_at_most(10, reading(nested), reading(b'x","y"\n' * 10_000))

    def test_two_hundred_thousand_lines_are_as_many_records(self) -> None:
        lines = find_records(b'x","y"\n' * 200_000, 8, final=True)
        assert len(lines.odd) == 200_000
        assert lines.odd[-1].fields == [b'x"', b"y"]
