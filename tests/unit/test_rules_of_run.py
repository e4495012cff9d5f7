"""Which rules a run takes, and which it refuses."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import OptionError, RunError
from pipeline.launch.rules_of_run import (
    NO_RULES,
    asked_rules,
    differences,
    note_of,
    noted_rules,
    rules_of_run,
    rules_to_add,
    rules_to_keep,
)
from tests.support.tables import NOW
from transforms.rules.model import Rules
from transforms.rules.rules_file import read_rules
from transforms.state import warehouse_settings

SHOP = '[columns]\nuser_id = "who"\n[values.event_type]\nOrder = "like"\n'


class Noted:
    """A warehouse that notes rules."""

    url = "duckdb:///growth.duckdb"

    def __init__(self, note: str | None):
        self._note = note

    def kept_open(self) -> AbstractContextManager[None]:
        return nullcontext()

    def present(self) -> set[str]:
        return set() if self._note is None else {warehouse_settings.TABLE.name}

    def read(self, table: Any) -> pa.Table:
        return warehouse_settings.rows({"input_rules": str(self._note)}, NOW)


def rules(text: str) -> Rules:
    return read_rules(text.encode(), "rules.toml")


def noting(text: str | None) -> Any:
    return Noted(None if text is None else note_of(rules(text)))


def test_without_a_file_a_run_takes_those_that_are_noted(tmp_path: Path) -> None:
    other = tmp_path / "rules.toml"
    other.write_text('[columns]\nuser_id = "other"')
    assert rules_of_run(noting(SHOP), None) == rules(SHOP)
    assert rules_of_run(noting(SHOP), NO_RULES) is None
    assert rules_of_run(noting(SHOP), str(other)) == rules(other.read_text())
    assert rules_of_run(noting(None), None) is None
    assert noted_rules(Noted(note_of(None))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("note", ['{"later": {}}', "[", '{"time": {"zone": "Nowhere"}}'])
def test_a_note_of_a_later_version_is_refused(note: str) -> None:
    warehouse: Any = Noted(note)
    with pytest.raises(RunError, match="notes rules that this version does not know"):
        noted_rules(warehouse)


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    with pytest.raises(OptionError, match=r"--rules .*rules.toml: it can't be read .*check the"):
        asked_rules(str(path))
    path.write_text("[colums]")
    with pytest.raises(OptionError, match=r"--rules .*rules.toml, line 1: colums is no key"):
        asked_rules(str(path))
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(OptionError, match="over 1 MiB, and is no rules then"):
        asked_rules(str(path))


def test_what_is_added_is_read_as_what_is_there() -> None:
    again = rules(f'[input]\ndelimiter = ";"\n{SHOP}')
    assert rules_to_add(noting(SHOP), again, "again.toml") == again
    assert rules_to_add(noting(SHOP), None, None) == rules(SHOP)
    assert rules_to_add(noting(None), None, NO_RULES) is None


@pytest.mark.parametrize(
    ("noted", "asked", "message"),
    [
        (
            SHOP,
            SHOP.replace("who", "whom"),
            'other rules, and this run adds to them: columns.user_id is "who" there and "whom" '
            "here. Leave --rules out to go on as they are, or run .*batch.* over all files with",
        ),
        (None, SHOP, "no rules, and this run adds to them: columns.user_id is not said there and"),
        (SHOP, None, 'columns.user_id is "who" there and not said here; values.event_type.Order'),
        (
            SHOP,
            f'{SHOP}[event_types]\nown = ["opened"]',
            r'event_types.own is not said there and \["opened"\] here.*, or run .*replay.* first',
        ),
    ],
)
def test_other_rules_are_refused_with_the_way_out(
    noted: str | None, asked: str | None, message: str
) -> None:
    given = None if asked is None else rules(asked)
    with pytest.raises(OptionError, match=message):
        rules_to_add(noting(noted), given, "rules.toml")


def test_of_lists_what_is_more_on_either_side_is_told() -> None:
    names = [f"name {number}" for number in range(30)]
    there, here = (
        rules(f"{SHOP}[event_types]\nown = {own}") for own in (names, [*names[1:], "new"])
    )
    assert differences(there, here) == "event_types.own has 'name 0' there and has 'new' here"


def test_many_differences_are_told_in_short() -> None:
    lines = "".join(f'"kind {number}" = "like"\n' for number in range(9))
    found = differences(rules(SHOP), rules(f"{SHOP}{lines}"))
    assert found.count(" here") == 3 and found.endswith("; and 6 more")


def test_a_rebuild_takes_more_event_types_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f'{SHOP}[event_types]\nown = ["opened"]')
    assert rules_to_keep(noting(SHOP), str(path)) == rules(path.read_text())
    assert rules_to_keep(noting(SHOP), None) == rules(SHOP)
    path.write_text(SHOP.replace("like", "share"))
    with pytest.raises(OptionError, match=r'Order is "like" there and "share" here. Run .*batch'):
        rules_to_keep(noting(SHOP), str(path))
    path.write_text(SHOP)
    with pytest.raises(OptionError, match=r"event_types.own"):
        rules_to_keep(noting(f'{SHOP}[event_types]\nown = ["opened"]'), str(path))
