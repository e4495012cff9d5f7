"""Corrections of earlier replays: found by their letters' ids, and read in their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graphs.staged_corrections import StagedCorrections, stage_corrections
from tests.support.dead_letters import Holding, rows
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import LIMITS, NOW, Row, csv_text, parse, row
from transforms.contract import Table
from transforms.kernels.corrections import apply_corrections
from transforms.marts import dead_letter_corrections
from transforms.vocabulary import SOURCE_COLUMNS


def corrections_of(dead_letters: pa.Table, chosen: list[int], corrected: Sequence[Row]) -> pa.Table:
    texts = {
        name: pa.array([item.get(name, "") for item in corrected], pa.string())
        for name in (*SOURCE_COLUMNS, "event_id")
    }
    return dead_letter_corrections.rows(dead_letters, chosen, pa.table(texts), NOW)


class Kept(Holding):
    """A warehouse that has corrections alone."""

    def columns(self, tables: Sequence[Table]) -> dict[str, set[str]]:
        return {table.name: {*table.column_names} for table in tables}

    def count(self, *_: object) -> int:
        return sum(part.num_rows for part in self._parts)


@given(
    st.lists(
        st.tuples(st.one_of(valid_rows, broken_rows), st.sampled_from(["corrected", "not"])),
        max_size=20,
    )
)
def test_corrections_are_read_as_records_are(drawn: list[tuple[Row, str]]) -> None:
    dead_letters = rows(*(str(at).encode() for at in range(len(drawn))))
    chosen = [at for at, (_, what) in enumerate(drawn) if what == "corrected"]
    corrected = [drawn[at][0] for at in chosen]
    applied = apply_corrections(
        dead_letters, corrections_of(dead_letters, chosen, corrected), NOW, LIMITS
    )
    theirs = parse(csv_text(corrected))
    events = [event for part in theirs for event in part.events.to_pylist()]
    rejected = [bad.payload for part in theirs for bad in part.rejections]
    assert applied.parsed.events.to_pylist() == events
    assert (applied.corrected, applied.failed) == (len(events), len(rejected))
    stays = [
        str(at)
        for at, (item, _) in enumerate(drawn)
        if at not in chosen or any(part.rejections for part in parse(csv_text([item])))
    ]
    assert applied.dead_letters["payload"].to_pylist() == stays


def test_corrections_are_found_in_any_group_by_their_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.graphs.staged_corrections._GROUP_ROWS", 7)
    dead_letters = rows(*(str(at).encode() for at in range(100)))
    chosen = list(range(0, 100, 2))
    corrected = [row("2024-01-01T00:00:00Z", f"u{at}") for at in chosen]
    table = corrections_of(dead_letters, chosen, corrected)
    # A warehouse does not promise that ids are there once, or that they are ids.
    strange = table.slice(0, 2).set_column(
        0, table.schema.field(0), pa.array(["x" * 1_000_000, "\u00e9"])
    )
    staged = stage_corrections(Kept(strange, table.slice(20), table), str(tmp_path))  # type: ignore[arg-type]
    assert isinstance(staged, StagedCorrections)
    found = staged.find(dead_letters["dead_letter_id"].slice(11, 30))
    assert sorted(found["user_id"].to_pylist()) == [f"u{at}" for at in range(12, 41, 2)]
    by_id = dict(
        zip(found["dead_letter_id"].to_pylist(), found["user_id"].to_pylist(), strict=True)
    )
    ids = dead_letters["dead_letter_id"].to_pylist()
    assert by_id == {ids[at]: f"u{at}" for at in range(12, 41, 2)}
    assert staged.find(dead_letters["dead_letter_id"].slice(11, 1)).num_rows == 0
    assert (
        apply_corrections(
            dead_letters, staged.find(pa.chunked_array([["no", "é"]])), NOW, LIMITS
        ).corrected
        == 0
    )
    assert stage_corrections(Kept(table.slice(0, 0)), str(tmp_path)) is None  # type: ignore[arg-type]
