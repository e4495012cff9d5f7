"""Users who were forgotten: their records are dropped and counted, and nothing else is."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.graphs.staged_forgotten import StagedForgotten, stage_forgotten
from pipeline.warehouse import TableReader
from tests.support import ids
from tests.support.dead_letters import Holding
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import LIMITS, NOW, Row, csv_text, row
from transforms.contract import Table
from transforms.data_error import DataError
from transforms.kernels import dead_letters
from transforms.kernels.csv_layout import STANDARD
from transforms.kernels.dead_letters import Record
from transforms.kernels.forgotten import ForgottenUsers
from transforms.kernels.keyed_hashes import keyed_hashes
from transforms.kernels.messages import Message
from transforms.kernels.parse import Parsed, parse_records
from transforms.kernels.records import RawRecords
from transforms.kernels.single_records import read_records
from transforms.parse_step import parse_part
from transforms.state import forgotten_users, warehouse_settings

KEY = "5a" * 32  # Fixed: names of tests must be the same in every worker.
SUBSCRIPTION = "projects/p/subscriptions/s"


def listed(*user_ids: str, key: str = KEY) -> pa.Table:
    return forgotten_users.rows(pa.array(user_ids, pa.string()), key, NOW, "a_run")


def forgotten(*user_ids: str) -> ForgottenUsers:
    return forgotten_users.forgotten_of(listed(*user_ids)["user_hash"], KEY)


def reference(user: str, key: bytes) -> bytes:
    """CBC-MAC, the length first."""
    *blocks, length = ids.blocks_of(user.encode())
    state = ids.encrypted(key, length)
    for block in blocks:
        state = ids.encrypted(key, ids.xor(state, block))
    return state


@given(st.lists(st.one_of(st.text(max_size=70), st.sampled_from(["", "u" * 64, "u" * 65]))))
def test_a_hash_is_what_a_plain_loop_makes_of_a_text(users: list[str]) -> None:
    key = bytes.fromhex(KEY)
    found = keyed_hashes(pa.array(users, pa.string()), key)
    assert [block.tobytes() for block in found] == [reference(user, key) for user in users]


@given(st.sets(st.text(max_size=20), max_size=6), st.lists(st.text(max_size=20), max_size=20))
def test_who_is_on_the_list_is_known_again(gone: set[str], others: list[str]) -> None:
    asked = [*gone, *others]
    found = forgotten(*gone).among(pa.array(asked, pa.string()))
    assert found.tolist() == [user in gone for user in asked]


def test_the_list_says_nothing_without_its_key() -> None:
    rows = listed("zoe", "ann", "bob")
    assert rows["user_hash"].to_pylist() == sorted(rows["user_hash"].to_pylist())
    other = forgotten_users.forgotten_of(rows["user_hash"], forgotten_users.new_key())
    assert not other.among(pa.array(["ann", "bob", "zoe"])).any()


@pytest.mark.parametrize(
    ("hashes", "key"), [(["x" * 32], KEY), (["ab"], KEY), (["0" * 32], "00"), (["0" * 32], "key")]
)
def test_a_damaged_list_is_refused(hashes: list[str], key: str) -> None:
    with pytest.raises(DataError, match="holds what is no hash"):
        forgotten_users.forgotten_of(pa.chunked_array([hashes]), key)


def reread(rows: list[Row], *gone: str) -> list[Parsed]:
    """Rows as messages, read with a list of forgotten users."""
    messages = [
        Message(
            csv_text([item]).splitlines(keepends=True)[1], {"content_type": "text/csv"}, str(at)
        )
        for at, item in enumerate(rows)
    ]
    records = read_records(messages, SUBSCRIPTION)
    return [parse_records(records, NOW, LIMITS, forgotten(*gone) if gone else None)]


@given(
    st.lists(st.one_of(valid_rows, broken_rows), max_size=30),
    st.sets(st.sampled_from(["ann", "bob", "dé", "ᛖᚢᛖ", "nobody"])),
)
def test_what_is_left_is_what_the_others_alone_come_to(rows: list[Row], gone: set[str]) -> None:
    (found,) = reread(rows, *gone)
    (others,) = reread([item for item in rows if item["user_id"] not in gone])
    assert found.forgotten == sum(item["user_id"] in gone for item in rows)
    assert found.events.to_pylist() == others.events.to_pylist()
    assert found.ignored_amounts == others.ignored_amounts
    left_out = ["position"]  # Of others alone it is another one.
    assert found.rejections.table.drop(left_out).equals(others.rejections.table.drop(left_out))


def messages(*payloads: bytes, **attributes: str) -> RawRecords:
    found = [Message(data, attributes, str(at)) for at, data in enumerate(payloads)]
    return read_records(found, SUBSCRIPTION)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"user_id": "u 1", "platform": ',
        b"2024-01-01T00:00:00Z,u 1,share",
        b'2024-01-01T00:00:00Z," u 1 ",share,,,,,,,,,',
        b"\xff,u 1,share",
    ],
)
def test_a_record_without_columns_is_theirs_that_holds_their_id(payload: bytes) -> None:
    kind = {"content_type": "text/csv"} if b"{" not in payload else {}
    records = messages(payload, payload.replace(b"u 1", b"u 12"), **kind)
    part = parse_part(records, NOW, LIMITS, "1", forgotten=forgotten("u 1"))
    assert part.dead_letters.num_rows == 1
    assert (part.counts.input_rows, part.counts.forgotten, part.counts.rejected) == (2, 1, 1)


def test_a_correction_to_a_forgotten_user_is_dropped_too() -> None:
    rows = [row("2024-01-01T10:00:00Z", user) for user in ("", "bob", "cy")]
    records = messages(
        *(csv_text([item]).splitlines(keepends=True)[1] for item in rows), content_type="text/csv"
    )

    class _ToAnn:
        def conflicting(self, source: str) -> pa.Array:
            return pa.array([], pa.string())

        def find(self, ids: pa.ChunkedArray) -> pa.Table:
            corrected = {name: [text] for name, text in row("2024-01-01T10:00:00Z", "ann").items()}
            return pa.table({"dead_letter_id": ids.slice(0, 1), **corrected})

    part = parse_part(records, NOW, LIMITS, "1", _ToAnn(), forgotten("ann", "bob"))
    counts = part.counts
    assert (counts.input_rows, counts.forgotten, counts.rejected, counts.corrected) == (3, 2, 0, 0)
    assert [len(found.events) for found in part.parsed] == [1, 0]


def test_a_dead_letter_that_is_corrected_to_a_forgotten_user_does_not_pass() -> None:
    rows = [row("2024-01-01T10:00:00Z", user) for user in ("bob", " ann ", "")]
    lines = [csv_text([item]).splitlines(keepends=True)[1] for item in rows]
    records = [Record(line, STANDARD) for line in lines]
    found = dead_letters.reread(records, NOW, LIMITS, forgotten("ann"))
    assert found.events["user_id"].to_pylist() == ["bob"]
    assert found.texts["user_id"].to_pylist() == ["bob"]
    types = {index: failure.error_type for index, failure in found.failures.items()}
    assert types == {1: "user_forgotten", 2: "missing_user_id"}


class _Kept(Holding):
    """A warehouse that has a list, and perhaps its key."""

    def __init__(self, rows: pa.Table, key: str | None):
        super().__init__(rows.select(["user_hash"]))
        settings = {} if key is None else {forgotten_users.KEY: key}
        self._rows, self._settings = rows, warehouse_settings.rows(settings, NOW)

    def count(self, table: Table) -> int | None:
        return self._rows.num_rows if table is forgotten_users.TABLE else 1

    def read(self, table: Table) -> pa.Table:
        return self._settings


def stage(warehouse: _Kept, folder: Path) -> StagedForgotten | None:
    return stage_forgotten(cast(TableReader, warehouse), str(folder))


def test_workers_know_them_by_a_staged_file(tmp_path: Path) -> None:
    staged = stage(_Kept(listed("ann", "dé"), KEY), tmp_path)
    assert staged is not None
    # Each worker has one that was sent to it, used or not.
    for known in (staged, pickle.loads(pickle.dumps(staged))):
        found = known.among(pa.array(["ann", "bob", "dé"]))
        np.testing.assert_array_equal(found, [True, False, True])


def test_an_empty_list_stages_nothing(tmp_path: Path) -> None:
    assert stage(_Kept(listed(), None), tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_list_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lacks their key"):
        stage(_Kept(listed("ann"), None), tmp_path)


def test_a_staged_list_that_is_gone_or_broken_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(b"nothing of that kind")
    for path in (tmp_path / "gone.arrow", broken):
        with pytest.raises(RunError, match="who was forgotten can't be read"):
            StagedForgotten(str(path)).among(pa.array(["ann"]))
