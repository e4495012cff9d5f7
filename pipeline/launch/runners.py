"""Which runner a command line asks for; decided without importing Beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import OptionError
from pipeline.warehouse import Warehouse

_DEFAULT: Final = "FnApiRunner"
_STREAMING_DEFAULT: Final = "BundleBasedDirectRunner"
# Beam's DirectRunner first tries to download and start another runner, Prism.
_LOCAL: Final = {
    "fnapi": _DEFAULT,
    "direct": _DEFAULT,
    "bundlebaseddirect": "BundleBasedDirectRunner",
}

# Which options say where a portable runner's cluster is.
_LEADS_TO: Final = ("flink_master", "job_endpoint")
_DATAFLOW_NEEDS: Final = ("project", "region")
_NAME_A_DATASET: Final = "name bigquery://project/dataset"
_LET_THEM_RUN_HERE: Final = (
    "let them run here, with --environment_type LOOPBACK in this process, or with EXTERNAL and "
    "--environment_config localhost:PORT in a worker pool beside a cluster on localhost; or "
)
_AT_LEAST_ONCE: Final = "streaming_mode_at_least_once"
_EXACTLY_ONCE: Final = "EXACTLY_ONCE"


@dataclass(frozen=True)
class Runner:
    """A runner.

    Attributes:
        name: as Beam knows it.
        local: whether its workers run on this machine.
        workers: how many there are, as far as that is known.
    """

    name: str
    local: bool
    workers: int | None


def choose_streaming_runner(given: Mapping[str, str], warehouse: Warehouse) -> Runner:
    """The runner of a stream command.

    Args:
        given: Beam's options on the command line, by name.
        warehouse: where the run writes.

    Raises:
        OptionError: if the options don't go with each other or with the warehouse.
    """
    asked = given.get("runner", _STREAMING_DEFAULT)
    local = _short(asked) in _LOCAL
    if not local and warehouse.capabilities.workers_must_be_local:
        # A file is held by a process, and such a job has none that lives as long.
        raise OptionError(_out_of_reach(warehouse, asked, _NAME_A_DATASET))
    if not local:
        _check_dataflow(given, asked)
        _check_flink(given, asked)
    if _AT_LEAST_ONCE in given.get("dataflow_service_options", ""):
        raise OptionError(
            f"--dataflow_service_options {_AT_LEAST_ONCE}: what is summed would count twice; leave "
            "it out, exactly-once is Dataflow's default"
        )
    # Beam's other local runner ends grouped output only when the input ends.
    return Runner(_STREAMING_DEFAULT if local else asked, local, 1 if local else None)


def refuse_local_input(paths: Sequence[str], runner: Runner) -> None:
    """Raise OptionError if workers on Dataflow are to read files on this machine."""
    local = [path for path in paths if "://" not in path]
    if local and is_dataflow(runner.name):
        raise OptionError(
            f"--input {local[0]} is a path on this machine, which the workers of {runner.name} "
            "can't reach: copy the files to gs://"
        )


def refuse_lost(summary_file: str | None, waits: bool) -> None:
    """Raise OptionError if nobody is there to write a summary on this machine in the end."""
    if summary_file is not None and not waits and not summary_file.startswith("gs://"):
        raise OptionError(
            f"--summary_file {summary_file} is on this machine, where nobody waits for the job's "
            "end: name a file on gs://"
        )


def refuse_alert(is_asked: bool, waits: bool) -> None:
    """Raise OptionError if nobody is there to post an alert in the end.

    The job could, but whoever may see it would see the address among its options.
    """
    if is_asked and not waits:
        raise OptionError(
            "--alert posts when the run ends, and this one goes on elsewhere: leave it out, and "
            "let a schedule run check --alert"
        )


def is_dataflow(name: str) -> bool:
    """Whether a runner's name is that of Dataflow."""
    return _short(name) == "dataflow"


def is_flink(name: str) -> bool:
    """Whether a runner's name is that of Flink."""
    return _short(name) == "flink"


