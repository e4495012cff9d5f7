"""The stream command through Pub/Sub's emulator, as a user runs it."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import duckdb
import google.cloud.pubsub as pubsub
import pyarrow as pa
import pytest

from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.emulators.conftest import required
from tests.emulators.servers import PROJECT, Servers, missing_pubsub, running_pubsub
from tests.emulators.support import Home, unlike
from tests.support.runs import (
    ROOT,
    command,
    contents,
    process_environment,
    wait_until_printed,
)
from tests.support.tables import csv_text, row
from tests.support.thorough import examples
from transforms.contract import Table
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import ALL_TABLES
from transforms.state.registry import STATE_TABLES

# Enough for a machine that is busy with other things.
_PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Channel:
    """A topic and its subscription in the emulator, and what leads clients there."""

    topic: str
    subscription: str
    environment: dict[str, str]

    def publish(self, *messages: bytes, **attributes: str) -> None:
        """Publish messages, and wait until they are taken."""
        with pubsub.PublisherClient() as client:
            for future in [client.publish(self.topic, data, **attributes) for data in messages]:
                future.result()

    def end_leases(self) -> None:
        """Let what nobody has acknowledged come again, as Pub/Sub does when leases are over."""
        with pubsub.SubscriberClient() as client:
            client.seek(request={"subscription": self.subscription, "time": {"seconds": 1}})

    def waiting(self) -> list[pubsub.types.PubsubMessage]:
        """What the subscription would deliver now."""
        with pubsub.SubscriberClient() as client:
            request = {
                "subscription": self.subscription,
                "max_messages": 1_000,
                "return_immediately": True,
            }
            return [found.message for found in client.pull(request=request).received_messages]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    required(missing_pubsub())
    with running_pubsub() as found:
        yield found


@pytest.fixture
def open_channel(host: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Channel]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)

    def create() -> Channel:
        name = f"events-{uuid.uuid4().hex[:10]}"
        topic = f"projects/{PROJECT}/topics/{name}"
        subscription = f"projects/{PROJECT}/subscriptions/{name}"
        with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
            publisher.create_topic(name=topic)
            subscriber.create_subscription(name=subscription, topic=topic)
        return Channel(topic, subscription, {"PUBSUB_EMULATOR_HOST": host})

    return create


@pytest.fixture
def channel(open_channel: Callable[[], Channel]) -> Channel:
    return open_channel()


@dataclass
class Stream:
    """A stream command that runs."""

    process: subprocess.Popen[str]
    folder: Path

    def wait_for(self, wanted: str, seconds: float = _PATIENCE_SECONDS) -> str:
        """What it has printed on stderr, once that holds a text."""
        path = self.folder / "stderr"
        wait_until_printed(self.process, path, wanted, seconds)
        return path.read_text()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()

    def stop(self, by: int = signal.SIGINT, seconds: float = _PATIENCE_SECONDS) -> tuple[int, str]:
        """Its exit code, and what it printed, once a signal has ended it."""
        self.process.send_signal(by)
        printed, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, printed


@pytest.fixture
def begin(channel: Channel, tmp_path: Path) -> Iterator[Callable[..., Stream]]:
    streams: list[Stream] = []

    def start(*options: str, warehouse: str = "duckdb:///live.duckdb", **more: str) -> Stream:
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pipeline", "stream"),
                    *("--subscription", channel.subscription, "--warehouse", warehouse),
                    *("--flush_seconds", "2", *options),
                ],
                cwd=tmp_path,
                env=process_environment(**channel.environment, **more),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        streams.append(Stream(process, tmp_path))
        return streams[-1]

    yield start
    for stream in streams:
        if stream.process.poll() is None:
            stream.process.kill()
            stream.process.communicate()


def of_page(command: str, channel: Channel) -> list[str]:
    """The words of docs/streaming.md's command that replays files, with the channel's names."""
    text = (ROOT / "docs" / "streaming.md").read_text()
    replaying = text.partition("To replay files")[2]
    found = re.search(rf"pipeline {command} (?:.*\\\n)*.*", replaying)
    assert found is not None
    names = {
        "projects/P/subscriptions/S": channel.subscription,
        "projects/P/topics/T": channel.topic,
    }
    words = [
        names.get(word, word) for word in shlex.split(found[0].replace("\\\n", ""), comments=True)
    ]
    return words[words.index(command) :]


def test_the_page_replays_a_sample_into_the_tables_of_batch(
    channel: Channel, begin: Callable[..., Stream], tmp_path: Path
) -> None:
    (tmp_path / "sample").mkdir()
    write_sample(str(tmp_path / "sample" / "events.csv"), 1_000, 3)
    stream = begin(*of_page("stream", channel)[1:], "--flush_seconds", "2")
    published = command(
        *of_page("publish", channel),
        *("--shuffle_seconds", "864000", "--repeat_pct", "10"),
        cwd=tmp_path,
        **channel.environment,
    )
    assert published.returncode == 0, published.stderr
    messages = int(published.stdout.split()[0].replace(",", ""))
    assert 1_050 < messages < 1_150
    stream.wait_for(f"so far {messages:,} messages = ")
    code, printed = stream.stop()
    assert code == 0
    assert f"Stopped: {messages:,} messages = " in printed
    assert "Growth by month" in printed
    batch = command(
        *("batch", "--input", "sample/*.csv", "--warehouse", "duckdb:///batch.duckdb"), cwd=tmp_path
    )
    assert batch.returncode == 0
    live, expected = contents(tmp_path / "live.duckdb"), contents(tmp_path / "batch.duckdb")
    assert unlike(live, expected) == ["dead_letter_events"]  # They name another source.
    dead_letters = [tables["dead_letter_events"] for tables in (live, expected)]
    kinds = [sorted(set(table["error_type"].to_pylist())) for table in dead_letters]
    assert kinds[0] == kinds[1]
    assert channel.waiting() == []
    assert sorted(path.name for path in tmp_path.glob("live*")) == ["live.duckdb"]


def test_what_is_no_event_is_a_dead_letter_here_and_on_a_topic(
    channel: Channel,
    open_channel: Callable[[], Channel],
    begin: Callable[..., Stream],
    tmp_path: Path,
) -> None:
    dead_letters = open_channel()
    stream = begin("--dead_letter_topic", dead_letters.topic)
    channel.publish(b"no event \xff", tenant="a")
    channel.publish(json.dumps(row("2024-01-01T00:00:00Z")).encode())
    stream.wait_for("so far 2 messages = 1 event + 0 duplicates + 1 dead letter ")
    assert stream.stop()[0] == 0
    (dead_letter,) = contents(tmp_path / "live.duckdb")["dead_letter_events"].to_pylist()
    assert dead_letter["error_type"] == "invalid_utf8"
    assert dead_letter["attributes"] == '{"tenant": "a"}'
    assert dead_letter["source"] == channel.subscription
    (message,) = dead_letters.waiting()
    assert message.data == b"no event \xff"
    assert message.attributes["error_type"] == "invalid_utf8"
    assert message.attributes["position"] == dead_letter["position"]


EVENTS = [json.dumps(row(f"2024-01-01T00:00:{second:02}Z")).encode() for second in range(5)]
NO_EVENT = b"no event"


@contextmanager
def unflushed(channel: Channel, stream: Stream) -> Iterator[None]:
    """A stream has read EVENTS and NO_EVENT, and can't commit them while this lasts, because
    somebody else has the file open."""
    stream.wait_for("Reading")
    with duckdb.connect(str(stream.folder / "live.duckdb")):
        channel.publish(*EVENTS, NO_EVENT)
        stream.wait_for("live.duckdb is open in")
        yield


def test_what_a_killed_stream_has_not_committed_comes_again(
    channel: Channel, begin: Callable[..., Stream], tmp_path: Path
) -> None:
    stream = begin()
    with unflushed(channel, stream):
        stream.kill()
    channel.end_leases()
    again = begin()
    again.wait_for("so far 6 messages = 5 events")
    assert again.stop()[0] == 0
    tables = contents(tmp_path / "live.duckdb")
    assert tables["fct_events"].num_rows == 5
    assert tables["dead_letter_events"].num_rows == 1


def test_a_second_signal_gives_back_what_was_not_committed(
    channel: Channel, begin: Callable[..., Stream]
) -> None:
    stream = begin()
    with unflushed(channel, stream):
        stream.process.send_signal(signal.SIGINT)
        stream.wait_for("Press Ctrl-C again")
        assert stream.stop()[0] == 130
    found = sorted(message.data for message in channel.waiting())
    assert found == sorted([*EVENTS, NO_EVENT])


@pytest.mark.parametrize("place", ["duckdb", "bigquery"])
def test_a_stream_that_is_killed_again_and_again_ends_as_batch(
    place: str,
    channel: Channel,
    begin: Callable[..., Stream],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    where = Place.of(place, tmp_path, request)
    kills, random = examples(2, 20), Random(15)
    source = sound_rows(tmp_path, 40 * (kills + 1))
    source += [row("2025-11-01T00:00:00Z", country="Atlantis"), row("never")]
    (tmp_path / "all.csv").write_bytes(csv_text(source))
    limit = ("--max_dead_letter_pct", "100")
    batch = ("batch", "--input", "all.csv", "--warehouse", "duckdb:///batch.duckdb", *limit)
    assert command(*batch, cwd=tmp_path).returncode == 0
    expected = contents(tmp_path / "batch.duckdb")
    rows = [json.dumps(item).encode() for item in source]
    random.shuffle(rows)
    for number in range(kills):
        stream = where.begin(begin)
        stream.wait_for("Reading")
        channel.publish(*rows[number :: kills + 1])
        # At any moment: of a flush, and of what is around it.
        time.sleep(random.uniform(0, 4))
        stream.kill()
        channel.end_leases()
    stream = where.begin(begin)
    channel.publish(*rows[kills :: kills + 1], *random.sample(rows, 10))
    tables = (fct_events.TABLE, dead_letter_events.TABLE)
    wanted = [expected[table.name].num_rows for table in tables]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (counts := list(map(where.count, tables))) != wanted:
        assert time.monotonic() < deadline, counts
        assert stream.process.poll() is None, (tmp_path / "stderr").read_text()
    assert stream.stop()[0] == 0
    found = where.contents()
    assert unlike(found, expected) in ([], ["dead_letter_events"])  # They name another source.
    assert reasons(found) == reasons(expected)
    assert channel.waiting() == []


def sound_rows(folder: Path, events: int) -> list[dict[str, str]]:
    """Rows of a sample that are the same as CSV and as JSON."""
    path = folder / "sample.csv"
    write_sample(str(path), events, 3)
    with path.open(newline="", errors="replace") as file:
        found = list(csv.DictReader(file))
    return [item for item in found if item["event_time"][:2] == "20" and None not in item.values()]


def reasons(tables: dict[str, pa.Table]) -> list[str]:
    """Why records are dead letters, each as often as it is so."""
    return sorted(tables["dead_letter_events"]["error_type"].to_pylist())


@dataclass(frozen=True)
class Place:
    """A warehouse that a stream writes.

    Attributes:
        options, words: what `begin` needs to know of it.
        count: how many rows a table has.
        contents: all tables.
    """

    options: dict[str, str]
    words: tuple[str, ...]
    count: Callable[[Table], int | None]
    contents: Callable[[], dict[str, pa.Table]]

    @classmethod
    def of(cls, name: str, folder: Path, request: pytest.FixtureRequest) -> Place:
        if name == "duckdb":
            count = open_warehouse(f"duckdb:///{folder}/live.duckdb").count
            return cls({}, (), count, lambda: contents(folder / "live.duckdb"))
        servers, home = request.getfixturevalue("servers"), request.getfixturevalue("home")
        return cls(
            {"warehouse": home.url, **environment_of(servers)},
            ("--temp_location", home.temp),
            lambda table: int(home.rows(table.name).num_rows),
            home.contents,
        )

    def begin(self, begin: Callable[..., Stream]) -> Stream:
        return begin(*self.words, **self.options)


def environment_of(servers: Servers) -> dict[str, str]:
    """What leads to the servers, but for Pub/Sub's."""
    return {k: v for k, v in servers.environment.items() if k != "PUBSUB_EMULATOR_HOST"}


