"""Values of the source that stand for a blank, as [input] null says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.launch.rules_of_run import differences
from tests.support.in_process import command_here
from tests.support.made_source_rows import of_columns, of_objects
from tests.support.tables import LIMITS, NOW
from transforms.data_error import DataError
from transforms.kernels.messages import Message
from transforms.kernels.records import RawRecords
from transforms.kernels.source_rows import SourceRows
from transforms.parse_step import parse_part
from transforms.rules.event_names import names_alone, names_in
from transforms.rules.model import Rules
from transforms.rules.nulls import without_nulls
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.read_messages import read_messages
from transforms.rules.rule_additions import only_add
from transforms.rules.rules_document import canonical, rules_of
from transforms.rules.rules_file import read_rules
from transforms.vocabulary import SOURCE_COLUMNS

NULL: Final = '[input]\nnull = ["\\\\N", "-", " NULL "]\n'
RULES: Final = """\
[columns]
user_id = ["uid", "id"]
platform = {field = "app", default = "Web"}
event_id = ["key", "other.key"]
[values.country]
"*" = "ZZ"
[exclude]
where = {agent = "^[-]|N"}
"""
ROWS: Final = {
    "event_time": ["2026-07-01T00:00:00Z"] * 4,
    "uid": ["\\N", " - ", "null", "a"],
    "id": ["i1", "i2", "i3", "-"],
    "event_type": ["like", "like", "like", "NULL"],
    "miles_amount": ["-", "\\N", "1", "2"],
    "app": ["-", "ios", "NULL", "Web"],
    "utm_source": ["-", "a - b", "-x", "\\N"],
    "country": ["-", "Atlantis", "de", "\\N"],
    "key": ["-", "k2", "k3", "\\N"],
    "agent": ["-", "\\N", "x", "NULL"],
}
READ: Final = {
    "event_time": ROWS["event_time"],
    "user_id": ["i1", "i2", "null", "a"],
    "event_type": ["like", "like", "like", ""],
    "transaction_category": [""] * 4,
    "miles_amount": ["", "", "1", "2"],
    "platform": ["Web", "ios", "Web", "Web"],
    "utm_source": ["", "a - b", "-x", ""],
    "country": ["", "ZZ", "de", ""],
}


def rules(text: str) -> Rules:
    return read_rules(text.encode(), "rules.toml")


def in_columns() -> SourceRows:
    return of_columns({**ROWS, "other.key": ["-"] * 4})


def in_dictionaries() -> SourceRows:
    return of_columns(
        {
            name: pa.array(column, pa.string()).dictionary_encode()
            for name, column in {**ROWS, "other.key": ["-"] * 4}.items()
        }
    )


def in_structs() -> SourceRows:
    return of_columns({**ROWS, "other": pa.array([{"key": "-"}] * 4)})


def in_json() -> SourceRows:
    rows = zip(*ROWS.values(), strict=True)
    return of_objects(
        *({**dict(zip(ROWS, row, strict=True)), "other": {"key": "-"}} for row in rows)
    )


@pytest.mark.parametrize("made", [in_columns, in_dictionaries, in_structs, in_json])
def test_nulls_are_blank_in_all_fields(made: object) -> None:
    assert callable(made)
    found: RawRecords = RuleReader(rules(NULL + RULES))(made())
    texts = [column.to_pylist() for column in found.columns]
    assert dict(zip(SOURCE_COLUMNS, texts, strict=True)) == READ
    assert found.event_ids is not None and found.event_ids.to_pylist() == ["", "k2", "k3", ""]
    # Blank is no value of a pattern; without nulls three rows are left out.
    assert found.excluded is not None and found.excluded.by_rule == {}
    plain = RuleReader(rules(RULES))(made()).excluded
    assert plain is not None
    assert {name: rows.tolist() for name, rows in plain.by_rule.items()} == {
        "where.agent": [True, True, False, True]
    }


def test_messages_have_nulls() -> None:
    data = {"event_time": NOW.isoformat(), "uid": "-", "id": 7, "event_type": "like", "app": "-"}
    message = Message(json.dumps(data).encode(), {}, "1")
    found, _ = read_messages([message], "s", RuleReader(rules(NULL + RULES)))
    events = parse_part(found, NOW, LIMITS, "1").parsed[0].events
    assert events["user_id"].to_pylist() == ["7"]


def test_a_null_is_no_name_of_an_event() -> None:
    every = rules(f'{NULL}[event_types]\nown = "*"')
    assert names_in(RuleReader(names_alone(every))(in_columns())) == {"like": 3}


@given(
    st.lists(st.none() | st.sampled_from(["-", " -\t", "--", "\\N", "", "a", "\u2003-", "é"])),
    st.sets(st.sampled_from(["-", "\\N", "é"]), min_size=1),
    st.booleans(),
)
def test_texts_without_nulls_are_as_a_plain_loop_has_them(
    texts: list[str | None], nulls: set[str], encoded: bool
) -> None:
    column = pa.array(texts, pa.string())
    found = without_nulls(column.dictionary_encode() if encoded else column, sorted(nulls))
    expected = ["" if (text or "").strip() in nulls else text or "" for text in texts]
    assert [text or "" for text in found.to_pylist()] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[input]\nnull = [1]", "line 2: input.null is a number: put a text in quotes"),
        ('[input]\nnull = "-"', r"line 2: input.null is a text: give a list, as in \["),
        ('[input]\nnull = [" "]', "line 2: input.null is blank: say what it is, or leave it out"),
        ('[input]\nnull = ["-", "-"]', "line 2: input.null has '-' more than once"),
        (f"[input]\nnull = {[str(n) for n in range(21)]}", "has 21 items: give 20 at most"),
        (f'{NULL}[values.platform]\n"-" = "Web"', "line 4: values.platform.- is blank by null of"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rules(text)


def test_nulls_are_noted_and_other_ones_are_other_rules() -> None:
    more, plain = rules(NULL + RULES), rules(RULES)
    assert more.nulls == ("\\N", "-", "NULL")
    assert rules_of(json.loads(canonical(more))) == more
    assert not (only_add(plain, more) or only_add(more, plain))
    assert differences(plain, more) == (
        'input.null is not said there and ["\\\\N", "-", "NULL"] here'
    )
    delimiter = NULL.replace("null", 'delimiter = ";"\nnull')
    assert differences(more, rules(delimiter + RULES)) == ""


COPY: Final = """\
[input]
names = ["event_time", "uid", "event_type", "platform"]
null = ["\\\\N"]
[columns]
user_id = {field = "uid", default = "nobody"}
"""


def test_batches_and_updates_read_nulls_of_copy(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("2026-07-01T00:00:00Z\t\\N\tlike\tWeb\n")
    (tmp_path / "b.tsv").write_text(
        "2026-07-02T00:00:00Z\tu\tlike\tWeb\n2026-07-02T00:00:00Z\t\\N\t\\N\tWeb\n"
    )
    (tmp_path / "r.toml").write_text(COPY)
    home = ("--warehouse", f"duckdb:///{tmp_path}/g.duckdb")
    run = command_here("batch", "--input", "a.tsv", "--rules", "r.toml", *home, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    run = command_here("update", "--input", "*.tsv", *home, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with duckdb.connect(str(tmp_path / "g.duckdb"), read_only=True) as connection:
        users = connection.execute("SELECT user_id FROM fct_events ORDER BY ALL").fetchall()
        letters = connection.execute("SELECT error_type FROM dead_letter_events").fetchall()
    assert (users, letters) == ([("nobody",), ("u",)], [("unknown_event_type",)])
    (tmp_path / "r.toml").write_text(COPY.replace('N"', 'N", "-"'))
    for command in ("update --input *.tsv", "replay"):
        run = command_here(*command.split(), "--rules", "r.toml", *home, cwd=tmp_path)
        assert run.returncode == 2 and "input.null has '-' here" in run.stderr
