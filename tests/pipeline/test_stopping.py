"""Signals to a stream: the first asks it to flush, the second ends it."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.runs import process_environment

PROGRAM = """
import os, sys
from pipeline.launch.stream_here import _stopping
with _stopping(lambda: os.write(1, b'left\\n')) as stop:
    print("ready", flush=True)
    stop.wait()
    print("flushing", flush=True)
    sys.stdin.read()
print("done", flush=True)
"""


def test_the_first_signal_is_waited_for_and_the_second_one_is_not() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=process_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.readline() == "flushing\n"
            process.send_signal(number)
            printed, output = process.communicate()
        assert (process.returncode, printed) == (130, "left\n")
        assert "Stopping: what was read is committed" in output