def _check_flink(given: Mapping[str, str], asked: str) -> None:
    """Raise OptionError if a stream on Flink would have no checkpoints, counts twice after one, or
    begins with those of another stream.

    Flink takes none by itself, and flushes are committed and messages acknowledged at checkpoints.
    """
    if not is_flink(asked):
        return
    if int(given.get("checkpointing_interval") or -1) <= 0:
        raise OptionError(
            f"--runner {asked} needs --checkpointing_interval too, in milliseconds: flushes are "
            "committed and messages acknowledged at checkpoints; 10000 takes one every 10 seconds"
        )
    if given.get("savepoint_path"):
        raise OptionError(
            f"--savepoint_path {given['savepoint_path']}: what an earlier stream knew need not be "
            "what the tables hold; leave it out, a stream goes on from its tables"
        )
    mode = given.get("checkpointing_mode", _EXACTLY_ONCE)
    if mode != _EXACTLY_ONCE:
        raise OptionError(
            f"--checkpointing_mode {mode}: what is summed would count twice; leave it out, or take "
            f"{_EXACTLY_ONCE}"
        )


def _short(runner: str) -> str:
    return runner.rsplit(".", 1)[-1].lower().removesuffix("runner")


def _check_dataflow(given: Mapping[str, str], asked: str) -> None:
    missing = [f"--{name}" for name in _DATAFLOW_NEEDS if not given.get(name)]
    if is_dataflow(asked) and missing:
        raise OptionError(f"--runner {asked} needs {' and '.join(missing)} too")


def _check_reach(given: Mapping[str, str], asked: str, warehouse: Warehouse) -> None:
    """Raise OptionError if the warehouse is a file on this machine and workers may be elsewhere."""
    if warehouse.capabilities.workers_must_be_local and not _workers_are_here(given, asked):
        here = "" if is_dataflow(asked) else _LET_THEM_RUN_HERE
        raise OptionError(_out_of_reach(warehouse, asked, here + _NAME_A_DATASET))


def _out_of_reach(warehouse: Warehouse, runner: str, ways: str) -> str:
    return (
        f"--warehouse {warehouse.url} is a file on this machine, which the workers of {runner} "
        f"can't reach: {ways}"
    )


def _workers_are_here(given: Mapping[str, str], asked: str) -> bool:
    """Whether options say that a portable runner's workers run on this machine.

    A pool's localhost is that of who asks it for workers: of the cluster.
    """
    kind = given.get("environment_type", "").upper()
    if is_dataflow(asked) or kind not in ("EXTERNAL", "LOOPBACK"):
        return False
    leads = [given[name] for name in _LEADS_TO if given.get(name)]
    pool = given.get("environment_config", "")
    return kind == "LOOPBACK" or (bool(leads) and all(map(_is_here, [*leads, pool])))


def _is_here(address: str) -> bool:
    """Whether an address, with or without a scheme and a port, is on this machine's loopback."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
    except ValueError:
        return False
    return host == "localhost" or host == "::1" or (host or "").startswith("127.")


def choose_runner(given: Mapping[str, str], warehouse: Warehouse) -> Runner:
    """The runner of a batch command.

    Args:
        given: Beam's options on the command line, by name.
        warehouse: where the run writes.

    Raises:
        OptionError: if the options don't go with each other or with the warehouse.
    """
    if "streaming" in given:
        raise OptionError("--streaming: batch reads files to their end; leave it out")
    if given.get("direct_running_mode") == "multi_threading":
        raise OptionError(
            "--direct_running_mode multi_threading crashes in Beam 2.77's GroupByKey: take "
            "in_memory or multi_processing"
        )
    asked = given.get("runner", _DEFAULT)
    name = _LOCAL.get(_short(asked))
    if name is None:
        _check_reach(given, asked, warehouse)
        _check_dataflow(given, asked)
    workers = int(given.get("direct_num_workers", 1)) if name is not None else None
    if workers is not None and workers < 0:
        raise OptionError("--direct_num_workers: name a number from 1, or 0 for one for each core")
    return Runner(name or asked, name is not None, workers)