def test_a_message_of_any_size_is_read_until_the_subscription_is_deleted(
    channel: Channel, begin: Callable[..., Stream]
) -> None:
    stream = begin()
    channel.publish(b"x" * 9_600_000)
    stream.wait_for("1 dead letter (1 malformed_message)")
    with pubsub.SubscriberClient() as client:
        client.delete_subscription(subscription=channel.subscription)
    printed, _ = stream.process.communicate(timeout=_PATIENCE_SECONDS)
    assert (stream.process.returncode, "Stopped: 1 message = " in printed) == (1, True)
    printed = (stream.folder / "stderr").read_text()
    assert f"stream: {channel.subscription} is gone: it was deleted" in printed.splitlines()[-1]
    assert "Traceback" not in printed


def test_a_topic_for_dead_letters_that_is_not_there_is_named(
    channel: Channel, begin: Callable[..., Stream]
) -> None:
    topic = f"projects/{PROJECT}/topics/missing"
    stream = begin("--dead_letter_topic", topic)
    stream.process.wait(_PATIENCE_SECONDS)
    assert stream.process.returncode == 1
    said = (stream.folder / "stderr").read_text()
    assert f"can't publish to {topic}: there is none" in said
    assert said.count("\n") == 1


def test_it_goes_on_from_the_tables_of_a_batch(
    channel: Channel, begin: Callable[..., Stream], tmp_path: Path
) -> None:
    """And from those of a stream that was killed, whose leftovers it clears."""
    rows = [row("2024-01-01T00:00:00Z"), row("2024-02-01T00:20:00Z", "bob"), row("never")]
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    batch = ("batch", "--input", "*.csv", "--max_dead_letter_pct", "100", "--warehouse")
    assert command(*batch, "duckdb:///live.duckdb", cwd=tmp_path).returncode == 0
    home = open_warehouse(f"duckdb:///{tmp_path}/live.duckdb")
    with home.lock((), None, "killed") as staging:
        shutil.copytree(staging, f"{staging}xyz")
    (tmp_path / "live.duckdb.lock").touch()
    stream = begin("--late_horizon_days", "7")
    late = [rows[1], row("2023-12-31T23:55:00Z"), row("2024-02-01T00:10:00Z", "bob")]
    channel.publish(*(json.dumps(event).encode() for event in late))
    said = stream.wait_for("so far 3 messages = 2 events + 1 duplicate + 0 dead letters")
    assert "--late_horizon_days is not used" in said
    assert stream.stop()[0] == 0
    (tmp_path / "late.csv").write_bytes(csv_text(late))
    assert command(*batch, "duckdb:///batch.duckdb", cwd=tmp_path).returncode == 0
    assert unlike(contents(tmp_path / "live.duckdb"), contents(tmp_path / "batch.duckdb")) == []
    assert [path.name for path in tmp_path.glob("live.duckdb*")] == ["live.duckdb"]


