"""Elements of JSON arrays and of JSON texts one after the other, against Python's own reader."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import IO, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thorough import examples
from transforms.data_error import DataError
from transforms.kernels.json_elements import read_elements
from transforms.kernels.json_rows import read_elements as read_elements_as_rows
from transforms.kernels.source_rows import JSON

tricky = st.sampled_from(['"', "\\", '\\"', "[", "]", "{", "}", ",", "a", "é", "\n", "\\\\"])
texts = st.lists(tricky, max_size=6).map("".join)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def read(text: bytes, block_bytes: int = 1 << 20) -> list[tuple[int, Any]]:
    """All values with their offsets."""
    found = []
    for data, elements, at in read_elements(io.BytesIO(text), "a.json", 0, block_bytes):
        spans = list(zip(elements.starts.tolist(), elements.ends.tolist(), strict=True))
        for start, end in spans + elements.scalars:
            found.append((at + start, json.loads(data[start:end])))
    return sorted(found, key=lambda pair: pair[0])


@settings(max_examples=examples(100, 400), deadline=None)
@given(
    elements=st.lists(values, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    block_bytes=st.sampled_from([1, 2, 3, 7, 20, 1000]),
    around=st.sampled_from(["", " ", "\r\n\t"]),
    escaped=st.booleans(),
)
def test_elements_are_those_of_the_json_module_whatever_the_blocks(
    elements: list[Any], indent: int | None, block_bytes: int, around: str, escaped: bool
) -> None:
    text = around + json.dumps(elements, indent=indent, ensure_ascii=escaped) + around
    assert [value for _, value in read(text.encode(), block_bytes)] == elements
    assert json.loads(text) == elements


@settings(max_examples=examples(60, 200), deadline=None)
@given(
    elements=st.lists(st.dictionaries(texts, values, max_size=3), max_size=5),
    indent=st.sampled_from([None, 2]),
    between=st.sampled_from(["", "\n", " "]),
    block_bytes=st.sampled_from([1, 3, 20, 1000]),
)
def test_objects_may_stand_one_after_the_other(
    elements: list[Any], indent: int | None, between: str, block_bytes: int
) -> None:
    text = between.join(json.dumps(element, indent=indent) for element in elements)
    found = read(text.encode(), block_bytes)
    assert [value for _, value in found] == elements
    for place, value in found:
        assert json.JSONDecoder().raw_decode(text.encode()[place:].decode())[0] == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'[{"a": 1}, {"b": "x}, {"c": 1}]', "what begins at byte 11 is not closed"),
        (b'[{"a": 1}, {"b": 2', "what begins at byte 11 is not closed"),
        (b'[{"a": 1}', "its ] is missing"),
        (b"[", "its ] is missing"),
        (b'[{"a": 1}] [{}]', "at byte 11 its JSON array has ended"),
        (b'{"a": 1}} {}', "at byte 8 its JSON array has ended"),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 4, 1000])
def test_what_is_not_closed_is_refused_with_its_place(
    text: bytes, problem: str, block_bytes: int
) -> None:
    with pytest.raises(DataError, match=r"a\.json") as raised:
        list(read_elements(io.BytesIO(text), "a.json", 0, block_bytes))
    assert problem in str(raised.value)


def test_elements_stay_as_they_are() -> None:
    text = b'[{"a": 1}, 5, "x, {}", [1], null, {"b": nul}, {"c": "\xff"}, {"d":\n2},, -1.5e3]'
    rows = [b'{"a": 1}', b"5", b'"x, {}"', b"[1]", b"null", b'{"b": nul}', b'{"d":\n2}', b"-1.5e3"]
    (found, *_) = read_elements_as_rows(io.BytesIO(text), "a.json", 100)
    places = [int(found.origin.position(row)) for row in range(found.table.num_rows)]
    texts = [row.encode() for row in found.table.column(JSON).to_pylist()]
    assert [row for _, row in sorted(zip(places, texts, strict=True))] == rows
    assert all(
        text[place - 100 :].startswith(row) for place, row in zip(places, texts, strict=True)
    )
    (bad,) = found.unreadable
    assert (bad.payload, bad.error_type) == (b'{"c": "\xff"}', "invalid_utf8")


def test_an_array_is_read_without_being_held() -> None:
    blocks = examples(160, 1024)  # Of 1 MiB each.

    class Endless(io.RawIOBase):
        """An array of several times what may be held."""

        left = blocks

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return {blocks - 1: b"[", 0: b"]"}.get(self.left, block if self.left > 0 else b"")

    block = b'{"a": "' + b"x" * 1000 + b'"},\n'
    block *= (1 << 20) // len(block)
    stream = cast(IO[bytes], Endless())
    tracemalloc.start()
    found = sum(len(elements.starts) for _, elements, _ in read_elements(stream, "a.json", 0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == (blocks - 2) * (len(block) // len(b'{"a": "' + b"x" * 1000 + b'"},\n'))
    assert peak < 60 << 20
