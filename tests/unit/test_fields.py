"""The rules of single source fields."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.scaling import costs_at_most
from tests.support.thorough import examples
from transforms.kernels import fields
from transforms.kernels.fields import ABSENT, REFUSED, TOO_MANY
from transforms.vocabulary import EVENT_TYPES

INT64_MAX = 9_223_372_036_854_775_807
MOST = 1_000_000_000_000
SPACES = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000"

padded_words = st.builds(
    "{}{}{}".format,
    st.text(SPACES, max_size=2),
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("aZ0é\ufeff\u200b\x00"))),
    st.text(SPACES, max_size=2),
)


def whole_number(text: str) -> int:
    """By the rule's words: digits, perhaps a point and zeros; its value from Decimal."""
    text = text.strip()
    if not text:
        return ABSENT
    parts = text.split(".")
    if len(parts) > 2 or not all(part.isascii() and part.isdecimal() for part in parts):
        return REFUSED
    value = Decimal(text)
    whole = value.to_integral_value()
    if value != whole:
        return REFUSED
    return int(value) if value <= MOST else TOO_MANY


def encoded(texts: list[str]) -> pa.DictionaryArray:
    return pa.array(texts, pa.string()).dictionary_encode()


amount_texts = st.one_of(
    st.integers(-5, 2 * MOST).map(str),
    st.integers(-5, 2 * INT64_MAX).map(str),
    st.from_regex(r"\s?0{0,3}[0-9]{1,20}(\.0{0,3}[01]?)?\s?", fullmatch=True),
    st.text("0123456789.-+eE_, \u0663\uff15", max_size=8),
    st.text(max_size=5),
)


NO_AMOUNTS = ["575.", ".0", ".", "-0", "-1", "+575", "1e3", "575.5", "575.01", "5 75", "5,000"]
NO_AMOUNTS += ["nan", "inf", "0x10"]
NO_AMOUNTS += ["1_000", "NULL", "\uff15\uff17\uff15", "\u0665", "\u00b2", "575\x00", "5\n7"]
NO_AMOUNTS += ["575.0.0", "575.0\x00"]


class TestMilesAmount:
    @settings(max_examples=examples(50, 150), deadline=None)
    @given(texts=st.lists(amount_texts, max_size=8))
    def test_is_what_decimal_makes_of_it(self, texts: list[str]) -> None:
        expected = [whole_number(text) for text in texts]
        assert [fields.miles_amount(text) for text in texts] == expected
        assert fields.amounts(encoded(texts)).tolist() == expected

    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("575", 575),
            ("575.0", 575),
            ("575.000000000000000000000000", 575),
            (" 575 ", 575),
            ("\u3000575\u00a0", 575),
            ("0575", 575),
            ("0", 0),
            ("0.0", 0),
            ("000", 0),
            ("1000000000000", MOST),
            ("1000000000000.0", MOST),
            ("0001000000000000", MOST),
            ("1000000000001", TOO_MANY),
            ("1000000000001.0", TOO_MANY),
            ("999999999999999999", TOO_MANY),
            ("9223372036854775807", TOO_MANY),
            ("9223372036854775808", TOO_MANY),
            ("1" * 5000, TOO_MANY),
            ("0" * 5000 + "7", 7),
            ("7." + "0" * 5000, 7),
            ("", ABSENT),
            (" \t", ABSENT),
        ],
    )
    def test_whole_numbers(self, text: str, amount: int) -> None:
        assert fields.miles_amount(text) == amount
        assert fields.amounts(encoded([text, "1", text])).tolist() == [amount, 1, amount]

    @pytest.mark.parametrize("text", NO_AMOUNTS)
    def test_anything_else_is_refused(self, text: str) -> None:
        assert fields.miles_amount(text) == REFUSED
        assert fields.amounts(encoded(["1", text])).tolist() == [1, REFUSED]

    def test_time_grows_with_length_alone(self) -> None:
        def reading(zeros: int) -> Callable[[], object]:
            return partial(fields.miles_amount, "0" * zeros + "x")

        # Twenty times the length: 20 if linear, 400 if quadratic.
        assert costs_at_most(150, reading(20_000), reading(1_000))


class TestPlatformAndEventType:
    @pytest.mark.parametrize(
        ("text", "code"),
        [("iOS", 0), ("ios", 0), ("IOS", 0), (" Android\t", 1), ("aNDROID", 1), ("WEB", 2)]
        + [(text, REFUSED) for text in ("", " ", "i OS", "iOS 17", "windows", "io\u017f")],
    )  # fmt: skip
    def test_platform_is_matched_whatever_its_case(self, text: str, code: int) -> None:
        assert fields.platform_code(text) == code

    @pytest.mark.parametrize(
        ("text", "code"),
        [("miles_earned", 0), ("miles_redeemed", 1), ("share", 2), ("like", 3)]
        + [("reward_search", 4), (" like\n", 3)]
        + [(text, REFUSED) for text in ("", "Like", "LIKE", "likes", "miles earned", "like,")],
    )  # fmt: skip
    def test_event_type_is_matched_to_the_letter(self, text: str, code: int) -> None:
        assert fields.event_type_code(EVENT_TYPES)(text) == code

    def test_codes_follow_the_rows_of_a_slice(self) -> None:
        column = encoded(["web", "ios", "x", "web", "android"]).slice(1, 3)
        assert fields.codes(column, fields.platform_code).tolist() == [0, REFUSED, 2]
        assert fields.codes(encoded([]), fields.platform_code).tolist() == []


