"""Rows of CSV, JSON and Parquet, and rules, to events and dead letters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.made_source_rows import of_columns, of_lines, of_objects
from tests.support.some_rules import FIELDS, some_rules
from tests.support.thorough import examples
from transforms.data_error import DataError
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.kernels.source_records import PayloadFormat
from transforms.kernels.source_rows import SourceRows
from transforms.rules.model import Rules
from transforms.rules.read_again import ReadAgain
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.rule_additions import only_add
from transforms.rules.rules_file import read_rules
from transforms.vocabulary import SOURCE_COLUMNS

NOW = datetime(2026, 11, 27)
PLAIN = {
    "event_time": ["2026-07-01T00:00:00Z"],
    "user_id": ["u"],
    "event_type": ["miles_earned"],
    "miles_amount": ["5"],
    "platform": ["Web"],
}


def texts(rows: SourceRows, rules: str) -> list[dict[str, str]]:
    """The eight columns of each row."""
    raw = RuleReader(read_rules(rules.encode(), "rules.toml"))(rows)
    columns = [column.to_pylist() for column in raw.columns]
    return [dict(zip(SOURCE_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]


def parsed(rows: SourceRows, rules: str) -> Parsed:
    raw = RuleReader(read_rules(rules.encode(), "rules.toml"))(rows)
    return parse_records(raw, NOW, Limits())


def messages(rows: SourceRows, rules: str) -> list[tuple[str, str]]:
    return [(found.error_type, found.message) for found in parsed(rows, rules).rejections]


def one(rows: SourceRows, rules: str, name: str) -> list[str]:
    return [row[name] for row in texts(rows, rules)]


def test_without_a_line_columns_come_from_those_of_their_names() -> None:
    (row,) = texts(of_columns(PLAIN), "")
    assert row == {**dict.fromkeys(SOURCE_COLUMNS, ""), **{k: v[0] for k, v in PLAIN.items()}}


def test_of_several_fields_the_first_that_is_not_blank_counts() -> None:
    rows = of_columns(
        {**PLAIN, "a": ["u1", " ", "\u200b", None], "b": ["x", "u2", "u3", ""]}
        | {name: column * 4 for name, column in PLAIN.items()}
    )
    assert one(rows, 'columns.user_id = ["a", "b"]', "user_id") == ["u1", "u2", "u3", ""]
    assert one(rows, 'columns.user_id = ["gone", "b"]', "user_id") == ["x", "u2", "u3", ""]
    with_default = 'columns.user_id = {field = ["a", "b"], default = "nobody"}'
    assert one(rows, with_default, "user_id") == ["u1", "u2", "u3", "nobody"]


def test_a_file_may_lack_fields_that_are_optional() -> None:
    lines = """
        [columns]
        country = {field = "where", optional = true}
        platform = {field = "device", default = "iOS", optional = true}
        """
    rows = of_columns({name: column for name, column in PLAIN.items() if name != "platform"})
    assert one(rows, lines, "country") == [""]
    assert one(rows, lines, "platform") == ["iOS"]
    with pytest.raises(DataError, match=r"columns\.country of the rules names 'where', which it"):
        one(rows, lines.replace('"where", optional = true', '"where"'), "country")
    needed = 'columns.user_id = {field = "who", optional = true}'
    with pytest.raises(
        DataError, match=r"columns\.user_id of the rules names 'who', which it lacks"
    ):
        one(of_columns(PLAIN), needed, "user_id")


def test_constants_and_defaults_are_our_values() -> None:
    rules = """
        [columns]
        platform = {constant = "iOS"}
        miles_amount = {field = "amount", default = "7"}
        country = {field = "where", default = "SG"}
        [amount]
        miles_per_unit = 100
        [values.platform]
        "*" = "Web"
        """
    table = {name: column * 2 for name, column in PLAIN.items() if name != "platform"}
    rows = of_columns({**table, "amount": ["1.5", ""], "where": ["Germany", ""]})
    first, second = texts(rows, rules)
    assert (first["platform"], first["miles_amount"], first["country"]) == ("iOS", "150", "DE")
    assert (second["platform"], second["miles_amount"], second["country"]) == ("iOS", "7", "SG")


def test_user_agents_become_platforms_by_patterns() -> None:
    agents = ["Mozilla/5.0 (iPhone; CPU)", "Mozilla (Linux; Android 14)", "curl/8", "", "ANDROID x"]
    rows = {name: column * len(agents) for name, column in PLAIN.items()} | {"platform": agents}
    patterns = '[patterns.platform]\n"iphone|ipad" = "iOS"\n"(?i)android" = "Android"\n'
    platforms = ["iOS", "Android", "curl/8", "", "Android"]
    assert one(of_columns(rows), patterns, "platform") == platforms
    lines = of_objects(
        *(dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True))
    )
    others = f'{patterns}[values.platform]\n"*" = "Web"\n"curl/8" = "iOS"'
    assert one(lines, others, "platform") == ["iOS", "Android", "iOS", "", "Android"]


def test_fields_of_json() -> None:
    found: dict[str, Any] = {
        "a.b": "whole name",
        "a": {"b": "way", "c": {"d": 170.90}, "e/f~g": True},
        "l": [{"x": "first"}, {"x": "second"}],
        "none": None,
        "object": {"k": 1},
    }
    for field, expected in [
        ("a.b", "whole name"),
        ("a.c.d", "170.9"),
        ("a.e/f~g", "true"),
        ("l[1].x", "second"),
        ("l[7].x", ""),
        ("none", ""),
        ("gone.too", ""),
        ("object", '{"k":1}'),
    ]:
        rules = f'columns.utm_source = "{field}"'
        assert one(of_objects(found, {}), rules, "utm_source") == [expected, ""]


GA4 = [
    {"key": "page", "value": {"string_value": "home"}},
    {"key": "value", "value": {"int_value": None, "double_value": 2.5}},
    {"key": "empty", "value": {"int_value": None}},
    {"key": "plain", "value": "{text"},
]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("params[page]", "home"),
        ("params[value]", "2.5"),
        ("params[empty]", ""),
        ("params[plain]", "{text"),
        ("params[page].value.string_value", "home"),
        ("params[0].key", "page"),
        ("params[gone]", ""),
        ("within.params[page]", "home"),
        ("object[k]", "v"),
    ],
)
def test_lists_of_keys_and_values_in_json(field: str, expected: str) -> None:
    found = {"params": GA4, "within": {"params": GA4}, "object": {"k": "v"}}
    rows = of_objects(found, {"params": None}, {"params": 5}, {"params": [1, None]})
    rules = f'columns.utm_source = "{field}"'
    assert one(rows, rules, "utm_source") == [expected, "", "", ""]


def test_lines_that_are_no_objects_are_dead_letters() -> None:
    good = '{"event_time": "2026-07-01T00:00:00Z", "user_id": 5, "event_type": "like"}'
    bad = ["[1]", "nope", "", '"text"', "null", '{"a": "\\ud800"}', '{"a": 1', '{"a": 1} {"b": 2}']
    rows = of_lines([good, *bad, f" {good}"])
    found = parsed(rows, 'columns.platform = {constant = "Web"}')
    assert found.events["user_id"].to_pylist() == ["5", "5"]
    assert [rejection.position for rejection in found.rejections] == list("12345678")
    assert {r.payload for r in found.rejections} == {f"row {at}".encode() for at in range(1, 9)}
    assert {r.error_type for r in found.rejections} == {"malformed_row"}


VALUE = pa.struct([("string_value", pa.string()), ("double_value", pa.float64())])
PARAMS = pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))


@pytest.mark.parametrize(
    ("column", "field", "expected"),
    [
        (pa.array([{"os": {"name": "iOS"}}, None]), "x.os.name", "iOS"),
        (pa.array([GA4[:2], None], PARAMS), "x[page]", "home"),
        (pa.array([GA4[:2], []], PARAMS), "x[value]", "2.5"),
        (pa.array([GA4[:2], []], PARAMS), "x[value].value.double_value", "2.5"),
        (pa.array([GA4[:2], []], PARAMS), "x[0].key", "page"),
        (pa.array([[("k", "v")], None], pa.map_(pa.string(), pa.string())), "x[k]", "v"),
        (pa.array(['{"a": [{"key": "k", "value": 1.5}]}', "no"]), "x.a[k]", "1.5"),
        (pa.array(['{"a": {"b": "c"}}', None]), "x.a.b", "c"),
        (pa.array([170.9, None]), "x", "170.9"),
        (pa.array([Decimal("170.90"), None]), "x", "170.90"),
        (pa.array([True, None]), "x", "true"),
        (pa.array([b"bytes", b"\xff"]), "x", "bytes"),
        (pa.array(["a", None]).dictionary_encode(), "x", "a"),
        (pa.array(["a", None], pa.large_string()), "x", "a"),
        (pa.chunked_array([["a"], [None]]), "x", "a"),
        (pa.array([[1, 2], None]), "x[1]", "2"),
    ],
)
def test_fields_of_typed_columns(column: Any, field: str, expected: str) -> None:
    rows = of_columns({**{name: found * 2 for name, found in PLAIN.items()}, "x": column})
    assert one(rows, f'columns.utm_source = "{field}"', "utm_source") == [expected, ""]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([datetime(2026, 7, 1, 3, 1, 19, 5)], pa.timestamp("us")), (1, 1, 19, 5)),
        (pa.array([datetime(2026, 7, 1, 3, 1, 19)], pa.timestamp("s")), (1, 1, 19, 0)),
        (pa.array([datetime(2026, 7, 1, 3, 1, 19, tzinfo=UTC)]), (3, 1, 19, 0)),
        (pa.array([date(2026, 7, 2)]), (22, 0, 0, 0)),
    ],
)
def test_times_by_type_need_no_format(
    column: pa.Array, expected: tuple[int, int, int, int]
) -> None:
    rules = '[time]\nzone = "Europe/Berlin"\nformat = "epoch_s"'
    hour, minute, second, us = expected
    found = parsed(of_columns({**PLAIN, "event_time": column}), rules)
    assert found.events["event_time"].to_pylist() == [
        datetime(2026, 7, 1, hour, minute, second, us)
    ]


def test_a_message_names_whole_columns() -> None:
    rows = of_columns({f"CONTEXT_{at:03}": ["1"] for at in range(40)})
    with pytest.raises(DataError, match=r"CONTEXT_000, .*, CONTEXT_022 and 17 more\. Correct"):
        parsed(rows, "")


def test_names_that_differ_in_case_are_different() -> None:
    rows = of_columns({**PLAIN, "X": pa.array([{"a": "1"}]), "x": pa.array([{"a": "2"}])})
    assert one(rows, 'columns.utm_source = "x.a"', "utm_source") == ["2"]


CASE = "input.ignore_case = true\n"


@pytest.mark.parametrize(
    ("columns", "field", "found"),
    [
        (["SOURCE"], "source", "0"),
        (["SOURCE", "source"], "source", "1"),
        (["SOURCE", "Source"], "source", None),
        (["UTM_Source"], None, "0"),
        (["A.B", "a"], "a.b", "0"),
        (["other"], "source", None),
    ],
)
def test_columns_may_differ_in_case_where_rules_say_so(
    columns: list[str], field: str | None, found: str | None
) -> None:
    rows = of_columns({**PLAIN, **{name: [str(at)] for at, name in enumerate(columns)}})
    line = "" if field is None else f'columns.utm_source = "{field}"'
    rules = read_rules(f"{CASE}{line}".encode(), "r")
    # Those columns alone are read: they tell the same.
    wanted = rules.also_called(rules.wanted, rows.table.column_names)
    names = [name for name in rows.table.column_names if name in wanted]
    for table in (rows.table, rows.table.select(names)):
        if found is None:
            with pytest.raises(DataError, match="names 'source', which it lacks"):
                one(replace(rows, table=table), CASE + line, "utm_source")
        else:
            assert one(replace(rows, table=table), CASE + line, "utm_source") == [found]


def test_case_is_ignored_of_columns_alone() -> None:
    rows = of_columns({**PLAIN, "X": pa.array([{"a": "1", "B": "2"}])})
    assert one(rows, f'{CASE}columns.utm_source = "x.a"', "utm_source") == ["1"]
    with pytest.raises(DataError, match=r"names 'x\.b', which it lacks"):
        one(rows, f'{CASE}columns.utm_source = "x.b"', "utm_source")
    objects = of_objects({**{name: column[0] for name, column in PLAIN.items()}, "X": "1"})
    assert one(objects, f'{CASE}columns.utm_source = "x"', "utm_source") == [""]
    assert not only_add(Rules(), Rules(ignores_case=True))


def test_dead_letters_of_columns_in_another_case_are_read_again() -> None:
    form = PayloadFormat(("EVENT_TIME", "USER_ID", "EVENT_TYPE", "PLATFORM"), (0, 1, 2, 3), 4)
    again = ReadAgain(read_rules(CASE.encode(), "r"))([b"2026-07-01T00:00:00Z,u,like,Web"], form)
    assert parse_records(again, NOW, Limits()).events["user_id"].to_pylist() == ["u"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            'columns.user_id = "userid"',
            "columns.user_id of the rules names 'userid', which it lacks; "
            "it has .*, of which 'user_id' looks like it. Correct the rules",
        ),
        (
            'columns.country = {field = ["a", "b"], default = "DE"}',
            "names 'a' or 'b', which it lacks",
        ),
    ],
)
def test_fields_that_are_not_there_are_refused(rules: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        texts(of_columns(PLAIN), rules)


def test_a_source_without_a_column_that_is_needed_is_refused() -> None:
    table = {name: column for name, column in PLAIN.items() if name != "platform"}
    with pytest.raises(DataError, match=r"it has no column platform, and \[columns\] of the rules"):
        texts(of_columns(table), "")


def failing(rules: str, **columns: str) -> tuple[str, str]:
    (found,) = messages(of_columns({**PLAIN, **{k: [v] for k, v in columns.items()}}), rules)
    return found


def test_dead_letters_show_the_sources_own_value_and_the_rule() -> None:
    assert failing('time.format = "%d.%m.%Y"', event_time="31.02.2026") == (
        "bad_event_time",
        "event_time '31.02.2026' does not fit format = '%d.%m.%Y' in [time] of the rules",
    )
    assert failing('time.format = "epoch_ms"', event_time="1782874879") == (
        "event_time_out_of_range",
        "event_time '1970-01-21 15:14:34.879' lies before 2000-01-01T00:00:00Z or more than "
        "--max_future_minutes ahead: correct it, or replay it when its time has come; the source "
        "has '1782874879', read by format = 'epoch_ms' in [time] of the rules",
    )
    assert (
        failing('time.format = "epoch_s"', event_time="2026-07-01T00:00:00Z")[0] == "bad_event_time"
    )
    assert failing('amount.decimal = ","', miles_amount="1.5") == (
        "bad_miles_amount",
        "miles_amount '1.5' is no amount, 0 or more, with ',' before the decimals, as [amount] of "
        "the rules says",
    )
    assert failing("amount = {}", miles_amount="-5,00")[1].startswith("miles_amount '-5,00' is no")
    assert "the source has '1e99'" in failing("amount = {}", miles_amount="1e99")[1]
    for rules, columns, hint in [
        (
            "",
            {"event_type": "Order"},
            "'Order' is none of .*; give it a line in [values.event_type]",
        ),
        ("", {"platform": "Linux"}, "'Linux' is none of .*; give it a line in [values.platform]"),
        ("", {"country": "Atlantis"}, "'Atlantis' .*; give it a line in [values.country]"),
        (
            "",
            {"event_time": "1782874879"},
            "'1782874879' .*; by the rules it comes from 'event_time', and [time] says how",
        ),
        ("", {"miles_amount": "1.5"}, "'1.5' .*; decimals and other units need [amount]"),
        ("", {"user_id": " "}, "user_id is blank; by the rules it comes from 'user_id'"),
    ]:
        value, _, rest = hint.partition(".*")
        message = failing(rules, **columns)[1]
        assert value.strip() in message and rest in message


def test_amounts_of_other_events_are_left_out_however_they_are_written() -> None:
    rows = of_columns({**PLAIN, "event_type": ["like"], "miles_amount": ["what"]})
    found = parsed(rows, 'amount.decimal = ","')
    assert (len(found.events), found.ignored_amounts) == (1, 1)


VALUES = (
    st.sampled_from(
        [
            "",
            " ",
            "1782874879",
            "1782874879.5",
            "31.12.2025 23:59:59",
            "2026-03-29 02:30:00",
            "1.234,5",
        ]
    )
    | st.sampled_from(
        ["1e400", "-1", "{", '{"b": 1}', "iOS", "miles_earned", "Germany", "infinity", "\x00", "💥"]
    )
    | st.sampled_from(
        ["at 10:00 '01.02.2026'", "2026-07-01 03:01:19 +0200", "290309-12-22 00:00:00"]
    )
    | st.text(max_size=12)
)
SCALARS = VALUES | st.none() | st.booleans() | st.integers() | st.floats()
ITEMS = st.lists(
    st.fixed_dictionaries({"key": VALUES | st.just("k"), "value": SCALARS}), max_size=2
)
OBJECTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "list", "e", "odd ' \" name"]),
    SCALARS | ITEMS | st.dictionaries(st.sampled_from("bd"), SCALARS),
)


def whole(rows: SourceRows, rules: Rules) -> Parsed:
    """What becomes of rows, of which none may be lost."""
    raw = RuleReader(rules)(rows)
    assert len(raw) == len(rows)
    found = parse_records(raw, NOW, Limits())
    left_out = sum(found.excluded.values())
    assert len(found.events) + len(found.rejections) + left_out == len(rows)
    positions = [rejection.position for rejection in found.rejections]
    assert len(set(positions)) == len(positions)
    return found


@settings(max_examples=examples(25, 100))
@given(some_rules(), st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)), max_size=4))
def test_no_row_of_text_is_lost(rules: Rules, rows: list[dict[str, str]]) -> None:
    whole(of_columns({name: [row[name] for row in rows] for name in FIELDS}), rules)


@settings(max_examples=examples(25, 100))
@given(some_rules(), st.lists(OBJECTS, max_size=4), st.lists(st.text(max_size=10), max_size=2))
def test_no_row_of_json_is_lost(
    rules: Rules, objects: list[dict[str, Any]], others: list[str]
) -> None:
    rows = of_objects(*objects)
    lines = [*rows.table["json"].to_pylist(), *others]
    whole(of_lines(lines), rules)
