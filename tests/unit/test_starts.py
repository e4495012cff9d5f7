"""Files that are no plain CSV: what is meant is read, the rest is reported in one line."""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.commands import batch
from pipeline.errors import OptionError
from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import local_file
from pipeline.inputs.listing import CSV_NAMES, NAMES_OF_RULES, find_inputs
from pipeline.options.option import declare
from tests.support.tables import csv_text, row
from transforms.data_error import DataError
from transforms.kernels.csv_header import read_header
from transforms.kernels.csv_layout import STANDARD, Layout
from transforms.kernels.time_hints import format_hint, time_hint
from transforms.vocabulary import SOURCE_COLUMNS

TEXT = csv_text([row("2024-01-01T00:00:00Z")])


def zipped() -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("events.csv", TEXT)
    return found.getvalue()


def header_of(path: Path) -> Layout:
    with opened(local_file(str(path))) as stream:
        header = read_header(stream, str(path))  # type: ignore[arg-type]
    assert header is not None
    return header.layout


@pytest.mark.parametrize(
    "text",
    [
        b"sep=,\n" + TEXT,
        b'\xef\xbb\xbf"SEP=,"\r\n\r\n' + TEXT,
        TEXT.replace(b"\n", b"\r\r\n"),
        gzip.compress(TEXT),
        gzip.compress(b"sep=,\r\n" + TEXT),
    ],
)
def test_what_is_meant_is_read(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "events.csv").write_bytes(text)
    assert header_of(tmp_path / "events.csv") == STANDARD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT.decode().encode("utf-16"), 'by --rules, of which [input] encoding = "utf-16" is'),
        (TEXT.decode().encode("utf-16-le"), "is UTF-16LE: save it as UTF-8"),
        (TEXT.decode().encode("utf-16-be"), "by iconv -f UTF-16BE -t UTF-8)"),
        (TEXT.decode().encode("utf-32"), "is UTF-32: save it as UTF-8"),
        (TEXT.decode().encode("utf-32-be"), "is UTF-32BE: save it as UTF-8"),
        (bytes(200), "begins with bytes that are no text"),
        (TEXT.replace(b"\n", b"\r"), "its lines end in CR alone"),
        (TEXT.replace(b"\n", b"\r") + b"\n", "its lines end in CR alone"),
        (b"sep=;\r\n" + TEXT.replace(b",", b";"), "says that ';' separates its fields"),
        (b"sep=;\r\n" + TEXT.replace(b",", b";"), '--rules, of which [input] delimiter = ";" is'),
        (TEXT.replace(b",", b";"), '--rules, of which [input] delimiter = ";" is a line'),
        (TEXT.replace(b",", b"\t"), 'of which [input] delimiter = "\\t" is a line'),
        (TEXT.replace(b"user_id", b"userId"), "'userId' looks like user_id"),
        (TEXT.replace(b"user_id", b"userId"), '--rules, of which [columns] user_id = "userId" is'),
        (
            b"a,b\n1,2\n",
            "columns of their own are read by --preset or --rules, which inspect proposes",
        ),
        (zipped(), "is no CSV file but a zip archive"),
        (bz2.compress(TEXT), "compressed by bzip2"),
        (lzma.compress(TEXT), "compressed by xz"),
        (gzip.compress(gzip.compress(TEXT)), "compressed by gzip twice"),
        (b"PAR1" + bytes(100), "a Parquet file"),
        (b"SQLite format 3\0" + bytes(range(256)), "begins with bytes that are no text"),
    ],
)
def test_what_can_not_be_read_is_reported_in_one_line(
    tmp_path: Path, text: bytes, expected: str
) -> None:
    (tmp_path / "events.csv").write_bytes(text)
    with pytest.raises(DataError) as raised:
        header_of(tmp_path / "events.csv")
    message = str(raised.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize(("text", "expected"), [(b"", "it is empty"), (TEXT, "is no gzip file")])
def test_a_name_in_gz_wants_gzip(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "events.csv.gz").write_bytes(text)
    with pytest.raises(DataError, match=expected):
        header_of(tmp_path / "events.csv.gz")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("EVENTS.CSV", "EVENTS.CSV"),
        ("events.Csv.GZ", "*"),
        ("a b [1].csv", "a b [1].csv"),
        ("data[1] x/a.csv", "data[1] x/*.csv"),
        ("data[1]/b[2]/a.csv", "data[1]/*/a.csv"),
        ("q?*.csv", "q?*.csv"),
        ("in/a.csv", "~/in/*.csv"),
        ("~a.csv", "~a.csv"),
    ],
)
def test_names_are_taken_as_people_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pattern: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(TEXT)
    options = argparse.ArgumentParser()
    declare(options, batch.COMMAND.declared)
    globs = options.parse_args(["--input", pattern]).input
    assert [file.path for file in find_inputs(globs)] == [str(tmp_path / name)]


