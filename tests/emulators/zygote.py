"""A process that has imported everything, and forks one that works and may be killed.

python -m tests.emulators.zygote   # reads tasks as JSON lines, writes pids and exit codes
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import IO, Any, Final

import pyarrow as pa

from pipeline.moments import utc_now
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from tests.support.runs import process_environment
from tests.support.staging import at, change, filled
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.marts import dead_letter_events, dim_users, users_with_negative_miles

USERS: Final = dim_users.TABLE
NEGATIVE: Final = users_with_negative_miles.TABLE
LETTERS: Final = dead_letter_events.TABLE
TABLES: Final = (USERS, NEGATIVE, LETTERS)


def replace_all(task: Mapping[str, Any]) -> None:
    """As a batch run does: stage rows of three tables, and replace what is there."""
    warehouse = open_warehouse(task["url"])
    with warehouse.lock(TABLES, task["temp"], task["run"]) as folder:
        changes = [
            change(table, WriteDisposition.REPLACE, folder, [named(table, task["name"])])
            for table in TABLES
        ]
        warehouse.commit(changes, task["run"])


def named(table: Table, name: str, minute: int = 0) -> dict[str, Any]:
    """A row with a name in its first column, written in a minute."""
    return filled(table, **{table.column_names[0]: name, table.written_at or "": at(minute)})


def commit_staged(task: Mapping[str, Any]) -> None:
    """As a worker does: commit what is staged."""
    by_name = {table.name: table for table in TABLES}
    changes = [
        Change(
            by_name[name],
            WriteDisposition(how),
            _files(files),
            _files(deletes),
            _files(appended),
            [Matching(tuple(columns), _files(values)) for columns, values in matching],
        )
        for name, how, (files, deletes, appended), matching in task["changes"]
    ]
    open_warehouse(task["url"]).commit(changes, task["run"])


def forget_users(task: Mapping[str, Any]) -> None:
    """As the command does, whatever the warehouse holds."""
    from pipeline.forget.forget_job import forget, new_job

    users = pa.array(task["users"], pa.string())
    warehouse = open_warehouse(task["url"])
    job = new_job(warehouse, users, task["run"], utc_now(), FigureSettings(), pseudonymise=False)
    forget(job, task["temp"])


def _files(files: list[list[Any]]) -> list[StagedFile]:
    return [StagedFile(*file) for file in files]


def as_task(changes: Sequence[Change]) -> list[Any]:
    """Changes as JSON, for `commit_staged`."""
    return [
        [
            c.table.name,
            c.disposition.value,
            [list(files) for files in (c.files, c.deletes, c.appended)],
            [[matching.columns, list(matching.files)] for matching in c.matching],
        ]
        for c in changes
    ]


_TASKS: Final[Mapping[str, Callable[[Mapping[str, Any]], None]]] = {
    "replace": replace_all,
    "commit": commit_staged,
    "forget": forget_users,
}


@dataclass
class Zygote:
    """The process, as a test sees it.

    Attributes:
        process: it itself.
        child: its last fork.
        forked: whether that is known already.
    """

    process: subprocess.Popen[str]
    child: int = 0
    forked: Event = field(default_factory=Event)

    def kill(self) -> None:
        """End the running fork, as a machine that is switched off does."""
        self.forked.wait()
        os.kill(self.child, signal.SIGKILL)

    def run(self, task: str, environment: Mapping[str, str], **details: object) -> int:
        """Have a fork do a task; returns its exit code, or minus the signal that ended it."""
        self.forked.clear()
        message = {"task": task, "environment": dict(environment), **details}
        self._pipe(self.process.stdin).write(json.dumps(message) + "\n")
        self._pipe(self.process.stdin).flush()
        self.child = int(self._pipe(self.process.stdout).readline())
        self.forked.set()
        return int(self._pipe(self.process.stdout).readline())

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@contextmanager
def hatched(environment: Mapping[str, str]) -> Iterator[Zygote]:
    """A zygote; it ends with the context."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.emulators.zygote"],
        env=process_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Zygote(process)
        Zygote._pipe(process.stdin).close()


def main() -> None:
    """Serve tasks until the input ends."""
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if not child:
            _work(task)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _work(task: Mapping[str, Any]) -> None:
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    os.environ.update(task["environment"])
    FileSystems.set_options(PipelineOptions([]))
    code = 1
    try:
        _TASKS[task["task"]](task)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    # What the tasks import late, so that no fork has to.
    import pipeline.forget.forget_job
    import pipeline.warehouse.bigquery.commit
    import pipeline.warehouse.bigquery.staging  # noqa: F401

    main()
