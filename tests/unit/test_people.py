"""Anonymous ids are led to known ones, and what can't be is refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels import person_ids
from transforms.kernels.person_ids import (
    Grown,
    KnownPeople,
    PairError,
    Pairs,
    TakenBack,
    grown,
    resolved,
)


def texts(*values: str) -> pa.Array:
    return pa.array(values, pa.string())


def pairs(**known: str) -> Pairs:
    return resolved(texts(*known), texts(*known.values()))


def told(found: Pairs) -> dict[str, str]:
    return dict(zip(found.anonymous_ids.to_pylist(), found.user_ids.to_pylist(), strict=True))


def test_chains_are_followed_and_repeated_pairs_count_once() -> None:
    found = resolved(texts("a", " b ", "a", "k", "x", "é"), texts("b", "c", "b", "k", "c\t", "ü"))
    assert told(found) == {"a": "c", "b": "c", "x": "c", "é": "ü"}
    assert told(resolved(texts(), texts())) == {}


def by_plain_loop(known: Mapping[str, str], user: str) -> str | None:
    """Where a chain ends; None for nowhere."""
    seen = set()
    while user in known:
        if user in seen:
            return None
        seen.add(user)
        user = known[user]
    return user


_IDS = st.sampled_from([f"u{number}" for number in range(12)])


@given(known=st.dictionaries(_IDS, _IDS), users=st.lists(_IDS))
def test_any_pairs_end_where_a_plain_loop_does(known: dict[str, str], users: list[str]) -> None:
    known = {user: other for user, other in known.items() if user != other}
    if None in {by_plain_loop(known, user) for user in known}:
        with pytest.raises(PairError, match="in a circle"):
            pairs(**known)
        return
    found = KnownPeople.of(pairs(**known)).known(texts(*users))
    assert found.to_pylist() == [by_plain_loop(known, user) for user in users]


def test_a_long_chain_is_followed() -> None:
    ids = [f"u{number}" for number in range(5_000)]
    found = resolved(texts(*ids[:-1]), texts(*ids[1:]))
    assert set(found.user_ids.to_pylist()) == {ids[-1]}


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(ids: pa.Array, key: bytes) -> np.ndarray:
        return np.full((len(ids), 2), 7, "<u8")

    monkeypatch.setattr(person_ids, "keyed_hashes", same)
    found = KnownPeople.of(pairs(a="k", b="m", c="n")).known(texts("c", "x", "a", "b", "c"))
    assert found.to_pylist() == ["n", "x", "k", "m", "n"]


def test_ids_that_nobody_is_known_by_are_the_same_array() -> None:
    """By that it is seen that nobody need be looked for a second time."""
    users = texts("x", "y")
    assert KnownPeople.of(pairs(a="k")).known(users) is users
    assert KnownPeople.of(Pairs.none()).known(users) is users


@pytest.mark.parametrize(
    ("anonymous", "users", "problem", "rows"),
    [
        (["a", " "], ["k", "k"], "anonymous_id is blank", (1,)),
        (["a", "b", "c"], ["k", "k", "\u200b"], "user_id is blank", (2,)),
        (["a", "b" * 1_025], ["k", "k"], f"anonymous_id '{'b' * 60}...' has over 1,024", (1,)),
        (["x", "a", "a"], ["k", "k", "m"], "'a' has two known ids, 'k' and 'm'", (1, 2)),
        (["x", "a", "b"], ["a", "b", "a"], "'a' -> 'b' -> 'a'", (1,)),
        (
            [f"u{number}" for number in range(9)],
            [f"u{(number + 1) % 9}" for number in range(9)],
            "-> 3 more -> ",
            None,
        ),
    ],
)
def test_what_can_be_no_pairs_is_refused(
    anonymous: list[str], users: list[str], problem: str, rows: tuple[int, ...] | None
) -> None:
    with pytest.raises(PairError) as raised:
        resolved(texts(*anonymous), texts(*users))
    assert problem in raised.value.problem
    assert rows in (None, raised.value.rows)


def test_pairs_that_grow() -> None:
    found = grown(pairs(a="k", b="k"), pairs(a="k", b="k", c="k", k="m", d="n"))
    assert isinstance(found, Grown)
    assert told(found.new) == {"c": "m", "k": "m", "d": "n"}
    assert told(found.changed) == {"a": "m", "b": "m", "c": "m", "k": "m", "d": "n"}
    assert found.gone.to_pylist() == [] and found.is_any
    same = grown(pairs(a="k"), pairs(a="k"))
    assert isinstance(same, Grown) and not same.is_any


def test_a_known_id_may_change_places_with_an_anonymous_one() -> None:
    found = grown(pairs(a="k", b="k"), pairs(k="a", b="a"))
    assert isinstance(found, Grown)
    assert (told(found.new), told(found.changed)) == ({"k": "a"}, {"k": "a", "b": "a"})
    assert found.gone.to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("asked", "lost"),
    [
        ({"b": "k"}, TakenBack("a", "k", "a", 1)),
        ({"a": "m", "b": "k"}, TakenBack("a", "k", "m", 1)),
        ({}, TakenBack("a", "k", "a", 2)),
    ],
)
def test_pairs_that_are_taken_back_or_change_are_told(
    asked: dict[str, str], lost: TakenBack
) -> None:
    assert grown(pairs(a="k", b="k"), pairs(**asked)) == lost
