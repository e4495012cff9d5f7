"""Input files on Cloud Storage: any name, each in the generation that was listed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob
from google.cloud.storage import Client as StorageClient

from pipeline.errors import RunError
from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import InputFile, refuse_any_changed
from pipeline.inputs.listing import NAMES_OF_RULES, find_inputs
from pipeline.inputs.source_ranges import source_ranges, source_rows
from pipeline.inputs.sources import describe
from tests.emulators.servers import PROJECT
from tests.emulators.support import Home
from tests.support.tables import csv_text, row
from transforms.data_error import DataError
from transforms.kernels.input_formats import Given

TEXT = csv_text([row("2024-01-01T00:00:00Z")])

pytestmark = pytest.mark.usefixtures("here")


def put(home: Home, name: str, data: bytes, encoding: str | None = None) -> Blob:
    client = StorageClient(
        PROJECT, AnonymousCredentials(), client_options={"api_endpoint": home.servers.storage}
    )
    bucket, _, folder = home.temp.removeprefix("gs://").partition("/")
    blob = client.bucket(bucket).blob(f"{folder}/{name}")
    blob.content_encoding = encoding
    blob.upload_from_file(io.BytesIO(data), content_type="text/csv")
    return blob


def text_of(file: InputFile) -> bytes:
    with opened(file) as stream:
        found: bytes = stream.read()
        stream.refuse_short(None)
    return found


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("my events.csv", "my events.csv"),
        ("my events.csv", "my *.csv"),
        ("day [1].csv", "day [1].csv"),
        ("day [1].csv", "day [[]1].csv"),
        ("a*b.CSV", "a*b.CSV"),
        ("ü & +%.csv", "*.csv"),
    ],
)
def test_names_are_taken_as_people_write_them(home: Home, name: str, pattern: str) -> None:
    put(home, name, TEXT)
    put(home, "day 1.csv", TEXT)
    found = {file.path: file for file in find_inputs([f"{home.temp}/{pattern}"])}
    assert f"{home.temp}/{name}" in found
    file = found[f"{home.temp}/{name}"]
    assert (file.size, text_of(file)) == (len(TEXT), TEXT)
    refuse_any_changed([file])


def test_what_is_stored_as_gzip_is_decompressed(home: Home) -> None:
    put(home, "events.csv", gzip.compress(TEXT), "gzip")
    (file,) = find_inputs([f"{home.temp}/*.csv"])
    assert text_of(file) == TEXT


def test_a_replaced_object_is_reported(home: Home) -> None:
    put(home, "events.csv", TEXT)
    (file,) = find_inputs([f"{home.temp}/events.csv"])
    put(home, "events.csv", TEXT)
    with pytest.raises(DataError, match=r"events.csv changed while it was read: it was replaced"):
        text_of(file)
    with pytest.raises(RunError, match=r"events.csv changed while it was read: it was replaced"):
        refuse_any_changed([file])


def test_a_removed_object_is_reported(home: Home) -> None:
    blob = put(home, "events.csv", TEXT)
    (file,) = find_inputs([f"{home.temp}/events.csv"])
    blob.delete()
    with pytest.raises(DataError, match="it was replaced or removed"):
        text_of(file)
    with pytest.raises(RunError, match="it is gone"):
        refuse_any_changed([file])


def as_parquet(rows: int) -> bytes:
    found = io.BytesIO()
    pq.write_table(pa.table({"a": [str(row) for row in range(rows)]}), found, row_group_size=30)
    return found.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(name, data)
    return found.getvalue()


CSV = "".join(["a;b\n", *(f"{row};ü\n" for row in range(100))]).encode("cp1252")
LINES = "".join(f'{{"a": "{row}"}}\n' for row in range(100)).encode()


@pytest.mark.parametrize(
    ("name", "data", "encoding", "said"),
    [
        ("a.csv", CSV, None, "CSV, semicolon, cp1252"),
        ("a.csv.gz", gzip.compress(CSV), "gzip", "CSV, semicolon, cp1252, gzip"),
        ("a.jsonl", LINES, None, "JSON lines, UTF-8"),
        ("a.jsonl.bz2", bz2.compress(LINES), None, "JSON lines, UTF-8, bzip2"),
        ("a.json", b"[%b]" % LINES.strip().replace(b"\n", b","), None, "JSON, UTF-8"),
        ("a.parquet", as_parquet(100), None, "Parquet"),
        ("a.zip", zipped("in.csv", CSV), None, "CSV, semicolon, cp1252, zip"),
        ("b.zip", zipped("in.parquet", as_parquet(100)), None, "Parquet, zip"),
    ],
)
def test_files_of_other_tools_are_read(
    home: Home, name: str, data: bytes, encoding: str | None, said: str
) -> None:
    put(home, name, data, encoding)
    (file,) = find_inputs([f"{home.temp}/{name}"], NAMES_OF_RULES)
    (source,) = describe(file, Given())
    assert source.form.text == said
    for range_bytes in (None, 300):
        found = []
        for part in source_ranges(source, range_bytes):
            for rows, _ in source_rows(part, ["a"]):
                assert not len(rows.unreadable)
                found += rows.table.column(0).to_pylist()
        found = [json.loads(text)["a"] for text in found] if "JSON" in said else found
        assert found == [str(row) for row in range(100)]
    put(home, name, data, encoding)
    with pytest.raises(DataError, match="it was replaced"):
        describe(file, Given())


def test_the_command_reads_such_names(home: Home, tmp_path: Path) -> None:
    put(home, "in/day [1] of 2.csv", gzip.compress(TEXT), "gzip")
    run = home.batch(f"{home.temp}/in/day [1] of 2.csv")
    assert (run.returncode, run.stderr) == (0, "")
    assert home.table("fct_events").num_rows == 1
