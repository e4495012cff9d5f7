"""CSV files as messages: in the order of event time, delayed and repeated as asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.pubsub.publishing import Outgoing, PublishPace, _records, _timed, horizon_of, schedule
from tests.support.tables import csv_text, row

outgoing = st.builds(Outgoing, st.floats(0, 1e6), st.integers(0, 9), st.binary(), st.booleans())


@given(st.lists(outgoing), st.floats(0, 1e4), st.integers(0, 99))
def test_every_record_goes_out_within_its_delay(
    records: list[Outgoing], shuffle: float, seed: int
) -> None:
    planned = schedule(records, PublishPace(shuffle_seconds=shuffle, seed=seed))
    assert [message.at for message in planned] == sorted(message.at for message in planned)
    by_number = sorted(planned, key=lambda message: message.number)
    for message, record in zip(by_number, records, strict=True):
        assert (message.data, message.is_csv) == (record.data, record.is_csv)
        assert record.at <= message.at <= record.at + shuffle
    assert planned == schedule(records, PublishPace(shuffle_seconds=shuffle, seed=seed))


def test_the_asked_share_is_repeated() -> None:
    records = [Outgoing(float(at), 0, b"%d" % at, False) for at in range(2_000)]
    assert len(schedule(records, PublishPace(repeat_pct=0))) == 2_000
    assert len(schedule(records, PublishPace(repeat_pct=100))) == 4_000
    assert 2_300 < len(schedule(records, PublishPace(repeat_pct=20))) < 2_500


def test_records_are_read_as_they_are(tmp_path: Path) -> None:
    good = row("2024-01-01T00:00:00+01:00", category='a "b", c')
    text = csv_text([good, row("never")]) + b'2024-01-01,"x,,,\n\xff,a,b,c,d,e,f,g\n'
    for name, data in (("a.csv", text), ("a.csv.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        first, second, *broken = _records(str(tmp_path / name))
        assert json.loads(first.data) == good
        assert first.at == second.at == 1_704_063_600.0
        assert [record.is_csv for record in broken] == [True, True]
        assert {record.data for record in broken} == {b'2024-01-01,"x,,,', b"\xff,a,b,c,d,e,f,g"}


def test_a_horizon_is_reported_where_the_default_one_does_not_reach() -> None:
    day = 86_400.0
    now = 1_000 * day
    ages = {0.5: None, 6.9: None, 7.1: 8, 550.2: 551}
    for age, horizon in ages.items():
        records = [Outgoing(at, 0, b"", False) for at in (now - age * day, now)]
        assert horizon_of(records, now) == horizon
    assert horizon_of([], now) is None


def test_no_impossible_time_lets_the_others_wait(tmp_path: Path) -> None:
    times = ["never", "1970-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"]
    times += ["9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
    (tmp_path / "a.csv").write_bytes(csv_text([row(time) for time in times]))
    first, day = 1_704_067_200.0, 86_400.0
    found = [record.at for record in _timed(list(_records(str(tmp_path / "a.csv"))))]
    assert found == [first, first, first + day, first, first, first]
