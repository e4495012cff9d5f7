"""Signals to a stream: the first asks it to flush, the second ends it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support import forks
from tests.support.runs import process_environment

PROGRAM = """
import os, time
from pipeline.launch.stream_here import _stopping
with _stopping(lambda: os.write(1, b'left\\n')) as stop:
    print("ready", flush=True)
    # Not without end: of a signal that comes just before, Python hears afterwards.
    while not stop.wait(0.1):
        pass
    print("flushing", flush=True)
    while True:
        time.sleep(0.1)
"""


def test_the_first_signal_is_waited_for_and_the_second_one_is_not(tmp_path: Path) -> None:
    script, told = tmp_path / "stream.py", tmp_path / "told.txt"
    script.write_text(PROGRAM)
    for number in (signal.SIGINT, signal.SIGTERM):
        reading, writing = os.pipe()
        with open(reading) as printed, open(told, "w") as stderr:
            streams = (writing, stderr.fileno())
            run = forks.Fork([], tmp_path, process_environment(), streams, script)
            os.close(writing)
            assert printed.readline() == "ready\n"
            run.send_signal(number)
            assert printed.readline() == "flushing\n"
            run.send_signal(number)
            assert (run.wait(), printed.read()) == (130, "left\n")
        assert "Stopping: what was read is committed" in told.read_text()
