"""Processes and threads that work for a run on this machine, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_EXCEPTION,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Final, TypeVar

from pipeline.allocator import keep_freed_memory
from pipeline.errors import RunError
from pipeline.storage import check_storage

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# What a worker imports; the process that workers are forked from has it once for all of them.
_PRELOADED: Final = ["pipeline.local_batch.parse_files", "pipeline.local_batch.work_shards"]
_BYTES_OF_WORKER: Final = 1 << 30
_LIMIT_OF_CONTAINER: Final = "/sys/fs/cgroup/memory.max"


def default_workers() -> int:
    """As many as this process may use cores, and as there is a GB of memory for each."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # Not Linux.
        cores = os.cpu_count() or 1
    return max(1, min(cores, _memory() // _BYTES_OF_WORKER))


def _memory() -> int:
    """How many bytes this machine has, or the container that this process is in."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(_LIMIT_OF_CONTAINER) as file:
            return min(memory, int(file.read()))
    except (OSError, ValueError):  # None is set.
        return memory


@contextmanager
def worker_threads(count: int) -> Iterator[Executor]:
    """So many threads of this process."""
    with ThreadPoolExecutor(count) as pool:
        yield pool


@contextmanager
def worker_processes(count: int, folder: str) -> Iterator[Executor]:
    """So many processes, which are gone when this one is.

    They are forked from a process that has no threads and no open files of ours: what this one
    has would break in a child of its own.

    Args:
        count: how many.
        folder: into which they stage rows, local or gs://.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(folder,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def results(
    executor: Executor, work: Callable[[_Item], _Result], items: Iterable[_Item]
) -> list[_Result]:
    """What the work on each item comes to, in the items' order.

    Raises:
        RunError: if a worker was ended from outside.
        Whatever the work raises: at the first one that does, what has not begun is dropped.
    """
    futures: list[Future[_Result]] = []
    try:
        futures.extend(executor.submit(work, item) for item in items)
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in filter(Future.done, futures):
            future.result()
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process has ended before its work was done, as where memory ran out (the "
            "system's log says so): free some, or run with --workers 1; no table was touched"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _begin(folder: str) -> None:
    """What a worker does first."""
    keep_freed_memory()
    # Ctrl-C goes to all processes of a terminal: the one that they work for ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    check_storage([folder], [])


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