def test_a_silent_stream_stops_and_says_so(begin: Callable[..., Stream]) -> None:
    stream = begin()
    stream.wait_for("Reading")
    code, printed = stream.stop()
    assert (code, "no message came" in printed) == (0, True)


def test_a_subscription_that_is_not_there_is_named(channel: Channel, tmp_path: Path) -> None:
    missing = f"projects/{PROJECT}/subscriptions/missing"
    run = command("stream", "--subscription", missing, cwd=tmp_path, **channel.environment)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"can't read {missing}: there is none" in run.stderr
    topic = f"projects/{PROJECT}/topics/missing"
    (tmp_path / "events.csv").write_bytes(csv_text([row("2024-01-01T00:00:00Z")]))
    run = command(
        "publish", "--input", "events.csv", "--topic", topic, cwd=tmp_path, **channel.environment
    )
    assert run.returncode == 1
    assert f"can't publish to {topic}: there is none" in run.stderr


def test_a_stream_keeps_bigquery_true(
    channel: Channel, servers: Servers, home: Home, begin: Callable[..., Stream], tmp_path: Path
) -> None:
    rows = [row("2025-11-01T00:00:00Z"), row("2025-12-01T00:20:00Z"), row("2025-12-01T00:00:00Z")]
    rows.append(row("2025-12-02T00:00:00Z", "bob", "miles_redeemed", amount="9"))
    stream = begin(
        *("--flush_seconds", "5", "--temp_location", home.temp),
        warehouse=home.url,
        **environment_of(servers),
    )
    channel.publish(*(json.dumps(event).encode() for event in rows[:2]))
    stream.wait_for("so far 2 messages = 2 events")
    channel.publish(*(json.dumps(event).encode() for event in rows[2:]))
    stream.wait_for("so far 4 messages = 4 events")
    code, printed = stream.stop()
    assert (code, "Stopped: 4 messages = 4 events" in printed) == (0, True)
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    command(*("batch", "--input", "events.csv", "--warehouse", "duckdb:///b.duckdb"), cwd=tmp_path)
    assert unlike(home.contents(), contents(tmp_path / "b.duckdb")) == []
    assert home.leftovers() == []
    assert home.rows("growth_metrics").num_rows == 32
    found = {item.table_id for item in home.client.list_tables(home.dataset)}
    assert found == {*(table.name for table in ALL_TABLES), *STATE_TABLES}
