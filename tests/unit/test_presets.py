"""Presets, and rules that take all names of events."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.errors import OptionError
from pipeline.inputs.input_versions import local_file
from pipeline.inputs.rule_records import ranges_by_rules
from pipeline.inputs.sources import describe
from pipeline.launch.found_types import with_types_of_files
from pipeline.launch.rules_of_run import asked_rules
from tests.support.made_exports import OF_PRESETS, Read, as_lines, shopify_orders
from tests.support.read_exports import read_by
from tests.support.reading import reading
from transforms.data_error import DataError
from transforms.rules.event_names import with_types
from transforms.rules.model import Rules
from transforms.rules.presets import AS_RULES, PRESETS, as_rules, looked_like
from transforms.rules.rules_document import canonical
from transforms.rules.rules_file import read_rules

NOW = datetime(2026, 11, 27)
ALL = Rules(takes_all_types=True)


def preset(name: str) -> Rules:
    rules = asked_rules(as_rules(name))
    assert rules is not None
    return rules


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_rules(name: str) -> None:
    assert preset(name).column("event_time").fields
    assert as_rules(name) in AS_RULES


@pytest.mark.parametrize("name", OF_PRESETS)
def test_an_export_is_read_as_a_plain_loop_reads_it(name: str, tmp_path: Path) -> None:
    export = OF_PRESETS[name]()
    path = tmp_path / export.name
    path.write_bytes(export.data)
    rules = with_types_of_files(preset(name), [local_file(str(path))])
    assert rules is not None
    assert rules.own_event_types == tuple(sorted({read.type for read in export.read}))
    assert read_by(path, rules) == list(export.read)


def segment_table(folder: Path, kind: str, **columns: str) -> Path:
    """A table of Segment's in a warehouse, of two rows, as Snowflake calls its columns."""
    table = pa.table(
        {
            name.upper(): [value, value]
            for name, value in {
                "id": "1",
                "anonymous_id": "a",
                "user_id": "u",
                "timestamp": "2026-07-01 03:01:19.689",
                "original_timestamp": "2026-07-01 03:01:19.689",
                "context_os_name": "iOS",
                **columns,
            }.items()
        }
    )
    path = folder / f"table.{kind}"
    (csv.write_csv if kind == "csv" else pq.write_table)(table, str(path))
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("columns", "type"), [({"event": "bought"}, "bought"), ({}, "page")])
def test_tables_of_segment_in_warehouses(
    tmp_path: Path, kind: str, columns: dict[str, str], type: str
) -> None:
    path = segment_table(tmp_path, kind, **columns)
    rules = with_types_of_files(preset("segment"), [local_file(str(path))])
    assert rules is not None and rules.own_event_types == (type,)
    (names, *_) = (source.names for source in describe(local_file(str(path)), rules.input))
    assert looked_like(names) == looked_like([name.lower() for name in names]) == "segment"
    at = "2026-07-01T03:01:19.689000"
    assert read_by(path, rules) == [Read(at, "u", type, "iOS", "", "")] * 2


def test_a_table_that_is_none_of_segment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    for header, lacks in (
        ("timestamp,user_id,action", "'messageId' or 'message_id' or 'id'"),
        ("id,event,user_id", "'timestamp' or"),
        ("id,event,timestamp", "'userId' or"),
    ):
        path.write_text(f"{header}\n1,2,3\n")
        with pytest.raises(DataError, match=f"names {lacks}"):
            [*ranges_by_rules(local_file(str(path)), preset("segment"), None)]


def test_an_order_of_several_items_earns_its_total_once(tmp_path: Path) -> None:
    text, orders = shopify_orders()
    path, home = tmp_path / "orders.csv", tmp_path / "g.duckdb"
    path.write_text(text)
    warehouse = f"duckdb:///{home}"
    assert (
        main(["batch", "--input", str(path), "--preset", "shopify", "--warehouse", warehouse]) == 0
    )
    with reading(home) as connection:
        found = connection.execute(
            "SELECT event_time::VARCHAR, user_id, miles_amount, country FROM fct_events "
            "WHERE event_type = 'miles_earned' ORDER BY event_time"
        ).fetchall()
        further = connection.execute(
            "SELECT count(*) FROM fct_events WHERE event_type = 'further_items'"
        ).fetchall()
    assert found == [(at, who, (cents + 50) // 100, land) for at, who, cents, land in orders]
    assert further == [(sum(place % 4 > 0 for place in range(len(orders))),)]


def test_all_names_are_types_but_those_that_can_not_be() -> None:
    names = {"b": 2, "a": 1, "like": 9, 'say "hi"': 1, "x" * 101: 1, "old": 3}
    assert with_types(ALL, names, ("old",)).own_event_types == ("old", "a", "b")


def test_more_names_than_types_are_refused_with_the_most_frequent() -> None:
    names = {f"name {place}": place for place in range(1, 100)}
    assert len(with_types(ALL, names, ("old",)).own_event_types) == 100
    told = r"have 99 names of events, beside the 2 .* ones are name 99 \(99\), name 98 \(98\)"
    with pytest.raises(DataError, match=told):
        with_types(ALL, names, ("old", "older"))


def test_a_run_with_too_many_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"event": f"viewed {place}", "properties": {}} for place in range(11_000)]
    path.write_text(as_lines(rows))
    with pytest.raises(OptionError, match="the files have 11,000 names of events"):
        with_types_of_files(preset("mixpanel"), [local_file(str(path))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[event_types]\nown = "all"\n', "event_types.own is 'all': give a list"),
        (
            '[event_types]\nown = "*"\n[values.event_type]\n"*" = "like"\n',
            "is for all other names, which own",
        ),
        (
            '[event_types]\nown = "*"\n[values.event_type]\na = "b,c"\n',
            "values.event_type.a is wrong: the own event type 'b,c' holds ','",
        ),
    ],
)
def test_rules_that_take_all_names_and_contradict_it(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_rules(text.encode(), "r.toml")


def test_what_was_found_is_not_noted() -> None:
    assert canonical(with_types(ALL, {"a": 1})) == canonical(ALL) == '{"event_types": {"own": "*"}}'


def test_rules_and_a_preset_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    files, messages = ["--input", "a"], ["--subscription", "projects/project/subscriptions/name"]
    for command, its in (
        *((name, files) for name in ("batch", "update", "inspect")),
        *((name, []) for name in ("rebuild", "replay", "check")),
        ("stream", messages),
    ):
        with pytest.raises(SystemExit):
            main([command, *its, "--rules", "r.toml", "--preset", "ga4"])
        assert "--rules and --preset do not go together" in capsys.readouterr().err


def test_inspect_tries_a_preset_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export, written = OF_PRESETS["snowplow"](), tmp_path / "rules.toml"
    path = tmp_path / export.name
    path.write_bytes(export.data)
    words = ["inspect", "--input", str(path), "--preset", "snowplow", "--write_rules", str(written)]
    assert main(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "300 of 300 rows (100.00%) pass by preset snowplow" in told
    assert read_rules(written.read_bytes(), "r") == preset("snowplow")
