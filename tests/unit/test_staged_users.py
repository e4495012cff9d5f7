"""Users whom the tables held are found again one by one, as the stream would have kept them."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RunError
from pipeline.graphs import staged_users
from pipeline.graphs.staged_start import stage_start, staged_start
from pipeline.graphs.staged_users import StagedUsers, stage_users
from pipeline.sinks.flush_state import Totals
from tests.support.tables import NOW, csv_text, parse, row
from tests.support.updates import ACTIVE, Home
from tests.unit.test_contributions import assert_equal
from transforms.kernels.codecs.head_codec import decode_head
from transforms.kernels.codecs.record_codec import decode_records, encode_users
from transforms.kernels.contributions import contributions
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.kernels.user_head import NOWHERE, timelines_of_heads
from transforms.kernels.user_state import advance_user, places_of

START = datetime(2025, 12, 1)
USERS = [f"u{number}" for number in range(300)]


def us(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)).total_seconds() * 1e6)


def history() -> list[dict[str, str]]:
    """Each user's events, over one to thirty days."""
    return [
        row((START + timedelta(days=day, minutes=minute)).isoformat(), user)
        for number, user in enumerate(USERS)
        for day in range(number % 30 + 1)
        for minute in range(0, 20 + number % 40, 19)
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    found = Home.at(tmp_path_factory.mktemp("home") / "growth.duckdb")
    found.batch(history())
    return found


def staged(
    home: Home, folder: Path, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> StagedUsers:
    """In several files, as another process gets it."""
    monkeypatch.setattr(staged_users, "_USERS_PER_FILE", 70)
    found = stage_users(home.warehouse, str(folder), us(since))
    assert len(found.paths) == 5
    copy: StagedUsers = pickle.loads(pickle.dumps(found))
    return copy


def test_every_user_is_found_as_if_the_stream_had_seen_all_events(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = START + timedelta(days=20, minutes=10)
    users = staged(home, tmp_path, since, monkeypatch)
    (parsed,) = parse(csv_text(history()))
    events = sort_events([parsed.events])
    heads = {}
    for user_id, encoded in encode_users(events):
        records = decode_records(encoded)
        seed = users.find(user_id)
        assert seed is not None
        recent = [record for record in records if record.time_us >= us(since)]
        assert (decode_records(seed.recent) if seed.recent else []) == recent
        heads[user_id] = head = decode_head(seed.head)
        expected = advance_user(user_id, None, records, list).head
        assert head.first == expected.first
        if recent:
            assert head.last == expected.last
            assert places_of(recent, head.floor) == places_of(records, NOWHERE)[-len(recent) :]
        else:
            assert head.last.time_us == expected.last.time_us
    assert_equal(timelines_of_heads(heads), timelines(events))
    assert sum(users.users) == len(USERS)


def test_nobody_else_is_found(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = staged(home, tmp_path, NOW, monkeypatch)
    assert [users.find(f"v{number}") for number in range(200)] == [None] * 200


def test_uneven_hashes_are_found_as_well(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is where it is expected: the whole index is read then."""
    monkeypatch.setattr(staged_users, "_SPREAD", 0)
    users = staged(home, tmp_path, NOW, monkeypatch)
    assert all(users.find(user) is not None for user in USERS)
    assert users.find("nobody") is None


def test_a_file_that_is_cut_off_is_an_error(home: Home, tmp_path: Path) -> None:
    users = stage_users(home.warehouse, str(tmp_path), us(NOW))
    (path,) = map(Path, users.paths)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=r"when the stream began can't be read .*start it again"):
        users.find("u1")


def test_a_job_that_takes_another_ones_place_finds_what_that_began_with(
    home: Home, tmp_path: Path
) -> None:
    assert staged_start(str(tmp_path)) is None
    (parsed,) = parse(csv_text(history()))
    counters = contributions(timelines(sort_events([parsed.events])), ACTIVE)
    began = stage_start(
        home.warehouse, str(tmp_path), Totals(0, counters, written_at_us=7), us(NOW)
    )
    found = staged_start(str(tmp_path))
    assert found is not None
    assert (found.totals, found.held) == (Totals(0, counters, written_at_us=7), began.held)
    assert found.held.events == len(history())
    assert found.users.find("u7") == began.users.find("u7")
    assert np.array_equal(found.users.users, began.users.users)
