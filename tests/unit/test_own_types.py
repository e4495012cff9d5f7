"""Event types of one's own beside the five: as events, in timelines, sums, marts and checks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError
from pipeline.launch.tables_built import first_types, types_of_tables, types_to_build
from pipeline.report.write_report import report_page
from tests.support.strategies import valid_rows
from tests.support.tables import NOW, compute, csv_text, differences, oracle_tables, parse, row
from tests.support.thorough import examples
from tests.support.updates import Home, Rows, differing
from tests.unit.test_commands import noting
from tests.unit.test_contributions import assert_equal
from tests.unit.test_increments import in_parts
from tests.unit.test_report import embedded
from transforms.data_error import DataError
from transforms.figure_settings import (
    MOST_OWN_TYPES,
    AskedFigures,
    FigureSettings,
    checked_own,
)
from transforms.kernels.codecs.single_timeline import decode_timeline, encode_timeline
from transforms.kernels.codecs.sum_codecs import decode_counters, encode_counters
from transforms.kernels.codecs.timeline_codec import decode_timelines, encode_timelines
from transforms.kernels.contributions import contributions
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.results import conclude
from transforms.reckoning import PLAIN
from transforms.state import growth_counters
from transforms.vocabulary import EVENT_TYPES

OWN = ("signed_up", "Order Completed", "sign\u00e9 $1.0/x")
TYPES = FigureSettings.among(OWN)
SOME = FigureSettings.among(OWN, ("signed_up", "like"))
FIVE = FigureSettings(EVENT_TYPES, OWN)


@st.composite
def _rows(draw: st.DrawFn) -> dict[str, str]:
    found = dict(draw(valid_rows))
    if draw(st.booleans()):
        # Own types need no miles, and what stands there is left out.
        found |= {
            "event_type": draw(st.sampled_from(OWN)),
            "miles_amount": draw(st.sampled_from(["", "x", "7"])),
        }
    return found


row_lists = st.lists(_rows(), min_size=1, max_size=30)


def sorted_of(rows: Rows) -> SortedEvents:
    return sort_events([part.events for part in parse(csv_text(rows), own=OWN)], TYPES.known)


def lives_of(rows: Rows) -> Timelines:
    return timelines(sorted_of(rows))


class TestNames:
    @pytest.mark.parametrize(
        ("names", "problem"),
        [
            (["  "], "is blank"),
            (["a", " b"], "' b' begins or ends with white space"),
            (["share"], "'share' is one of the five"),
            (["a", "b", "a"], "'a' is listed twice"),
            (["a,b"], "holds ','"),
            (["it's"], 'holds "\'"'),
            (["a;b"], "holds ';'"),
            (["a\u200bb"], "show nothing"),
            (["x" * 101], "longer than 100 characters"),
            ([f"t{n}" for n in range(MOST_OWN_TYPES + 1)], "there are 101 own event types"),
        ],
    )
    def test_what_cannot_be_one_is_refused(self, names: list[str], problem: str) -> None:
        with pytest.raises(DataError, match=problem):
            checked_own(names)

    def test_all_others_are_taken_as_they_are(self) -> None:
        names = [*OWN, "Share", "signed-up:v2", *(f"t{n}" for n in range(MOST_OWN_TYPES - 5))]
        assert checked_own(names) == tuple(names)

    def test_all_are_active_unless_some_are_named(self) -> None:
        assert TYPES.names == TYPES.known == (*EVENT_TYPES, *OWN)
        assert SOME.names == ("like", "signed_up")
        assert SOME.codes == (3, 5)
        with pytest.raises(DataError, match="no event type 'buy'"):
            FigureSettings.among(OWN, ("buy",))

    def test_further_ones_are_appended_and_active_where_all_are(self) -> None:
        assert TYPES.adding(["signed_up", "more"]) == FigureSettings.among((*OWN, "more"))
        assert SOME.adding(["more"]) == FigureSettings(SOME.names, (*OWN, "more"))
        assert FigureSettings().adding(OWN) == TYPES

    @pytest.mark.parametrize("types", [TYPES, SOME, FIVE, FigureSettings()])
    def test_a_note_says_all(self, types: FigureSettings) -> None:
        assert FigureSettings.of_note(types.note) == types

    def test_without_own_ones_the_note_is_what_it_always_was(self) -> None:
        assert FigureSettings(("share", "like")).note == "share,like"

    def test_what_is_typed_comes_in_the_usual_order(self) -> None:
        asked = AskedFigures.parse("Order Completed, like,share,like")
        assert asked.names == ("share", "like", "Order Completed")
        assert str(asked) == "share,like,Order Completed"


class TestNoted:
    def test_types_are_those_that_are_noted_and_new_ones(self) -> None:
        noted = noting({"active_event_types": SOME.note})
        assert types_of_tables(noted, None) == SOME
        assert types_of_tables(noted, AskedFigures(own=("more",))) == SOME.adding(["more"])
        assert types_of_tables(noted, AskedFigures(("signed_up", "like"))) == SOME
        with pytest.raises(OptionError, match="more: the tables were built with like,signed_up"):
            types_of_tables(noted, AskedFigures(("more",), ("more",)))

    def test_own_ones_alone_do_not_say_what_is_active(self) -> None:
        assert types_of_tables(noting(None), AskedFigures(own=OWN)) is None
        assert types_of_tables(noting(None), AskedFigures(("share",), OWN)) == (
            FigureSettings.among(OWN, ("share",))
        )

    def test_a_rebuild_takes_others(self) -> None:
        noted = noting({"active_event_types": SOME.note})
        assert types_to_build(noted, None) == SOME
        assert types_to_build(noted, AskedFigures(("more",), ("more",))) == (
            FigureSettings.among((*OWN, "more"), ("more",))
        )
        with pytest.raises(OptionError, match="no event type 'buy'"):
            types_to_build(noted, AskedFigures(("buy",)))

    def test_tables_from_nothing_know_what_is_given(self) -> None:
        assert first_types(None) == FigureSettings()
        assert first_types(AskedFigures(own=OWN)) == TYPES
        with pytest.raises(OptionError, match="--active_event_types buy: there is no event type"):
            first_types(AskedFigures(("buy",), OWN))


def test_records_of_own_types_need_nothing_but_their_name() -> None:
    rows = [
        row("2024-01-01T00:00:00Z", kind="signed_up"),
        row("2024-01-01T00:00:01Z", kind=" Order Completed ", amount="lots"),
        row("2024-01-01T00:00:02Z", kind="Signed_up"),
        row("2024-01-01T00:00:03Z", kind="miles_earned", amount=""),
    ]
    (part,) = parse(csv_text(rows), own=OWN)
    assert part.events["event_type"].to_pylist() == [5, 6]
    assert part.events["miles_amount"].to_pylist() == [None, None]
    assert part.ignored_amounts == 1
    rejected = part.rejections.table.to_pylist()
    assert [each["error_type"] for each in rejected] == [
        "unknown_event_type",
        "missing_miles_amount",
    ]
    assert rejected[0]["message"] == (
        f"event_type 'Signed_up' is none of {', '.join((*EVENT_TYPES, *OWN))}"
    )


@settings(max_examples=examples(3, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=row_lists, types=st.sampled_from([TYPES, SOME, FIVE]))
def test_all_tables_agree_with_the_oracle(
    rows: list[dict[str, str]], types: FigureSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("own") / "events.csv"
    path.write_bytes(csv_text(rows))
    events = [part.events for part in parse(csv_text(rows), own=OWN)]
    ours = compute(events, types.names, OWN)
    with oracle_tables(path, ours, types.names, OWN) as theirs:
        assert differences(theirs, ours) == {}
    over = ArrowChecks(all_checks(types), TABLES)
    results = conclude(all_checks(types), over.evaluate(ours))
    over.close()
    assert [result.check.check_id for result in results if not result.passed] == []


def test_a_type_that_nobody_declared_fails_its_check() -> None:
    events = parse(csv_text([row("2024-01-01T00:00:00Z", kind="signed_up")]), own=OWN)
    ours = compute([part.events for part in events], TYPES.names, OWN)
    checks = all_checks(FigureSettings.among(("other",)))
    results = conclude(checks, ArrowChecks(checks, TABLES).evaluate(ours))
    assert [result.check.check_id for result in results if not result.passed] == [
        "fct_events.event_type.accepted_values",
        "events_by_type.event_type.accepted_values",
    ]


def test_checks_keep_their_ids_whatever_types_there_are() -> None:
    with_own, without = all_checks(TYPES), all_checks(FigureSettings())
    assert [check.check_id for check in with_own] == [check.check_id for check in without]
    changed = [new.check_id for new, old in zip(with_own, without, strict=True) if new != old]
    assert changed == [
        "fct_events.event_type.accepted_values",
        "retention_cohorts.cohort_sizes_add_up",
        "growth_drivers.event_types_add_up",
        "events_by_type.event_type.accepted_values",
    ]


def test_the_rows_by_type_are_what_sql_counts() -> None:
    rows = [
        row("2024-01-01T00:00:00Z", "ann", "signed_up"),
        row("2024-01-01T00:00:01Z", "ann", "signed_up"),
        row("2024-01-01T00:00:02Z", "bob", "signed_up"),
        row("2024-01-03T00:00:02Z", "bob", "share"),
    ]
    events = [part.events for part in parse(csv_text(rows), own=OWN)]
    by_type = compute(events, TYPES.names, OWN)["events_by_type"].to_pylist()
    found = [
        (
            each["event_type"],
            str(each["event_date"]),
            *(each[name] for name in ("events", "users", "users_pct")),
        )
        for each in by_type
    ]
    assert sorted(found, key=lambda each: each[:2]) == [
        ("share", "2024-01-01", 0, 0, 0.0),
        ("share", "2024-01-02", 0, 0, None),
        ("share", "2024-01-03", 1, 1, 100.0),
        ("signed_up", "2024-01-01", 3, 2, 100.0),
        ("signed_up", "2024-01-02", 0, 0, None),
        ("signed_up", "2024-01-03", 0, 0, 0.0),
    ]


@settings(max_examples=examples(20, 400), deadline=None)
@given(rows=row_lists, data=st.data())
def test_timelines_survive_and_add_up(rows: list[dict[str, str]], data: st.DataObject) -> None:
    lives = lives_of(rows)
    encoded = encode_timelines(lives)
    assert_equal(decode_timelines(lives.user_id, encoded), lives)
    for user, name in enumerate(lives.user_id.to_pylist()):
        one = lives.between(user, user + 1)
        assert encode_timeline(one) == encoded[user].as_py()
        assert_equal(decode_timeline(name, encoded[user].as_py()), one)
    events = sorted_of(rows)
    n = len(events.ids)
    number = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    parts = [timelines(events.where(number == part)) for part in range(3)]
    assert_equal(Timelines.total(parts, PLAIN), lives)
    order = np.array(data.draw(st.permutations(range(len(lives)))))
    assert_equal(lives.take(order).take(np.argsort(order)), lives)
    sums = contributions(lives, SOME.codes)
    assert decode_counters(encode_counters(sums)) == sums
    moment = pa.scalar(0, pa.timestamp("us"))
    assert growth_counters.counters_of(growth_counters.rows(sums, moment)) == sums


def test_timelines_without_own_types_are_stored_as_before() -> None:
    rows = [
        row("2024-01-01T00:00:00Z", "ann"),
        row("2024-01-01T00:00:00Z", "bob", "signed_up"),
        row("2024-01-02T00:00:00Z", "bob", "share"),
    ]
    lives = lives_of(rows)
    ann, bob = encode_timelines(lives).to_pylist()
    assert (ann[0], bob[0]) == (4, 5)
    # What ends with more than a layout 4 can hold is damaged, not of own types.
    for wrong in (b"\x04" + bob[1:], b"\x05" + ann[1:] + b"\x00", bob[:-1], bob + b"\x01"):
        with pytest.raises(DataError, match="can't be read"):
            decode_timeline("bob", wrong)
        with pytest.raises(DataError, match="can't be read"):
            decode_timelines(pa.array(["ann", "bob"]), pa.array([ann, wrong]))


def test_sums_that_were_stored_before_have_no_own_types() -> None:
    sums = contributions(lives_of([row("2024-01-01T00:00:00Z")]), FIVE.codes)
    assert encode_counters(sums)[1] == 12
    own = contributions(lives_of([row("2024-01-01T00:00:00Z", kind="signed_up")]), TYPES.codes)
    assert encode_counters(own)[1] == 13
    assert own.events == 1


def _mixed(parts: Sequence[Rows], ways: Sequence[str], types: FigureSettings) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "growth.duckdb")
        home, so_far = Home.at(path, types), list[dict[str, str]]()
        for part, way in zip(parts, ways, strict=True):
            so_far += [dict(each) for each in part]
            if way == "stream":
                home.stream([part], quality="off")
            elif way == "update":
                home.update(part)
            else:
                home.batch(so_far)
        assert differing(path, so_far, types) == []


@settings(
    max_examples=examples(3, 100),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(rows=row_lists, data=st.data(), types=st.sampled_from([TYPES, SOME, FIVE]))
def test_batches_updates_and_streams_end_as_one_batch(
    rows: list[dict[str, str]], data: st.DataObject, types: FigureSettings
) -> None:
    parts = in_parts(rows, data)
    ways = [data.draw(st.sampled_from(["stream", "update", "batch"])) for _ in parts]
    _mixed(parts, ["batch", *ways[1:]], types)


@pytest.mark.parametrize("known", [OWN[:1], ()])
def test_types_that_come_later_are_appended(tmp_path: Path, known: tuple[str, ...]) -> None:
    kinds = [*known, "like"]
    first = [row("2024-01-01T00:00:00Z", kind=kinds[0]), row("2024-01-02T00:00:00Z")]
    later = [
        row("2024-01-02T00:10:00Z", kind="Order Completed"),
        row("2024-01-05T00:00:00Z", "bob", "signed_up"),
    ]
    home = Home.at(tmp_path / "growth.duckdb", FigureSettings.among(known))
    home.batch(first)
    with home.streaming(asked=AskedFigures(own=OWN[:2]), quality="off") as batches:
        assert batches.job.figures == FigureSettings.among(OWN[:2])
    home.types = FigureSettings.among(OWN[:2])
    home.stream([later])
    assert differing(tmp_path / "growth.duckdb", [*first, *later], home.types) == []


def test_the_report_shows_the_commonest_types_and_the_others_together(tmp_path: Path) -> None:
    own = ("a.b[c]", "</script>", "Order Completed", "rare", "rarer")
    types = FigureSettings.among(checked_own(own))
    kinds = [
        *["share"] * 5,
        *["a.b[c]"] * 4,
        *["</script>"] * 4,
        *["Order Completed"] * 3,
        *own[3:],
    ]
    rows = [
        row(f"{monday}T10:{minute:02}:00Z", kind=kind)
        for monday in ("2025-09-01", "2025-10-06")
        for minute, kind in enumerate(kinds)
    ]
    home = Home.at(tmp_path / "growth.duckdb", types)
    home.batch(rows)
    charts = embedded(report_page(home.warehouse, NOW), "charts")
    (chart,) = [each for each in charts if each["name"] == "event-types"]
    columns = {column["name"]: column["label"] for column in chart["columns"][1:-1]}
    assert columns == {
        "own_0": "</script>",
        "own_1": "Order Completed",
        "own_2": "a.b[c]",
        "share": "Share",
        "others": "2 other types",
    }
    totals = {name: sum(chart["values"][name]) for name in columns}
    assert totals == {"own_0": 8, "own_1": 6, "own_2": 8, "share": 10, "others": 4}
