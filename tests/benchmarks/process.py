"""Whole processes: their time and the memory of their process tree."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """A finished process: wall seconds, and the largest sum of resident bytes of its tree."""

    seconds: float
    peak_bytes: int
    output: str


def measure(arguments: Sequence[str], cwd: Path) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: if it fails, with what it printed.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        arguments, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        peak = _Peak(process.pid)
        output, _ = process.communicate()
        seconds = time.perf_counter() - started
    peak.stop()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{output}")
    return Measured(seconds, peak.bytes, output)


class _Peak:
    """Samples the memory of a process tree every 50 ms."""

    def __init__(self, pid: int):
        self.bytes = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(0.05):
            self.bytes = max(self.bytes, _resident(self._pid))


def _resident(pid: int) -> int:
    """Resident bytes of a process and its descendants; 0 once they are gone."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return own + sum(_resident(int(child)) for child in children)
