"""`make stream-demo`: a year and a half of events streams by in a minute, into live.duckdb.

Tables are shown as they grow, and in the end held against those of a batch over the same events.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from rich.console import Console

from pipeline.display.page import section
from tests.emulators.servers import create_subscription, missing_pubsub, running_pubsub
from tests.emulators.support import unlike
from tests.support.runs import contents
from transforms.marts import dead_letter_events

_EVENTS: Final = 4_000
# 18 months in a minute.
_SPEED: Final = 800_000
_DATABASE: Final = "live.duckdb"
_SAMPLE: Final = "sample/stream.csv"
_PIPELINE: Final = (sys.executable, "-m", "pipeline")
_MART: Final = """
    SELECT event_date, daily_active_users, new_users, retained_users, resurrected_users,
        churned_users, active_users_28d
    FROM growth_metrics ORDER BY event_date DESC LIMIT 5
"""
_COLUMNS: Final = ("date", ">active", ">new", ">retained", ">resurrected", ">churned", ">28 days")


def main() -> None:
    """Publish a sample, out of order and partly twice, and stream it meanwhile."""
    if (reason := missing_pubsub()) is not None:
        sys.exit(f"The demo needs {reason}")
    Path(_DATABASE).unlink(missing_ok=True)
    sample = ["sample", "--events", str(_EVENTS), "--output", _SAMPLE]
    subprocess.run([*_PIPELINE, *sample], check=True)
    with running_pubsub() as host:
        topic, subscription = create_subscription(host)
        os.environ["PUBSUB_EMULATOR_HOST"] = host
        with _publishing(topic) as publishing, _streaming(subscription) as streaming:
            lines = _Lines(streaming)
            try:
                printed, _ = publishing.communicate()
                messages = printed.partition(" ")[0]  # None where it has failed, and said why.
                all_in = bool(messages) and lines.wait_for(f"so far {messages} messages = ")
            except KeyboardInterrupt:
                publishing.terminate()
                all_in = False
            streaming.send_signal(signal.SIGTERM)
    if not all_in:
        sys.exit("Ended before all was in the tables: they hold what the summary says")
    sys.exit(_compare())


def _publishing(topic: str) -> subprocess.Popen[str]:
    replay = ["publish", "--input", _SAMPLE, "--topic", topic, "--speed", str(_SPEED)]
    disturbed = ["--shuffle_seconds", "86400", "--repeat_pct", "2"]
    return _begun([*replay, *disturbed], stdout=subprocess.PIPE)


def _streaming(subscription: str) -> subprocess.Popen[str]:
    stream = ["stream", "--subscription", subscription, "--flush_seconds", "3"]
    into = ["--warehouse", f"duckdb:///{_DATABASE}", "--late_horizon_days", "3650"]
    return _begun([*stream, *into], stderr=subprocess.PIPE)


def _begun(
    arguments: list[str], stdout: int | None = None, stderr: int | None = None
) -> subprocess.Popen[str]:
    # Ctrl-C is for this process, which ends the others in their order.
    return subprocess.Popen(
        [*_PIPELINE, *arguments],
        text=True,
        start_new_session=True,
        stdout=stdout,
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


def _compare() -> int:
    """Say whether the tables are those of a batch; gives an exit code."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        database = Path(folder, "batch.duckdb")
        batch = ["batch", "--input", _SAMPLE, "--warehouse", f"duckdb:///{database}"]
        subprocess.run([*_PIPELINE, *batch], check=True, stdout=subprocess.DEVNULL)
        expected = contents(database)
    found = contents(Path(_DATABASE))
    dead_letters = dead_letter_events.TABLE.name
    differing = [name for name in unlike(found, expected) if name != dead_letters]
    # They name another source and place; and a record that is sent twice is rejected twice.
    if _reasons(found[dead_letters]) != _reasons(expected[dead_letters]):
        differing.append(dead_letters)
    if differing:
        print(f"These tables differ from those of a batch over {_SAMPLE}: {', '.join(differing)}")
        return 1
    print(
        f"All {len(expected)} tables equal those of a batch over {_SAMPLE}: every row and column, "
        "but for the moments of writing and where dead letters come from"
    )
    return 0


def _reasons(dead_letters: pa.Table) -> set[str]:
    return set(dead_letters["error_type"].to_pylist())


if __name__ == "__main__":
    main()
