"""inspect: what files are, which of their fields are our columns, and rules that they pass with."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.inputs.input_versions import local_file
from pipeline.inputs.sample_rows import samples
from pipeline.launch import inspect_launch
from tests.support.made_exports import MADE, OF_PRESETS, Export, as_csv, shopify_orders
from tests.support.made_source_rows import of_columns, of_lines, of_objects
from tests.support.read_exports import read_by
from tests.support.thorough import examples
from transforms.kernels.event_time import parse_event_times
from transforms.kernels.input_formats import Given
from transforms.kernels.parse import Limits, parse_records
from transforms.rules.guess.guesses import Proposal, proposed
from transforms.rules.guess.rules_text import rules_text
from transforms.rules.guess.sample_fields import SampleField, sample_fields
from transforms.rules.guess.time_guess import guessed_times
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.rules_file import read_rules
from transforms.vocabulary import SOURCE_COLUMNS

NOW = datetime(2026, 11, 27)
OURS = {
    "event_time": "2026-07-01T00:00:00Z",
    "user_id": "u1",
    "event_type": "like",
    "transaction_category": "",
    "miles_amount": "",
    "platform": "Web",
    "utm_source": "",
    "country": "SG",
}


def stored(folder: Path, export: Export) -> Path:
    path = folder / export.name
    path.write_bytes(export.data)
    return path


def proposal_of(*parts: object) -> Proposal:
    return proposed(sample_fields(parts), NOW, duckdb.connect())  # type: ignore[arg-type]


def fields_of(proposal: Proposal, ours: str) -> list[str]:
    return [found.name for found in proposal.guess(ours).chosen]


@pytest.mark.parametrize("tool", MADE)
def test_an_export_passes_with_the_rules_that_are_written(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = MADE[tool]()
    path, written = stored(tmp_path, export), tmp_path / "rules.toml"
    assert main(["inspect", "--input", str(path), "--write_rules", str(written)]) == 0
    assert "300 of 300 rows (100.00%) pass" in " ".join(capsys.readouterr().out.split())
    rules = read_rules(written.read_bytes(), "rules.toml")
    assert read_by(path, rules) == list(export.read)


def test_files_of_several_kinds_are_looked_at_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [stored(tmp_path, MADE[tool]()) for tool in ("segment", "ga4", "excel")]
    again = stored(tmp_path, replace(MADE["segment"](), name="segment2.csv"))
    written = tmp_path / "rules.toml"
    assert main(["inspect", "--input", str(tmp_path / "*")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("Files of kind") == 3
    assert all(f"inspect --input {path}" in told for path in paths)
    assert f"inspect --input {again}" not in told
    with pytest.raises(SystemExit):
        main(["inspect", "--input", str(tmp_path / "*"), "--write_rules", str(written)])
    told = " ".join(capsys.readouterr().err.split())
    assert "are of 3 kinds" in told and "name files of one kind in --input" in told
    assert not written.exists()


def test_our_own_columns_need_no_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, written = tmp_path / "a.csv", tmp_path / "rules.toml"
    path.write_text(as_csv([OURS] * 18 + [{**OURS, "user_id": ""}, {**OURS, "country": "S1"}]))
    assert main(["inspect", "--input", str(path), "--write_rules", str(written)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "they need no rules" in told
    assert "18 of 20 rows (90.00%) pass as they are" in told
    assert "missing_user_id 1 user_id is blank" in told
    assert not written.exists()


def test_our_own_columns_with_others_values_need_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, written = tmp_path / "a.csv", tmp_path / "rules.toml"
    path.write_text(as_csv([{**OURS, "platform": "iPhone"}, OURS]))
    assert main(["inspect", "--input", str(path), "--write_rules", str(written)]) == 0
    assert "2 of 2 rows (100.00%) pass by the rules" in " ".join(capsys.readouterr().out.split())
    assert read_rules(written.read_bytes(), "r").values["platform"].lines == {"iPhone": "iOS"}


def test_a_file_that_is_there_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, written = stored(tmp_path, MADE["segment"]()), tmp_path / "rules.toml"
    written.write_text("# mine")
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", "--input", str(path), "--write_rules", str(written)])
    assert stopped.value.code == 2
    assert "is there already, and is never replaced" in capsys.readouterr().err
    assert written.read_text() == "# mine"


def test_rows_are_tried_by_rules_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rules = stored(tmp_path, MADE["segment"]()), tmp_path / "mine.toml"
    rules.write_text(
        '[columns]\nevent_time = "timestamp"\nuser_id = "anonymousId"\nevent_type = "event"\n'
        'platform = {constant = "Web"}\n[event_types]\nown = ["Signed Up", "Order Completed"]\n'
    )
    assert main(["inspect", "--input", str(path), "--rules", str(rules)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"200 of 300 rows (66.67%) pass by {rules}" in told
    assert "unknown_event_type 100 event_type 'Product Viewed' is none of" in told


def test_what_rules_take_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    path, rules = tmp_path / "a.csv", tmp_path / "rules.toml"
    rows = [{**OURS, "kind": "like", "id": "x1"}, {**OURS, "kind": "share", "id": "x2"}]
    path.write_text(as_csv(rows))
    lines = 'event_type = "kind"\nevent_id = "id"\nplatform = {constant = "Web"}\n'
    rules.write_text(f"[columns]\n{lines}")
    assert main(["inspect", "--input", str(path), "--rules", str(rules)]) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "event_type kind 0% 2 like the rules" in told
    assert "event_id id 0% 2 x1 the rules" in told
    assert "platform - 'Web' everywhere" in told
    assert "country country 0% 1 SG its name" in told
    assert "like 1, share 1" in told


def test_what_is_no_file_of_events_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = stored(tmp_path, MADE["mixpanel"]()), tmp_path / "b.parquet"
    bad.write_bytes(b"no parquet")
    assert main(["inspect", "--input", str(tmp_path / "*")]) == 0
    assert "b.parquet is no Parquet file" in " ".join(capsys.readouterr().out.split())
    good.unlink()
    assert main(["inspect", "--input", str(bad)]) == 1
    assert "b.parquet is no Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["segment", "ga4", "parquet"])
def test_of_a_long_file_the_first_rows_are_tried(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_launch, "_ROWS", 70)
    monkeypatch.setattr(inspect_launch, "_LEAST_ROWS", 70)
    path = stored(tmp_path, MADE[tool]())
    assert main(["inspect", "--input", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "first 70" in told
    assert "70 of 70 rows (100.00%) pass" in told
    rules = tmp_path / "none.toml"
    rules.write_text('[columns]\nplatform = {constant = "Web"}\ncountry = {constant = "SG"}\n')
    main(["inspect", "--input", str(path), "--rules", str(rules)])
    told = " ".join(capsys.readouterr().out.split())
    assert "0 of 70 rows" in told


@pytest.mark.parametrize("tool", ["segment", "ga4", "mixpanel", "amplitude"])
def test_the_preset_of_a_tool_that_is_known_is_named(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path, MADE[tool]())
    assert main(["inspect", "--input", str(path)]) == 0
    assert f"--preset {tool}" in capsys.readouterr().out


def test_numbers_of_orders_are_no_names_of_events(tmp_path: Path) -> None:
    text, _ = shopify_orders()
    path = tmp_path / "orders.csv"
    path.write_text(text)
    (sample,) = samples(local_file(str(path)), Given(), 10_000)
    proposal = proposal_of(*sample.parts)
    assert fields_of(proposal, "event_type") == []
    assert proposal.rules.own_event_types == ("event",)


def test_a_file_without_a_header_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path, OF_PRESETS["snowplow"]())
    assert main(["inspect", "--input", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "looks like a row, and no header: name its columns in [input] of the rules" in told
    assert "or try --preset snowplow" in told
    assert "no field looks like user_id, which every event needs: say it in [columns]" in told


def test_columns_without_a_header_are_numbered_in_the_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, written = tmp_path / "copy.tsv", tmp_path / "rules.toml"
    kinds = ["share", "purchase", "like", "share"]
    countries = ["US", "\\N", "DE", "US"]
    path.write_text(
        "".join(
            f"{at}\t2025-01-03 06:49:5{at}.198329+00\tu{at}\t{kind}\tios\t{land}\tback\\slash\n"
            for at, (kind, land) in enumerate(zip(kinds, countries, strict=True))
        )
    )
    assert main(["inspect", "--input", str(path), "--write_rules", str(written)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "looks like a row, and no header" in told and "they are c1 to c7 here" in told
    assert "and lack user_id, which every event needs. Say in [columns] which fields" in told
    assert f"inspect --input '{path}' --rules {written}" in told
    assert " batch " not in told
    rules = read_rules(written.read_bytes(), "r")
    assert rules.input.names == tuple(f"c{number}" for number in range(1, 8))
    fields = {name: column.fields for name, column in rules.columns.items()}
    assert fields == {
        "event_time": ("c2",),
        "event_type": ("c4",),
        "platform": ("c5",),
        "country": ("c6",),
    }
    assert rules.nulls == ("\\N",)
    said = written.read_text().replace("[columns]\n", '[columns]\nuser_id = "c3"\n')
    written.write_text(said)
    assert main(["inspect", "--input", str(path), "--rules", str(written)]) == 0
    assert "4 of 4 rows (100.00%) pass" in " ".join(capsys.readouterr().out.split())


def test_no_rules_are_written_where_only_some_files_have_a_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("time,user\n2025-01-03T06:49:52Z,u1\n")
    (tmp_path / "b.csv").write_text("2025-01-03T06:49:52Z,u1\n2025-01-03T06:49:53Z,u2\n")
    written = tmp_path / "rules.toml"
    with pytest.raises(SystemExit):
        main(["inspect", "--input", str(tmp_path / "*.csv"), "--write_rules", str(written)])
    assert "b.csv: its first line looks like a row" in " ".join(capsys.readouterr().err.split())
    assert not written.exists()


def test_fields_inside_others_come_by_their_paths() -> None:
    found = sample_fields(
        [
            of_objects(
                {"a": {"b": [{"c": 1.50}, {"c": 2}]}, "x.y": True, "z": None},
                {"params": [{"key": "k", "value": {"int_value": "7"}}, {"key": "l", "value": "m"}]},
            ),
            of_columns({"json": ['{"in": {"side": 1e3}}'], "plain": [" p "]}),
        ]
    )
    assert {one.name: one.texts for one in found} == {
        "a.b[0].c": ["1.5", "", ""],
        "x.y": ["true", "", ""],
        "z": ["", "", ""],
        "params[k]": ["", "7", ""],
        "params[l]": ["", "m", ""],
        "json.in.side": ["", "", "1e3"],
        "plain": ["", "", "p"],
    }


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["2026-07-01T03:01:19.689Z", "2026-07-01 03:01:19"], ("iso",)),
        (["1782874879"], ("epoch_s",)),
        (["1782874879689"], ("epoch_ms",)),
        (["1782874879689972"], ("epoch_us",)),
        (["31.12.2025 23:59"], ("%d.%m.%Y %H:%M",)),
        (["12/31/2025 11:59:00 PM"], ("%m/%d/%Y %I:%M:%S %p",)),
        (["2026-07-01 03:01:19 +0200"], ("%Y-%m-%d %H:%M:%S %z",)),
        (["2026-07-01 03:01:19 UTC", "2026-07-01 03:01:19.123 UTC"], ("iso",)),
        (["2026-07-01T03:01:19Z", "2026-07-02"], ("iso", "%Y-%m-%d")),
        (["03/Jan/2025:04:44:34 +0000"], ("%d/%b/%Y:%H:%M:%S %z",)),
        (["+49 170 1234567", "1234567890123456789"], ()),
        (["2097-01-01T00:00:00Z"], ()),
        ([], ()),
    ],
)
def test_how_times_are_written(texts: list[str], formats: tuple[str, ...]) -> None:
    found = guessed_times(texts, NOW, duckdb.connect())
    assert found.formats == formats


def test_days_and_months_that_may_be_either_are_told() -> None:
    rows = of_columns(
        {"when": ["01/02/2026 10:00:00"], "user_id": ["u"], "event": ["e"], "platform": ["Web"]}
    )
    proposal = proposal_of(rows)
    assert proposal.guess("event_time").chosen[0].times.as_well == ("%m/%d/%Y %H:%M:%S",)
    text = rules_text(proposal, Given(), "1 row")
    assert '# format = "%m/%d/%Y %H:%M:%S"  # fits as well, and means other days' in text
    assert '# zone = "Europe/Berlin"' in text


def test_names_of_events_are_own_types_100_at_most() -> None:
    words = [f"{first}{last}ed" for first in "abcdefghijklmno" for last in "abcdefghij"]
    names = [*words * 5, "like", 'say "hi"']
    rows = of_columns(
        {
            "time": ["2026-07-01T00:00:00Z"] * 752,
            "user": ["u"] * 752,
            "event": names,
        }
    )
    proposal = proposal_of(rows)
    rules = read_rules(rules_text(proposal, Given(), "752 rows").encode(), "r")
    assert len(rules.own_event_types) == 100
    assert "like" not in rules.own_event_types
    assert rules.values["event_type"].others == "other_event"
    records = RuleReader(rules)(rows)
    assert len(parse_records(records, NOW, Limits(event_types=rules.event_types)).rejections) == 0


def test_an_amount_in_all_rows_of_an_event_looks_like_miles() -> None:
    proposal = proposal_of(
        of_objects(
            {"time": 1782874879, "user_id": "u", "event": "Paid", "revenue": "1.234,50"},
            {"time": 1782874880, "user_id": "u", "event": "Seen"},
        )
    )
    assert proposal.looks_like_miles == ("Paid",)
    assert proposal.rules.amount is not None
    assert (proposal.rules.amount.decimal, proposal.rules.amount.thousands) == (",", ".")
    assert '# Paid = "miles_earned"' in rules_text(proposal, Given(), "2 rows")


def test_zeros_and_what_is_the_same_everywhere_are_no_amounts() -> None:
    bought = [{"event": "buy", "price": price, "user": {"revenue": 0.0}} for price in (7.5, 0.0, 8)]
    looked = [{"event": "look", "user": {"revenue": 0.0}}] * 9
    proposal = proposal_of(of_objects(*bought, *looked))
    assert fields_of(proposal, "miles_amount") == ["price"]
    assert proposal.looks_like_miles == ("buy",)
    totals = {"look": "0.00", "buy": "1.50", "return": "-1.50"}
    shown = [{"event": name, "total": total} for name, total in totals.items()]
    assert proposal_of(of_objects(*shown)).looks_like_miles == ("buy",)
    alone = proposal_of(of_columns({"event": ["a", "b"], "total": ["5", "5"]}))
    assert fields_of(alone, "miles_amount") == ["total"]


def test_an_id_that_is_known_comes_before_one_that_is_not() -> None:
    proposal = proposal_of(
        of_objects(
            {"time": 1782874879, "anonymous_id": "a", "event": "e"},
            {"time": 1782874880, "anonymous_id": "a", "user_id": "u", "event": "e"},
            {"time": 1782874881, "anonymous_id": "a", "event": "e"},
        )
    )
    assert fields_of(proposal, "user_id") == ["user_id", "anonymous_id"]


_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["2026-07-01T00:00:00Z", "1782874879", "iPhone", "DE", "Signed Up", "1,5", "*"]
    ),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = st.one_of(
    st.sampled_from([*SOURCE_COLUMNS, "time", "event", "user", "os", "revenue", "a.b", "c[d]"]),
    st.text(max_size=6),
)


@settings(max_examples=examples(8, 200))
@given(st.lists(st.dictionaries(_NAMES, _VALUES, max_size=6), min_size=1, max_size=6))
def test_whatever_rows_hold_what_is_written_are_rules(rows: list[dict[str, object]]) -> None:
    lines = of_lines([json.dumps(row) for row in rows])
    proposal = proposal_of(lines)
    text = rules_text(proposal, Given(delimiter="\t", quote=""), "these\nrows")
    rules = read_rules(text.encode(), "r")
    assert tomllib.loads(text)["input"].items() >= {"delimiter": "\t", "quote": ""}.items()
    records = RuleReader(rules)(lines)
    parsed = parse_records(records, NOW, Limits(event_types=rules.event_types))
    assert parsed.events.num_rows + len(parsed.rejections) == len(rows)
    if fields_of(proposal, "event_time"):
        _, known = parse_event_times(records.columns[0].cast("string").fill_null(""))
        assert known.any()


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("load_date", "event_ts"), "event_ts"),
        (("date", "written"), "written"),
        (("day", "_loaded_at"), "day"),
        (("Datum", "ingested_at"), "Datum"),
    ],
)
def test_times_of_day_come_before_dates_and_loading_last(
    names: tuple[str, str], chosen: str
) -> None:
    dates = [datetime(2026, 7, day).date() for day in range(1, 4)]
    times = [f"2026-07-0{day} 10:0{day}:00" for day in range(1, 4)]
    proposal = proposal_of(
        of_objects(
            *[
                {names[0]: day.isoformat(), names[1]: time}
                for day, time in zip(dates, times, strict=True)
            ]
        )
    )
    assert fields_of(proposal, "event_time") == [chosen]
    moments = [datetime.fromisoformat(text) for text in times]
    proposal = proposal_of(of_columns({names[0]: pa.array(dates), names[1]: pa.array(moments)}))
    assert fields_of(proposal, "event_time") == [chosen]
    assert ("sessions mean nothing" in proposal.guess("event_time").why) == (chosen == names[0])


@pytest.mark.parametrize(
    "name", ["user_sk", "user_key", "userno", "cust_id", "kundennr", "Kundennr.", "usr_id"]
)
def test_one_field_that_is_near_is_the_user(name: str) -> None:
    time = "2026-07-01T00:00:00Z"
    assert fields_of(proposal_of(of_columns({"t": [time], name: ["7"]})), "user_id") == [name]
    two = proposal_of(of_columns({"t": [time], "usr_id": ["7"], "user_i": ["7"]}))
    assert fields_of(two, "user_id") == []
    other = proposal_of(of_columns({"t": [time], "user_os": ["web"]}))
    assert fields_of(other, "user_id") == []


def test_ids_that_may_be_epochs_are_users_by_their_names() -> None:
    rows = {"time": ["2026-07-01T00:00:00Z"] * 2, "user_id": ["u", ""]}
    ids = {"user_pseudo_id": ["1735800001.1735800009", "1735800002.1735800009"]}
    proposal = proposal_of(of_columns({**rows, **ids}))
    assert fields_of(proposal, "user_id") == ["user_id", "user_pseudo_id"]
    days = proposal_of(of_columns({**rows, "client_id": ["2026-07-01", "2026-07-02"]}))
    assert fields_of(days, "user_id") == ["user_id"]


def test_codes_of_countries_come_before_names() -> None:
    codes = {"country": ["Germany", "France"], "countryCode": ["de", "xx"]}
    assert fields_of(proposal_of(of_columns(codes)), "country") == ["countryCode"]
    for name in ("country_iso3", "iso_country", "Land", "país"):
        assert fields_of(proposal_of(of_columns({name: ["DEU", "FRA"]})), "country") == [name]


@pytest.mark.parametrize(
    "names",
    [
        ["Zeitpunkt", "Kundennr.", "Vorgang", "Betrag (brutto)", "Gerät", "Kanal", "Land"],
        ["fecha", "cliente", "evento", "importe", "plataforma", "canal", "país"],
        ["date", "client", "événement", "montant", "plateforme", "canal", "pays"],
    ],
)
def test_usual_words_of_other_languages_are_known(names: list[str]) -> None:
    row = ["01.07.2026 10:00:00", "7", "Kauf", "-1.279,45", "iPhone", "Google", "Saksa"]
    again = ["02.07.2026 10:00:01", "8", "Besuch", "12,00 €", "Web", "Google", "Itävalta"]
    rows = of_columns({name: list(two) for name, *two in zip(names, row, again, strict=True)})
    proposal = proposal_of(rows)
    ours = [name for name in SOURCE_COLUMNS if name != "transaction_category"]
    assert [fields_of(proposal, name) for name in ours] == [[name] for name in names]
    text = rules_text(proposal, Given(), "2 rows")
    assert '[amount]\ndecimal = ","\nthousands = "."' in text
    assert 'Saksa = "ZZ"  # no country by a name that is known: write its two letters' in text
    records = RuleReader(read_rules(text.encode(), "r"))(rows)
    limits = Limits(event_types=proposal.rules.event_types)
    assert len(parse_records(records, NOW, limits).rejections) == 0


@pytest.mark.parametrize(("id_", "anonymous"), [("id", "anonymous_id"), ("ID", "ANONYMOUS_ID")])
def test_the_id_of_a_row_with_anonymous_id_is_an_event(id_: str, anonymous: str) -> None:
    ids = [f"m{at}" for at in range(9)]
    calls = of_columns({id_: ids, anonymous: ["a"] * 9})
    assert proposal_of(calls).rules.columns["event_id"].fields == (id_,)
    assert "event_id" not in proposal_of(of_columns({id_: ids, "a": ["a"] * 9})).rules.columns


def test_a_field_is_proposed_for_one_column() -> None:
    stores = of_columns({"time": ["2026-07-01T00:00:00Z"] * 4, "Source": ["web", "pos", "web", ""]})
    proposal = proposal_of(stores)
    assert fields_of(proposal, "platform") == ["Source"]
    assert fields_of(proposal, "utm_source") == []
    named = proposal_of(of_columns({"Source name": ["web", "google"], "utm_source": ["web", "x"]}))
    assert fields_of(named, "platform") == ["Source name"]
    assert fields_of(named, "utm_source") == ["utm_source"]
    alone = proposal_of(of_columns({"utm_source": ["web", "desktop"]}))
    assert fields_of(alone, "utm_source") == ["utm_source"]
    assert fields_of(alone, "platform") == []


def test_the_log_of_a_web_server_has_users_and_events_of_last_resort() -> None:
    lines = [
        {"@timestamp": "03/Jan/2025:04:44:34 +0000", "remote_addr": "10.0.2.2"},
        {"@timestamp": "03/Jan/2025:04:44:40 +0000", "remote_addr": "10.0.2.2", "remote_user": "u"},
    ]
    rows = [{**line, "request": {"path": "/search"}} for line in lines]
    proposal = proposal_of(of_objects(*rows))
    assert fields_of(proposal, "event_time") == ["@timestamp"]
    assert fields_of(proposal, "user_id") == ["remote_user", "remote_addr"]
    assert fields_of(proposal, "event_type") == ["request.path"]
    better = proposal_of(of_objects(*({**row, "email": "a@b.c", "event": "e"} for row in rows)))
    assert fields_of(better, "user_id") == ["email"]
    assert fields_of(better, "event_type") == ["event"]
    many = [{**lines[0], "path": f"/{chr(97 + at % 26)}/{chr(97 + at // 26)}"} for at in range(150)]
    assert fields_of(proposal_of(of_objects(*many)), "event_type") == []


@pytest.mark.parametrize(
    ("name", "ids", "is_one"),
    [
        ("messageId", [f"m{at}" for at in range(200)], True),
        ("properties.$insert_id", [f"m{max(at, 1)}" for at in range(200)], True),
        ("event_id", [f"m{at % 100}" for at in range(200)], False),
        ("uuid", ["", *(f"m{at}" for at in range(199))], False),
        ("session_id", [f"m{at}" for at in range(200)], False),
    ],
)
def test_an_id_of_events_is_proposed(name: str, ids: list[str], is_one: bool) -> None:
    times = [f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z" for at in range(200)]
    fields = [SampleField("timestamp", times), SampleField(name, ids)]
    with duckdb.connect() as database:
        found = proposed(fields, datetime(2026, 11, 27), database)
    assert found.rules.identifies is is_one
    text = rules_text(found, Given(), "200 rows")
    assert (f'event_id = "{name}"' in text) is is_one
