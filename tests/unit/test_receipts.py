"""Of a stream's messages those are acknowledged that are in all tables, and in the end all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.launch.receipts import Receipts
from pipeline.reports import FlushReport
from transforms.kernels.run_counts import RunCounts


def report_of(
    flush: int, kinds: str, read: int, known: int, stored: tuple[int, ...]
) -> FlushReport:
    """A flush's report: messages e (event), d (duplicate), l (dead letter), f (forgotten).

    Args:
        flush: its number.
        kinds: of all messages, in order.
        read: how many of them are parsed.
        known: how many of those are known as events or duplicates.
        stored: how many of those are in fct_events, in dead_letter_events, in the marts, in the
            tables of users.
    """
    in_events, in_letters, in_marts, _ = (kinds[:number] for number in stored)
    counts = RunCounts(
        input_rows=read,
        events=kinds[:known].count("e"),
        duplicates=kinds[:known].count("d"),
        dead_letters={"too_late": kinds[:read].count("l")},
        forgotten=kinds[:read].count("f"),
    )
    return FlushReport(
        flush,
        counts,
        events=in_events.count("e"),
        dead_letters=in_letters.count("l"),
        in_marts=in_marts.count("e"),
        complete={read, known, *stored} == {len(kinds)},
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, tuple[int, ...]]]]:
    kinds = draw(st.text("edlf", min_size=1, max_size=12))
    size, read, known = len(kinds), 0, 0
    stored = [0, 0, 0, 0]
    flushes = []
    for _ in range(draw(st.integers(0, 6))):
        # What was known in the flush before is in the tables of users by now.
        stored[3] = max(stored[3], known)
        read = draw(st.integers(read, size))
        known = draw(st.integers(known, read))
        tops = (known, read, known, known)
        stored = [
            draw(st.integers(low, max(low, top))) for low, top in zip(stored, tops, strict=True)
        ]
        flushes.append((read, known, tuple(stored)))
    return kinds, flushes


@given(histories())
def test_what_is_acknowledged_is_in_all_tables(
    history: tuple[str, list[tuple[int, int, tuple[int, ...]]]],
) -> None:
    kinds, flushes = history
    receipts = Receipts()
    before = 0
    for flush, (read, known, stored) in enumerate(flushes, 1):
        committed = receipts.committed(report_of(flush, kinds, read, known, stored))
        assert committed >= before
        before = committed
        events, dead_letters, marts, users = stored
        assert "e" not in kinds[min(known, events, marts, users) : committed]
        assert "d" not in kinds[known:committed]
        assert "l" not in kinds[dead_letters:committed]
    last = report_of(len(flushes) + 1, kinds, len(kinds), len(kinds), (len(kinds),) * 4)
    assert receipts.committed(last) == len(kinds)


def test_a_busy_stream_acknowledges_as_it_goes() -> None:
    receipts = Receipts()
    found = [
        receipts.committed(report_of(flush, "e" * 100, read, read, (read - 5,) * 4))
        for flush, read in enumerate(range(10, 100, 10), 1)
    ]
    assert found == [0, 0, 10, 20, 30, 40, 50, 60, 70]
