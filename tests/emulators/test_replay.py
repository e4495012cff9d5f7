"""The replay command on BigQuery, and through Pub/Sub's emulator to a topic."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import google.cloud.pubsub as pubsub
import pytest

from pipeline.warehouse import open_warehouse
from pipeline.warehouse.run_ids import is_stream
from tests.emulators.conftest import required
from tests.emulators.servers import PROJECT, missing_pubsub, running_pubsub
from tests.emulators.support import Home, unlike
from tests.support.runs import command, contents
from tests.support.tables import NOW, csv_text, row
from transforms.kernels.messages import Message
from transforms.kernels.parse import Limits, parse_records
from transforms.kernels.single_records import read_records
from transforms.marts.registry import TABLES
from transforms.vocabulary import SOURCE_COLUMNS


def spoil(sample: Path) -> None:
    """Put a platform that nobody knows on every tenth row; the sample as it was is whole.csv."""
    whole = sample.with_name("whole.csv")
    sample.rename(whole)
    header, *lines = whole.read_bytes().splitlines(keepends=True)
    bad = [
        line.replace(b",Web,", b",WWW,") if at % 10 == 0 else line for at, line in enumerate(lines)
    ]
    sample.write_bytes(header + b"".join(bad))


def replay(home: Home, cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command(
        *("replay", "--warehouse", home.url, *options),
        cwd=cwd,
        **home.servers.environment,
    )


def test_a_replay_ends_in_the_tables_of_batch(home: Home, sample: Path, tmp_path: Path) -> None:
    spoil(sample)
    active = ("--active_event_types", "share,like,miles_earned")
    assert home.batch(sample, *active).returncode == 0
    before = home.contents()
    dry = replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", "--dry_run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "A dry run: nothing was written" in dry.stdout
    assert unlike(home.contents(), before) == []
    temp = ("--temp_location", home.temp)
    run = replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", *temp)
    assert (run.returncode, run.stderr) == (0, "")
    local = command("batch", "--input", "whole.csv", *active, cwd=tmp_path)
    assert local.returncode == 0
    theirs = contents(tmp_path / "growth.duckdb")
    first = home.contents()
    assert unlike(first, theirs) == ["dead_letter_events"]  # They name their files and places.
    dead_letters = [
        tables["dead_letter_events"]["payload"].to_pylist() for tables in (first, theirs)
    ]
    assert sorted(dead_letters[0]) == sorted(dead_letters[1]) != []
    assert home.leftovers() == []
    again = replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", *temp)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing passes" in again.stdout
    assert unlike(home.contents(), first) == []
    # A batch over the same file, which is as it was, takes what the replay has corrected.
    rerun = home.batch(sample, *active)
    assert (rerun.returncode, rerun.stderr) == (0, "")
    assert "dead letters corrected by earlier replays" in rerun.stdout
    assert unlike(home.contents(), theirs) == ["dead_letter_events"]
    assert home.leftovers() == []


def test_a_rebuild_ends_in_the_tables_of_batch(home: Home, sample: Path, tmp_path: Path) -> None:
    assert home.batch(sample).returncode == 0
    dead_letters = home.rows("dead_letter_events").sort_by("dead_letter_id")
    active = ("--active_event_types", "share,like")
    temp = ("--temp_location", home.temp)
    run = command(
        *("rebuild", "--warehouse", home.url, *active, *temp),
        cwd=tmp_path,
        **home.servers.environment,
    )
    assert (run.returncode, run.stderr) == (0, "")
    local = command("batch", "--input", sample.name, *active, cwd=tmp_path)
    assert local.returncode == 0
    theirs = contents(tmp_path / "growth.duckdb")
    assert unlike(home.contents(), theirs) == []
    assert home.rows("dead_letter_events").sort_by("dead_letter_id").equals(dead_letters)
    assert home.leftovers() == []


def test_tables_of_a_stream_are_not_rebuilt_beside_it(
    home: Home, sample: Path, tmp_path: Path, here: None
) -> None:
    spoil(sample)
    assert home.batch(sample).returncode == 0
    warehouse = open_warehouse(home.url)
    with warehouse.lock(tuple(TABLES.values()), home.temp, f"stream_{home.dataset}"):
        pass
    assert warehouse.last_run() == f"stream_{home.dataset}"
    temp = ("--temp_location", home.temp)
    refused = replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", *temp)
    assert refused.returncode == 2
    assert f"was last written by the stream stream_{home.dataset}" in refused.stderr
    assert replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", "--dry_run").returncode == 0
    run = replay(home, tmp_path, "--edit", "s/,WWW,/,Web,/", "--stream_stopped", *temp)
    assert (run.returncode, run.stderr) == (0, "")
    assert not is_stream(warehouse.last_run() or "stream_")


@pytest.mark.parametrize("missing", ["dataset", "table"])
def test_a_dataset_without_the_tables_is_named(home: Home, tmp_path: Path, missing: str) -> None:
    if missing == "table":
        home.client.create_dataset(home.dataset)
    run = replay(home, tmp_path, "--temp_location", home.temp)
    assert run.returncode == 2
    assert f"{home.url} has no table fct_events" in run.stderr
    there = [found.dataset_id for found in home.client.list_datasets()]
    assert (home.dataset in there) == (missing == "table")
    assert missing == "dataset" or home.leftovers() == []


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A topic and its subscription in the emulator."""
    required(missing_pubsub())
    with running_pubsub() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        topic, subscription = (
            f"projects/{PROJECT}/topics/t-1",
            f"projects/{PROJECT}/subscriptions/s-1",
        )
        with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
            publisher.create_topic(name=topic)
            subscriber.create_subscription(name=subscription, topic=topic)
        yield topic, subscription


def test_corrected_records_are_published_for_a_stream(
    channel: tuple[str, str], tmp_path: Path
) -> None:
    topic, subscription = channel
    rows = [row("2024-01-01T00:00:00Z", platform="WWW", category="a, b"), row("never")]
    (tmp_path / "events.csv").write_bytes(csv_text(rows, [*reversed(SOURCE_COLUMNS), "more"]))
    assert (
        command(
            *("batch", "--input", "events.csv", "--max_dead_letter_pct", "100"), cwd=tmp_path
        ).returncode
        == 0
    )
    before = contents(tmp_path / "growth.duckdb")
    run = command("replay", "--edit", "s/WWW/Web/", "--topic", topic, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"Published 1 corrected record to {topic}" in run.stdout
    assert unlike(contents(tmp_path / "growth.duckdb"), before) == []
    with pubsub.SubscriberClient() as client:
        found = client.pull(subscription=subscription, max_messages=10).received_messages
    (message,) = [item.message for item in found]
    records = read_records([Message(message.data, dict(message.attributes), "1")], subscription)
    (event,) = parse_records(records, NOW, Limits()).events.to_pylist()
    assert (event["user_id"], event["transaction_category"]) == ("ann", "a, b")
    gone = command("replay", "--edit", "s/WWW/Web/", "--topic", f"{topic}-gone", cwd=tmp_path)
    assert gone.returncode == 1
    assert f"can't publish to {topic}-gone: there is none" in gone.stderr