class TestLabels:
    @pytest.mark.parametrize(
        ("text", "code"),
        [("DE", "DE"), ("de", "DE"), (" dE ", "DE"), ("", None), (" \u3000", None)],
    )
    def test_country_is_two_letters(self, text: str, code: str | None) -> None:
        assert fields.country(text) == code

    @pytest.mark.parametrize(
        "text",
        ["D", "DEU", "D1", "D E", "\u00e9\u00e9", "\uff24\uff25", "\u00df", "--", "D\x00", "D\nE"],
    )
    def test_any_other_country_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not two letters"):
            fields.country(text)

    @settings(max_examples=examples(26, 80), deadline=None)
    @given(texts=st.lists(padded_words, max_size=10), start=st.integers(0, 3))
    def test_sources_and_categories(self, texts: list[str], start: int) -> None:
        column = encoded(texts).slice(start)
        texts = texts[start:]
        categories, refused = fields.labels(column, fields.category)
        sources, _ = fields.labels(column, fields.utm_source)
        assert categories.to_pylist() == [text.strip() or None for text in texts]
        assert sources.to_pylist() == [text.strip().lower() or None for text in texts]
        assert len(set(sources.dictionary.to_pylist())) == len(sources.dictionary)
        assert refused.tolist() == [False] * len(texts)

    def test_refused_labels_are_null(self) -> None:
        column, refused = fields.labels(encoded(["de", "Germany", "", "DE "]), fields.country)
        assert column.to_pylist() == ["DE", None, None, "DE"]
        assert column.dictionary.to_pylist() == ["DE"]
        assert refused.tolist() == [False, True, False, False]


class TestBlank:
    def test_is_what_shows_nothing(self) -> None:
        # Unicode 15: Default_Ignorable_Code_Point beyond the format characters (Cf).
        fillers = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2065}
        fillers |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9)}
        fillers |= set(range(0xE0000, 0xE1000))
        # Cf, and yet they show: signs around Arabic, Syriac, Kaithi and Egyptian text.
        shown = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
        shown |= {*range(0xFFF9, 0xFFFC), *range(0x13430, 0x13440)}
        codes = [*range(0xD800), *range(0xE000, 0x110000)]
        expected = [
            chr(code).isspace()
            or code in fillers
            or (unicodedata.category(chr(code)) in ("Cc", "Cf") and code not in shown)
            for code in codes
        ]
        texts = pa.array([chr(code) for code in codes])
        found = fields.blank(fields.trimmed(texts)).tolist()
        assert [hex(code) for code in codes if found[code - 0x800 * (code > 0xD800)]] == [
            hex(code) for code, unseen in zip(codes, expected, strict=True) if unseen
        ]

    @pytest.mark.parametrize(
        ("text", "blank"),
        [
            ("", True),
            ("\u200b\ufeff \x00", True),
            ("\ufeffu1", False),
            ("\x00u1\x00", False),
            ("\u0645", False),
            ("\u3042", False),
            ("0", False),
        ],
    )
    def test_of_columns_is_that_of_texts(self, text: str, blank: bool) -> None:
        assert fields.is_blank(text) == blank
        column = fields.trimmed(pa.array(["x", text, "", text])).slice(1)
        assert fields.blank(column).tolist() == [blank, True, blank]


class TestTrimmed:
    @settings(max_examples=examples(66, 200), deadline=None)
    @given(texts=st.lists(padded_words, max_size=8), data=st.data())
    def test_is_strip(self, texts: list[str], data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(texts)))
        length = data.draw(st.integers(0, len(texts) - start))
        column = pa.array(texts, pa.string()).slice(start, length)
        expected = [text.strip() for text in texts[start : start + length]]
        assert fields.trimmed(column).to_pylist() == expected

    def test_is_strip_for_every_character(self) -> None:
        texts = [f"{chr(code)}x{chr(code)}" for code in [*range(0xD800), *range(0xE000, 0x11000)]]
        texts += [chr(code) for code in range(0x3100)]
        trimmed = fields.trimmed(pa.array(texts))
        assert trimmed.equals(pa.array([text.strip() for text in texts]))

    def test_what_has_nothing_to_trim_is_not_copied(self) -> None:
        column = pa.array(["a", "b c", ""])
        assert fields.trimmed(column) is column
        assert np.array_equal(fields.trimmed(pa.array([], pa.string())), [])
