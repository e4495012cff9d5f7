"""The command in forks of a process that has imported everything, which takes 1.6 CPU seconds.

python -m tests.support.forks SOCKET   # serves until its stdin ends

A fork is a process as any: it has its own arguments, folder, environment and streams, runs
`pipeline.__main__` or a script to the end. What an interpreter reads of its environment when it
begins (PYTHON...) is not its own, but for PYTHONIOENCODING.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import io
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support import batch_graph, beam_memo, update_graph

# What the commands import late.
_MODULES = (
    "pipeline.__main__",
    "pipeline.launch.batch_launch",
    "pipeline.launch.stream_launch",
    "pipeline.commands.check",
    "pipeline.dictionary.data_dictionary",
    "pipeline.launch.dry_run",
    "pipeline.pubsub.publishing",
    "pipeline.replay.actions",
    "pipeline.replay.preconditions",
    "pipeline.sample",
    "pipeline.storage",
    "pipeline.warehouse.bigquery.commit",
    "pipeline.warehouse.bigquery.staging",
    "apache_beam.runners.portability.fn_api_runner",
    "apache_beam.runners.dataflow.dataflow_runner",
    "apache_beam.runners.direct.direct_runner",
    "pyarrow.csv",
    "pyarrow.parquet",
    "rich.console",
    "rich.table",
    "tests.support.runs",
)


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], script: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline`, or a script, with these arguments, to its end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun = Fork(arguments, cwd, environment, (out.fileno(), err.fileno()), script)
        code = begun.wait()
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(["pipeline", *arguments], code, out.read(), err.read())


class Fork:
    """A command that has begun; what `subprocess.Popen` has of the same names.

    Args:
        arguments: the command's.
        cwd: where it runs.
        environment: its whole environment.
        streams: descriptors that it has for stdout and stderr.
        script: what it runs, for the command.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: tuple[int, int],
        script: Path | None = None,
    ):
        asked = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "streams": [0, 1, 2],
            "script": None if script is None else str(script),
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(server())
            with _opened(cwd) as folder, _opened(os.devnull) as nothing:
                socket.send_fds(connection, [b"."], [folder, nothing, *streams])
            connection.sendall(json.dumps(asked).encode() + b"\n")
            # Unbuffered, so that `select` sees its second line.
            self._answer = connection.makefile("rb", buffering=0)
        self.pid = int(self._answer.readline())
        self.returncode: int | None = None

    def wait(self) -> int:
        """Its exit code, once it has ended; that of a signal is negative."""
        if self.returncode is None:
            with self._answer as answer:
                self.returncode = int(answer.readline())
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None and select.select([self._answer], [], [], 0)[0]:
            return self.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@functools.cache
def server() -> str:
    """The socket of a server that ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="forks-")
    path = f"{folder.name}/socket"
    served = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forks", path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert served.stdin is not None
    assert served.stdout is not None
    assert served.stdout.readline() == b"ready\n"
    atexit.register(folder.cleanup)
    atexit.register(served.wait)
    atexit.register(served.stdin.close)
    return path


def _serve(path: str) -> None:
    for module in _MODULES:
        __import__(module)
    beam_memo.remember()
    # What is laid out once is remembered in all forks.
    for graph in (batch_graph, update_graph):
        graph.laid_out().to_runner_api()
    logging.root.handlers.clear()  # Beam's, which a command may never come to make.
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    # Or else the first collection in each fork copies all pages: half a second.
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        if not os.fork():
            listening.close()
            _answer(connection)
            return
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    gc.unfreeze()  # Or else DuckDB's binding prints what is left.


def _answer(connection: socket.socket) -> None:
    """Fork a command, in the fork return, and else answer which process it is and how it ends."""
    _, (folder, *streams), _, _ = socket.recv_fds(connection, 1, 4)
    asked = json.loads(connection.makefile().readline())
    child = os.fork()
    if child:
        connection.sendall(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    connection.close()
    _become(folder, dict(zip(asked["streams"], streams, strict=True)))
    os.environ.clear()
    os.environ.update(asked["environment"])
    if encoding := os.environ.get("PYTHONIOENCODING"):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding=encoding)
    script = asked["script"]
    sys.path[0] = os.path.dirname(script) if script else ""
    sys.argv = [script or "pipeline", *asked["arguments"]]
    del sys.modules["pipeline.__main__"]  # Imported for what it imports.
    os._exit(_run_here(script))


def _become(folder: int, streams: Mapping[int, int]) -> None:
    """Take over a folder, and the streams that are open; as of the others there are none."""
    os.fchdir(folder)
    os.close(folder)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if number in streams:
            os.dup2(streams[number], number)
        else:
            os.close(number)
            setattr(sys, name, None)
    for stream in streams.values():
        os.close(stream)


def _run_here(script: str | None) -> int:
    """Run the script, or else the command, in this process; returns its exit code.

    What an interpreter does at its end is done here: taking all modules apart takes 0.1 s more.
    """
    code: object = 0
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = 120
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    _serve(sys.argv[1])