def test_a_bracket_that_matches_nothing_is_explained(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\[ in a name is written as \[\[\]"):
        find_inputs([str(tmp_path / "[1].csv")])


PLAIN_LINE = json.dumps(dict.fromkeys(SOURCE_COLUMNS, "x"))


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("a.jsonl", "x", "files of its kind are read by rules. To have these written, run "),
        ("a b.parquet", "x", "a b.parquet' --write_rules rules.toml"),
        ("a.jsonl", PLAIN_LINE, "it has our columns, so that an empty file will do as --rules"),
        (
            "a.jsonl",
            '{"ts": 1, "user": {"id": "a"}, "action": "b", "context": {"os": "iOS"}}',
            'read by rules, e.g. [columns] event_time = "ts", user_id = "user.id", '
            'event_type = "action", platform = "context.os". To have',
        ),
        (
            "a.json",
            '[{"event": "a", "properties": {"time": 1, "distinct_id": "b"}}]',
            "it looks like an export that --preset mixpanel reads",
        ),
    ],
)
def test_files_of_other_tools_need_rules(tmp_path: Path, name: str, text: str, hint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(OptionError, match=r"is neither \.csv nor \.csv\.gz: files") as raised:
        find_inputs([str(tmp_path / name)])
    assert hint in str(raised.value)
    assert len(find_inputs([str(tmp_path / name)], NAMES_OF_RULES)) == 1


def test_other_files_are_refused_with_and_without_rules(tmp_path: Path) -> None:
    for name, plain, by_rules in (
        ("a.doc", "a.doc is neither .csv nor .csv.gz", "a.doc ends in no name that is read: .csv"),
        ("a.xlsx", "is a spreadsheet: save its sheet as CSV UTF-8", "is a spreadsheet: save its"),
    ):
        (tmp_path / name).write_bytes(b"x")
        for told, names in (plain, CSV_NAMES), (by_rules, NAMES_OF_RULES):
            with pytest.raises(OptionError) as raised:
                find_inputs([str(tmp_path / name)], names)
            assert told in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1782874879", "epoch_s"),
        ("1782874879689", "epoch_ms"),
        ("1782874879689972", "epoch_us"),
        ("2026-07-01", "%Y-%m-%d"),
        ("01.07.2026 03:01:19", "%d.%m.%Y %H:%M:%S"),
        ("07/01/2026", "%m/%d/%Y"),
    ],
)
def test_a_time_of_another_format_names_its_line_of_rules(text: str, expected: str) -> None:
    assert f'--rules with [time] format = "{expected}"' in time_hint(text)
    read = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
    moment = (
        datetime.fromtimestamp(int(text) / read[expected], UTC)
        if expected in read
        else datetime.strptime(text, expected).replace(tzinfo=UTC)
    )
    assert moment.date() == date(2026, 7, 1)


@pytest.mark.parametrize("text", ["", "soon", "12", "2026-07-01T03:01:19Z", "1" * 40])
def test_no_other_time_is_guessed_at(text: str) -> None:
    assert time_hint(text) == ""


def test_rules_are_told_of_a_format_that_they_lack() -> None:
    assert format_hint("1782874879", ["iso"]) == '; "epoch_s" among them would'
    assert format_hint("2026-07-01 03:01:19", ["%d.%m.%Y"]) == '; "iso" among them would'
    assert format_hint("31.02.2026", ["iso", "%d.%m.%Y"]) == format_hint("soon", ["iso"]) == ""
