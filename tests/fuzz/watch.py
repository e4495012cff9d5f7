"""Whether a process hangs: by the CPU that it uses, however busy the machine is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

# Between two looks at a process.
LOOK_SECONDS: Final = 1.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Watch:
    """Looks at a process again and again.

    Args:
        pid: the process; what it starts counts with it.
        most: it is stuck once it has used so many CPU seconds, which is no wait for other
            processes, or once it has used none in as many seconds, each of which ends with a look:
            while the machine stands still nobody looks either.
        used: the CPU seconds of a process so far.
    """

    def __init__(self, pid: int, most: float, used: Callable[[int], float] | None = None):
        self._pid, self._most, self._used = pid, most, used or cpu_seconds
        self.begin_again()

    def begin_again(self) -> None:
        """It has done something: count from here."""
        self._first = self._last = self._used(self._pid)
        self._idle = 0

    def is_stuck(self) -> bool:
        """Look at it; to be called every LOOK_SECONDS."""
        used = self._used(self._pid)
        self._idle = self._idle + 1 if used == self._last else 0
        self._last = used
        return self._idle * LOOK_SECONDS >= self._most or used - self._first >= self._most


def wait(run: subprocess.Popen[bytes], most: float) -> int:
    """The exit code of a process, once it has ended.

    Raises:
        AssertionError: if it hangs; it is killed.
    """
    watch = Watch(run.pid, most)
    while True:
        try:
            return run.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if watch.is_stuck():
                run.kill()
                raise AssertionError(f"{run.args!r} hangs") from None


def cpu_seconds(pid: int) -> float:
    """What a process, and all that it started, has used so far; 0 where there is no /proc."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # It has ended.
            continue
        number = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(number)
        ticks[number] = sum(map(int, fields[11:15]))
    found, total = [pid], 0
    while found:
        number = found.pop()
        total += ticks.get(number, 0)
        found += children.get(number, ())
    return total / _TICKS
