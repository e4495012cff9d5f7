"""How a command sets up the process that it runs in."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.paths import typed_program
from pipeline.terminal import print_error


def keep_to_owner() -> None:
    """Let nobody but the owner read what this process and its workers create: it is about people.

    Files that are there keep their mode.
    """
    os.umask(os.umask(0o077) | 0o077)


def leave_at_once_on_interrupt(command: str) -> None:
    """Let Ctrl-C end the process as a kill would, which the warehouse stands: unwinding a runner
    and its threads takes long and may never end. The next run clears what is left behind."""

    def leave(*_: object) -> None:
        print_error(
            f"\n{typed_program()} {command}: interrupted. Each table is as it was or, where the "
            "run had come so far, replaced: never in between. The next run clears what this one "
            "staged"
        )
        os._exit(130)

    signal.signal(signal.SIGINT, leave)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: raise KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Leaving:
    """The end of a process in which a runner's workers live: it waits for none of their threads.

    Python would stop them in the middle of foreign code, which may abort the process. All that is
    registered with atexit later than this is done before: job servers that Beam started end so.

    Attributes:
        code: the exit code; None to leave as ever.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)
