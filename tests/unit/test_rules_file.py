"""A file of rules: what it says, what is wrong with one, and what editors are told of it."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.launch.rules_of_run import differences
from tests.support.some_rules import some_rules
from transforms.data_error import DataError
from transforms.kernels.input_formats import Given
from transforms.rules.model import AmountRules, Column, Rules, TimeRules, ValueMap
from transforms.rules.rules_document import canonical, document_of, rules_of
from transforms.rules.rules_file import read_rules
from transforms.rules.rules_shape import SHAPE, json_schema

SCHEMA = Path(__file__).parents[2] / "docs" / "rules.schema.json"

WHOLE = b"""\
[input]
format = "csv"
delimiter = ";"
encoding = "cp1252"
[columns]
event_time = "timestamp"
user_id = ["userId", "anonymousId"]
platform = {field = "context.os.name", default = "Web"}
transaction_category = {constant = "order"}
[time]
format = ["%d.%m.%Y", "iso"]
zone = "Europe/Berlin"
[amount]
decimal = ","
thousands = "."
miles_per_unit = 0.1
[values.event_type]
"Order Completed" = "miles_earned"
Opened = "opened"
"*" = "share"
[event_types]
own = ["opened"]
"""


def test_all_keys_are_read() -> None:
    assert read_rules(WHOLE, "rules.toml") == Rules(
        Given(format="csv", delimiter=";", encoding="cp1252"),
        {
            "event_time": Column(("timestamp",)),
            "user_id": Column(("userId", "anonymousId")),
            "platform": Column(("context.os.name",), "Web"),
            "transaction_category": Column(default="order"),
        },
        TimeRules(("%d.%m.%Y", "iso"), "Europe/Berlin"),
        AmountRules(",", ".", Decimal("0.1")),
        {"event_type": ValueMap({"Order Completed": "miles_earned", "Opened": "opened"}, "share")},
        ("opened",),
    )


def test_an_empty_file_says_nothing() -> None:
    assert read_rules(b"", "rules.toml") == Rules()
    assert document_of(Rules()) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[colums]\na = 1",
            "line 1: colums is no key of rules; there are input, .*; did you mean columns?",
        ),
        (
            '[columns]\n\nuser_ids = "a"',
            "line 3: columns.user_ids is no key .*; did you mean user_id?",
        ),
        ("[columns]\nuser_id = 5", "line 2: columns.user_id is a number: give the source's name"),
        ('[columns]\nuser_id = ""', "line 2: columns.user_id is blank: say what it is"),
        ("[columns]\nuser_id = []", "line 2: columns.user_id is empty"),
        ('[columns]\nuser_id = ["a", "a"]', "line 2: columns.user_id has 'a' more than once"),
        ('[columns]\ncountry = {default = "DE"}', "columns.country names no source: give field"),
        (
            '[columns]\nplatform = {constant = "Web", field = "a"}',
            "columns.platform has a constant and more",
        ),
        ('[columns]\ncountry = {constant = "Germany"}', "'Germany' is not the two letters"),
        (
            'columns.miles_amount = {field = "a", default = "x"}',
            "line 1: .*no whole number of miles",
        ),
        ('[time]\nzone = "Europe/Berlim"', "line 2: time.zone .*; did you mean Europe/Berlin?"),
        ('[time]\nformat = "epoch"', "time.format 'epoch' is no pattern .*; did you mean epoch_s?"),
        ('[time]\nformat = "%Q"', "time.format '%Q' is no pattern of strptime: %Q"),
        ("[time]\nformat = 1", "time.format is a number: give a text in quotes"),
        (
            '[values.event_type]\n"a" = "miles_earn"',
            "line 2: values.event_type.a 'miles_earn' is none of .*; did you mean miles_earned?",
        ),
        ('[values]\nplatform = {iPhone = "IOS9"}', "line 2: .*; did you mean iOS?"),
        ('[values.country]\nuk = "GB"\nUK = "UA"', "line 3: .*is the same value as 'uk' here"),
        ('[values.platform]\n"" = "Web"', "is for blanks: give columns.platform a default"),
        ('[amount]\nmiles_per_unit = "5"', "amount.miles_per_unit is a text: give a number"),
        ("[amount]\nmiles_per_unit = -5", "amount.miles_per_unit is -5: give a number above 0"),
        ("[amount]\nmiles_per_unit = inf", "amount.miles_per_unit is inf"),
        ("[amount]\nmiles_per_unit = true", "amount.miles_per_unit is true or false"),
        ('[amount]\nthousands = "."', "line 1: amount has the same sign for decimals"),
        (
            '[event_types]\nown = ["share"]',
            "line 2: event_types.own is wrong: .* 'share' is one of the five",
        ),
        ('[input]\ndelimiter = ";;"', "line 1: input is wrong: delimiter is ';;': it is one"),
        ('[input]\nencoding = "utf-9"', "input is wrong: encoding is 'utf-9'"),
        ('[input]\nformat = "xlsx"', "input.format 'xlsx' is none of csv, jsonl, json, parquet"),
        (
            '[patterns.platform]\n# "a" = 1\n"a=\\\\." = "Web"\n"(b\\\\." = "Web"',
            r"line 4: patterns.platform.\(b\\. '\(b\\\\.' is no regular expression of RE2",
        ),
        (
            "[patterns.platform]\n'a=\\.' = 'Windows'",
            r"line 2: patterns.platform.a=\\. 'Windows' is none of iOS, Android, Web",
        ),
        ('patterns.country."^x" = "Germany"', "line 1: .*is not the two letters"),
        ('[patterns.event_type]\n"^Bought" = "bought"', "line 2: .*others go to own in"),
        (
            '[patterns.platform]\n"*" = "Web"',
            r"line 2: patterns.platform.\* '\*' is no pattern: all others have their line in \[val",
        ),
        ('[patterns.platform]\n" " = "Web"', "line 2: .* is blank: say what it is"),
        ('[patterns.user_id]\nx = "a"', "line 1: patterns.user_id is no key of rules"),
        ("[columns", "rules.toml: .*Rules are TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(
        DataError, match=message.replace("?", r"\?").replace(r".*\?", ".*?")
    ) as raised:
        read_rules(text.encode(), "rules.toml")
    assert str(raised.value).startswith("rules.toml")
    assert "\n" not in str(raised.value)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"column 11\): 'user_id = userId'\. Rules are TOML: a table"
    ):
        read_rules(b"[columns]\nuser_id = userId", "rules.toml")
    with pytest.raises(DataError, match="byte 5 is not UTF-8: save the file as UTF-8"):
        read_rules("[a]\n#ü".encode("latin-1"), "rules.toml")


@given(some_rules())
def test_rules_come_back_from_what_is_noted_and_sent(rules: Rules) -> None:
    again = rules_of(json.loads(canonical(rules)))
    assert again == rules
    assert canonical(again) == canonical(rules)
    assert pickle.loads(pickle.dumps(rules)) == rules


def test_rules_that_say_the_same_are_noted_alike() -> None:
    one = read_rules(b'[time]\nformat = "iso"\n[columns]\nuser_id = ["a"]\ncountry = "c"', "a")
    other = read_rules(b'columns = {country = "c", user_id = "a"}', "b")
    assert canonical(one) == canonical(other)


def test_patterns_are_noted_in_their_order() -> None:
    text = 'patterns.platform = {"b" = "iOS", "a" = "Web"}'
    one, other = (
        read_rules(found.encode(), "r")
        for found in (text, 'patterns.platform = {"a" = "Web", "b" = "iOS"}')
    )
    assert canonical(one) == '{"patterns": {"platform": {"b": "iOS", "a": "Web"}}}'
    assert rules_of(json.loads(canonical(one))) == one != other
    assert differences(one, other) == "patterns.platform has another order"
    assert differences(Rules(), one).startswith("patterns.platform is not said there and")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(SHAPE.shapes)), ANYTHING)
def test_a_strange_table_is_refused_and_nothing_else(name: str, value: object) -> None:
    text = json.dumps({name: value}, allow_nan=False) if _is_json(value) else "{}"
    try:
        rules = rules_of(json.loads(text))
    except Exception as error:
        assert type(error).__name__ == "ShapeError"
    else:
        assert rules_of(document_of(rules)) == rules


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def test_the_published_schema_is_the_shape() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), "run `python -m pipeline docs`"
