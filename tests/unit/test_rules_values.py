"""Amounts, values and names of fields by rules, one at a time."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transforms.rules
from transforms.data_error import DataError
from transforms.kernels.fields import MOST_MILES
from transforms.rules.amounts import whole_miles
from transforms.rules.countries import two_letters
from transforms.rules.field_paths import FieldPath, Step
from transforms.rules.model import AmountRules, Rules, ValueMap
from transforms.rules.rules_file import read_rules
from transforms.rules.values import value_rule

GERMAN = AmountRules(",", ".")


@pytest.mark.parametrize(
    ("text", "rules", "miles"),
    [
        ("170.90", AmountRules(miles_per_unit=Decimal(100)), "17090"),
        ("0.005", AmountRules(miles_per_unit=Decimal(100)), "1"),
        ("0.0049999999999999999999", AmountRules(miles_per_unit=Decimal(100)), "0"),
        ("1.15", AmountRules(miles_per_unit=Decimal(10)), "12"),
        ("-0.1", AmountRules(), "0"),
        ("-5", AmountRules(), None),
        ("1e3", AmountRules(), "1000"),
        ("1e999", AmountRules(), str(MOST_MILES + 1)),
        ("1e-999", AmountRules(), "0"),
        ("170.000,00", GERMAN, "170000"),
        ("1.234.567,5", GERMAN, "1234568"),
        ("1234567", GERMAN, "1234567"),
        ("1.5", GERMAN, None),
        ("1.2345", GERMAN, None),
        ("1,5", AmountRules(), None),
        ("1'234.5", AmountRules(thousands="'"), "1235"),
        ("1 234,50 €", AmountRules(",", " "), "1235"),
        ("$12.00", AmountRules(), "12"),
        ("12 USD", AmountRules(), None),
        ("1_000", AmountRules(), None),
        ("٣", AmountRules(), None),
        ("nan", AmountRules(), None),
        ("", AmountRules(), None),
        ("9" * 101, AmountRules(), None),
    ],
)
def test_amounts(text: str, rules: AmountRules, miles: str | None) -> None:
    assert whole_miles(text, rules) == miles


@given(st.decimals(0, 10**9, places=6), st.decimals("0.000001", 1000, places=6))
def test_amounts_are_exact_and_half_a_mile_is_rounded_up(amount: Decimal, rate: Decimal) -> None:
    exact = floor(Fraction(amount) * Fraction(rate) + Fraction(1, 2))
    found = whole_miles(f"{amount:f}", AmountRules(miles_per_unit=rate))
    assert found == str(min(exact, MOST_MILES + 1))


def of(name: str, text: str, values: ValueMap | None = None, own: tuple[str, ...] = ()) -> str:
    rule = value_rule(name, Rules(values={name: values} if values else {}, own_event_types=own))
    return text if rule is None else rule([text])[0]


def test_a_line_comes_before_what_is_ours_and_that_before_all_others() -> None:
    types = ValueMap({"Order Completed": "miles_earned", "like": "share"}, "reward_search")
    assert of("event_type", " Order Completed ", types) == "miles_earned"
    assert of("event_type", "order completed", types) == "reward_search"
    assert of("event_type", "like", types) == "share"
    assert of("event_type", "share", types) == "share"
    assert of("event_type", "opened", types, ("opened",)) == "opened"
    assert of("event_type", "opened", ValueMap({"x": "like"})) == "opened"


PIECES = ("iPhone", "iPad", "Android", "android", "Windows", " ", "UK", "x.y", "")
TRIED = {"(?i)iphone|ipad": "iOS", "^Win.*$": "Web", "Android": "Android", "x\\.y": "Web"}


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join), unique=True),
    st.permutations([*TRIED]),
    st.sampled_from([{}, {"Windows": "Android", "x.y": "iOS"}]),
    st.sampled_from([None, "Web"]),
)
def test_patterns_are_tried_as_a_plain_loop_tries_them(
    texts: list[str], patterns: list[str], lines: dict[str, str], others: str | None
) -> None:
    tried = tuple((pattern, TRIED[pattern]) for pattern in patterns)
    rule = value_rule("platform", Rules(values={"platform": ValueMap(lines, others, tried)}))
    assert rule is not None
    assert rule(texts) == [by_loop(text, patterns, lines, others) for text in texts]


def by_loop(text: str, patterns: list[str], lines: dict[str, str], others: str | None) -> str:
    for line, ours in lines.items():
        if line.lower() == text.strip().lower():
            return ours
    if text.strip().lower() == "android":
        return text
    for pattern in patterns:
        if re.search(pattern, text.strip(), re.IGNORECASE):
            return TRIED[pattern]
    return text if others is None else others


def test_patterns_come_behind_what_is_ours_and_names_of_countries() -> None:
    countries = ValueMap({}, "ZZ", (("land", "IS"), ("(?i)^the ", "NL")))
    assert of("country", "Iceland", countries) == "IS"
    assert of("country", "Poland", countries) == "PL"
    assert of("country", "The Hague", countries) == "NL"
    assert of("country", "Atlantis", countries) == "ZZ"
    assert of("utm_source", "www.google.de", ValueMap({}, None, (("google", "organic"),))) == (
        "organic"
    )
    types = ValueMap({"Buy": "like"}, None, (("^(Buy|opened)", "share"),))
    assert of("event_type", "Buy now", types) == "share"
    assert of("event_type", "Buy", types) == "like"
    assert of("event_type", "buy now", types) == "buy now"
    assert of("event_type", "opened", types, ("opened",)) == "opened"
    # Where all names are types, those that files have do not change what a pattern makes of one.
    every = Rules(values={"event_type": types}, own_event_types=("opened",), takes_all_types=True)
    rule = value_rule("event_type", every)
    assert rule is not None and rule(["opened", "left"]) == ["share", "left"]


def test_two_letters_that_name_a_country_otherwise_become_its_own() -> None:
    rule = value_rule("country", Rules())
    assert rule is not None
    assert rule(["UK", "uk", "EL", "GB", "fr"]) == ["GB", "GB", "GR", "GB", "fr"]


def test_what_stands_for_a_blank_becomes_one() -> None:
    rules = read_rules(b'[values.country]\n"(not set)" = ""\n[values.utm_source]\nnone = ""', "r")
    for name, text in (("country", "(Not Set)"), ("utm_source", "none")):
        rule = value_rule(name, rules)
        assert rule is not None
        assert rule([text, "SG"]) == ["", "SG"]
    with pytest.raises(DataError, match="is blank: say what"):
        read_rules(b'[values.event_type]\n"(none)" = ""', "r")


def test_case_matters_where_it_does_for_the_parser() -> None:
    platforms = ValueMap({"iPhone": "iOS"}, "Web")
    assert of("platform", "IPHONE", platforms) == "iOS"
    assert of("platform", "ANDROID", platforms) == "ANDROID"
    assert of("platform", "Linux", platforms) == "Web"
    assert of("utm_source", "Google", ValueMap({"google": "g"}, "rest")) == "g"
    assert of("utm_source", "bing", ValueMap({"google": "g"}, "rest")) == "rest"


def test_countries_are_known_by_name_and_three_letters() -> None:
    assert of("country", "Germany") == "DE"
    assert of("country", "usa") == "US"
    assert of("country", "de") == "de"
    assert of("country", "Atlantis") == "Atlantis"
    assert of("country", "Atlantis", ValueMap({}, "GR")) == "GR"
    assert of("country", "Germany", ValueMap({"Germany": "AT"})) == "AT"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("the Bahamas", "BS"),
        ("Côte d'Ivoire", "CI"),
        ("COTE D IVOIRE", "CI"),
        ("Trinidad and Tobago", "TT"),
        ("Trinidad & Tobago", "TT"),
        ("South Korea", "KR"),
        ("KOR", "KR"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Russia", "RU"),
        ("Russian Federation", "RU"),
        ("Viet Nam", "VN"),
        ("Hong Kong", "HK"),
        ("Deutschland", "DE"),
        ("ÖSTERREICH", "AT"),
        ("Etats-Unis", "US"),
        ("Estados Unidos", "US"),
        ("Paesi Bassi", "NL"),
        ("", None),
        ("Nowhere", None),
    ],
)
def test_names_of_countries(name: str, code: str | None) -> None:
    assert two_letters(name) == code


def test_the_table_of_countries_is_whole() -> None:
    lines = (Path(transforms.rules.__file__).parent / "countries.tsv").read_text().splitlines()
    table = [line.split("\t") for line in lines]
    assert len(table) == len({code for code, *_ in table}) == 250
    for code, three, *names in table:
        assert len(code) == 2 and len(three) == 3 and names
        assert [two_letters(name) for name in (three, *names)] == [code] * (1 + len(names))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("user", (Step("user"),)),
        ("context.os.name", (Step("context"), Step("os"), Step("name"))),
        ("event_params[value]", (Step("event_params"), Step("value", True))),
        ("a[0].b[k.k]", (Step("a"), Step("0", True), Step("b"), Step("k.k", True))),
        ("Amount [", (Step("Amount ["),)),
        ("a..b", (Step("a..b"),)),
        (".a", (Step(".a"),)),
        ("a.", (Step("a."),)),
        ("a b", (Step("a b"),)),
    ],
)
def test_paths(text: str, steps: tuple[Step, ...]) -> None:
    assert FieldPath.of(text).steps == steps


def test_a_column_of_the_whole_name_comes_first() -> None:
    path = FieldPath.of("a.b.c[k]")
    assert path.column_names == ("a.b.c[k]", "a.b.c", "a.b", "a")
    assert path.within(["a", "a.b", "a.b.c[k]"]) == ("a.b.c[k]", ())
    assert path.within(["a", "a.b"]) == ("a.b", (Step("c"), Step("k", True)))
    assert path.within(["b"]) is None
