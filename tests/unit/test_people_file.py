"""Files of people are read in many forms, and what is wrong with one is told with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import OptionError
from pipeline.inputs import people_file
from pipeline.inputs.people_file import read_people_file

_PAIRS = {"a1": "k", "a2": "k", "7": "8"}
_CSV = "anonymous_id,user_id,seen\n" + "".join(f"{a},{k},x\n" for a, k in _PAIRS.items())
_JSON = [{"user_id": k, "anonymous_id": a, "more": [1]} for a, k in _PAIRS.items()]


def read(path: Path) -> dict[str, str]:
    found = read_people_file(str(path))
    return dict(zip(found.anonymous_ids.to_pylist(), found.user_ids.to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.csv", _CSV.encode()),
        ("p.csv.gz", gzip.compress(_CSV.encode(), mtime=0)),
        ("p.csv", _CSV.replace(",", ";").encode("utf-16")),
        ("p.jsonl", "\n".join(map(json.dumps, _JSON)).encode()),
        ("p.json", json.dumps(_JSON).encode()),
    ],
    ids=["comma", "gzip", "semicolon", "lines", "array"],
)
def test_a_file_of_any_form_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert read(path) == _PAIRS


def test_parquet_is_read_with_numbers_as_ids(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    ids = pa.array(["a", "b"]).dictionary_encode()
    pq.write_table(pa.table({"anonymous_id": ids, "user_id": [1, 2]}), path)
    assert read(path) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("anonymous_id,user_id\na,k\nb,\n", "p.csv, line 3: user_id is blank: correct the file"),
        (
            'anonymous_id,user_id,x\na,k,x\nb,k,"\n"\na,m,x\n',
            "p.csv, line 2 and line 5: anonymous_id 'a' has two known ids, 'k' and 'm'",
        ),
        ("anonymous_id,user_id\na,b\nb,a\n", "p.csv, line 2: ids stand for each other in a circle"),
        (
            "anonymousId,userId\na,b\n",
            "has no column anonymous_id, but anonymousId, userId: name its columns anonymous_id "
            "and user_id",
        ),
        ("anonymous_id,user_id\na,b,c\n", "at byte 21: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(OptionError) as raised:
        read_people_file(str(path))
    assert problem in str(raised.value) and str(path) in str(raised.value)


def test_records_that_are_no_objects_are_told(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"anonymous_id": "a", "user_id": "k"}\n[1]\n')
    with pytest.raises(OptionError, match="at byte 38: the record is no JSON object"):
        read_people_file(str(path))


def test_types_that_hold_no_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"anonymous_id": [1.5], "user_id": ["k"]}), path)
    with pytest.raises(OptionError, match="column of type double holds no ids"):
        read_people_file(str(path))


def test_a_file_that_is_not_there_or_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match="there is no such file: check the path"):
        read_people_file(str(tmp_path / "p.csv"))
    with pytest.raises(OptionError, match="that is a folder: name one file"):
        read_people_file(str(tmp_path))
    monkeypatch.setattr(people_file, "MOST_ROWS", 2)
    path = tmp_path / "p.csv"
    path.write_text(_CSV)
    with pytest.raises(OptionError, match="has over 2 rows"):
        read_people_file(str(path))
