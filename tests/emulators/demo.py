"""`make stream-demo`: a batch over a year's history, and the half year behind it as a stream.

Tables are shown as they grow. The stream is killed and started again, and in the end the tables
are held against those of a batch over everything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from rich.console import Console

from pipeline.display.page import section
from pipeline.warehouse import open_warehouse
from tests.emulators.servers import create_subscription, missing_pubsub, running_pubsub
from tests.emulators.support import unlike
from tests.support.runs import contents
from transforms.marts import dead_letter_events, fct_events

_EVENTS: Final = 30_000
_CUT: Final = "2025-07"
# Half a year in a minute.
_SPEED: Final = 260_000
_FLUSH_SECONDS: Final = 3
_DATABASE: Final = "live.duckdb"
_HISTORY: Final = "sample/history.csv"
_LIVE: Final = "sample/live.csv"
# The stream is killed behind so many flushes, while the next one is gathered or committed.
_KILLED_BEHIND: Final = 4
_LEASE_SECONDS: Final = 60
_PIPELINE: Final = (sys.executable, "-m", "pipeline")
_MART: Final = """
    SELECT event_date, daily_active_users, new_users, retained_users, resurrected_users,
        churned_users, active_users_28d
    FROM growth_metrics ORDER BY event_date DESC LIMIT 5
"""
_COLUMNS: Final = ("date", ">active", ">new", ">retained", ">resurrected", ">churned", ">28 days")


def main() -> None:
    """Load the history, stream the rest, kill the stream and start it again, and compare."""
    if (reason := missing_pubsub()) is not None:
        sys.exit(f"The demo needs {reason}")
    Path(_DATABASE).unlink(missing_ok=True)
    _write_samples()
    _batch([_HISTORY], _DATABASE)
    print(f"\n{_DATABASE} holds the history, by batch. What follows it comes as messages:\n")
    with tempfile.TemporaryDirectory(prefix="demo-") as folder, running_pubsub() as host:
        expected = _expected(Path(folder, "batch.duckdb"))
        topic, subscription = create_subscription(host)
        os.environ["PUBSUB_EMULATOR_HOST"] = host
        with _publishing(topic) as publishing:
            try:
                all_in = _streamed(subscription, publishing, expected["fct_events"].num_rows)
            finally:
                publishing.terminate()
    if not all_in:
        sys.exit("Ended before all was in the tables: they hold what the summary says")
    sys.exit(_compare(expected))


def _write_samples() -> None:
    """A sample in two files: what is from before the cut, and the rest."""
    path = Path("sample", "all.csv")
    subprocess.run(
        [*_PIPELINE, "sample", "--events", str(_EVENTS), "--output", str(path)], check=True
    )
    head, *lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    cut = _CUT.encode()
    is_late = [line.startswith(b"20") and line >= cut for line in lines]
    for name, wanted in ((_LIVE, True), (_HISTORY, False)):
        its = (line for line, late in zip(lines, is_late, strict=True) if late is wanted)
        Path(name).write_bytes(b"".join([head, *its]))


def _batch(paths: list[str], database: str) -> None:
    words = ["batch", "--input", *paths, "--warehouse", f"duckdb:///{database}"]
    subprocess.run([*_PIPELINE, *words], check=True, stdout=subprocess.DEVNULL)


def _expected(database: Path) -> dict[str, pa.Table]:
    """All tables of a batch over everything."""
    _batch([_HISTORY, _LIVE], str(database))
    return contents(database)


def _streamed(subscription: str, publishing: subprocess.Popen[str], events: int) -> bool:
    """Stream until there are so many events, with a kill in between; whether it came to that."""
    with _streaming(subscription) as streaming:
        lines = _Lines(streaming)
        try:
            is_begun = lines.wait_for(f"flush {_KILLED_BEHIND}:")
        finally:
            streaming.kill()
    if not is_begun:
        return False
    print(
        f"\nKilled by SIGKILL, and started again by the same line. What it had read and not "
        f"committed comes again once its lease is over, within {_LEASE_SECONDS} s:\n"
    )
    with _streaming(subscription) as streaming:
        lines = _Lines(streaming)
        try:
            publishing.wait()
            all_in = _wait_for_events(events, streaming)
        except KeyboardInterrupt:
            all_in = False
        streaming.send_signal(signal.SIGTERM)
    return all_in


def _wait_for_events(events: int, streaming: subprocess.Popen[str]) -> bool:
    """Whether the tables come to hold so many before the stream ends."""
    warehouse = open_warehouse(f"duckdb:///{_DATABASE}")
    while warehouse.count(fct_events.TABLE) != events:
        if streaming.poll() is not None:
            return False
        time.sleep(_FLUSH_SECONDS / 3)
    return True


def _publishing(topic: str) -> subprocess.Popen[str]:
    replay = ["publish", "--input", _LIVE, "--topic", topic, "--speed", str(_SPEED)]
    disturbed = ["--shuffle_seconds", "86400", "--repeat_pct", "2"]
    return _begun([*replay, *disturbed])


def _streaming(subscription: str) -> subprocess.Popen[str]:
    stream = ["stream", "--subscription", subscription, "--flush_seconds", str(_FLUSH_SECONDS)]
    return _begun([*stream, "--warehouse", f"duckdb:///{_DATABASE}"], stderr=subprocess.PIPE)


def _begun(arguments: list[str], stderr: int | None = None) -> subprocess.Popen[str]:
    # Ctrl-C is for this process, which ends the others in their order.
    return subprocess.Popen(
        [*_PIPELINE, *arguments],
        text=True,
        start_new_session=True,
        stderr=stderr,
    )


class _Lines:
    """What a stream tells on stderr: shown as it comes, a mart behind each flush."""

    def __init__(self, streaming: subprocess.Popen[str]):
        self._stderr = streaming.stderr
        self._printed, self._has_ended = "", False
        self._news = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        assert self._stderr is not None
        for line in self._stderr:
            print(line, end="", flush=True)
            if line.startswith("flush"):
                _show_mart()
            self._note(line)
        self._note(None)

    def _note(self, line: str | None) -> None:
        with self._news:
            self._printed += line or ""
            self._has_ended = line is None
            self._news.notify_all()

    def wait_for(self, text: str) -> bool:
        """Whether it tells a text before it ends."""
        with self._news:
            self._news.wait_for(lambda: text in self._printed or self._has_ended)
            return text in self._printed


def _show_mart() -> None:
    try:
        with duckdb.connect(_DATABASE, read_only=True) as connection:
            rows = connection.execute(_MART).fetchall()
    except duckdb.Error:
        return  # A flush is being written: the next one shows.
    if not rows:
        return
    lines = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    section(Console(highlight=False), "growth_metrics, its last dates", lines, *_COLUMNS)


def _compare(expected: dict[str, pa.Table]) -> int:
    """Say whether the tables are those of a batch; gives an exit code."""
    found = contents(Path(_DATABASE))
    dead_letters = dead_letter_events.TABLE.name
    differing = [name for name in unlike(found, expected) if name != dead_letters]
    # They name another source and place; and a record that is sent twice is rejected twice.
    if _reasons(found[dead_letters]) != _reasons(expected[dead_letters]):
        differing.append(dead_letters)
    if differing:
        print(f"These tables differ from those of a batch over everything: {', '.join(differing)}")
        return 1
    print(
        f"All {len(expected)} tables equal those of a batch over everything: every row and column, "
        "but for the moments of writing and where dead letters come from"
    )
    return 0


def _reasons(dead_letters: pa.Table) -> set[str]:
    return set(dead_letters["error_type"].to_pylist())


if __name__ == "__main__":
    main()
