"""Archives of many small files, as Amplitude's of an hour each: they cost what their rows cost."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.inputs.input_versions import local_file
from pipeline.inputs.rule_records import ranges_by_rules
from pipeline.inputs.run_records import RangeReader, together
from pipeline.inputs.sources import describe
from tests.support.tables import NOW
from transforms.kernels.input_formats import Given
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.rules.model import Rules
from transforms.rules.rules_file import read_rules

RULES = b"""
[columns]
event_time = "time"
user_id = "user"
event_type = {constant = "share"}
platform = {constant = "iOS"}
"""
MEMBERS = 60


@pytest.fixture
def rules() -> Rules:
    return read_rules(RULES, "rules.toml")


def lines(number: int) -> bytes:
    """A file: one row, and in every third file one that has no time, and half a record."""
    text = f'{{"time": "2025-01-01T00:{number:02}:00Z", "user": "u{number}"}}\n'
    return (text + '{"user": "x"}\n{"us\n' * (number % 3 == 0)).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "hours.zip"
    with zipfile.ZipFile(path, "w") as found:
        for number in range(MEMBERS):
            found.writestr(f"{number:03}.json", lines(number))
    return path


def parsed(path: Path, rules: Rules) -> Iterator[Parsed]:
    read = RangeReader(rules)
    for parts in together(ranges_by_rules(local_file(str(path)), rules, None)):
        for records, _ in read(parts):
            yield parse_records(records, NOW, Limits())


def test_small_files_are_read_together_and_each_row_keeps_its_place(
    archive: Path, rules: Rules
) -> None:
    (found,) = parsed(archive, rules)
    times = pa.Table.from_batches([found.events])["event_time"].to_pylist()
    assert times == [datetime(2025, 1, 1, 0, number) for number in range(MEMBERS)]
    at = len('{"time": "2025-01-01T00:00:00Z", "user": "u0"}\n')
    wanted = set()
    for number in range(0, MEMBERS, 3):
        first = at + len(str(number)) - 1
        wanted.add((f"{number:03}.json:{first}", b'{"user": "x"}'))
        wanted.add((f"{number:03}.json:{first + 14}", b'{"us'))
    assert {(bad.position, bad.payload) for bad in found.rejections} == wanted
    assert len(found.rejections) == len(wanted)


def test_files_of_other_columns_are_not_joined(tmp_path: Path, rules: Rules) -> None:
    path = tmp_path / "mixed.zip"
    with zipfile.ZipFile(path, "w") as found:
        found.writestr("1.csv", "time,user\n2025-01-01T00:00:00Z,a\n")
        found.writestr("2.csv", "user,more,time\nb,x,2025-01-01T00:00:00Z\n")
        found.writestr("3.json", '{"time": "2025-01-01T00:00:00Z", "user": "c"}')
    users = [user for part in parsed(path, rules) for user in part.events["user_id"].to_pylist()]
    assert sorted(users) == ["a", "b", "c"]


def test_the_directory_is_read_once(
    archive: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it takes as long as the archive has files: once for each file is their square."""
    opened = 0
    whole = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]

    def counting(self: zipfile.ZipFile) -> None:
        nonlocal opened
        opened += 1
        whole(self)

    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", counting)
    assert len(list(parsed(archive, rules))) == 1
    assert opened == 1


def test_some_files_of_an_archive_are_looked_at(archive: Path) -> None:
    found = describe(local_file(str(archive)), Given(), most=3)
    assert [source.member for source in found] == ["000.json", "029.json", "059.json"]
