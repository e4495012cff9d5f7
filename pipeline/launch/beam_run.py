"""Run a graph with Beam."""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from pipeline.errors import RunError
from pipeline.launch.runners import Runner, is_dataflow, is_flink
from pipeline.options.beam_options import OF_FLINK
from pipeline.options.option import Option, declare_new

# Workers keep the state of keys that they have just had: without a cache, which is Beam's default
# (apache/beam #30360), each cell that is read takes a trip of a millisecond. Of 4 GB a process.
_ELSEWHERE: Final = ("--max_cache_memory_usage_mb=256",)
_ON_FLINK: Final = (
    # What comes between the end of a checkpoint and the beginning of the next one must not be taken
    # for a part of the first: workers hear of the end a moment later.
    "--min_pause_between_checkpoints=1000",
    # What a bundle gives that a checkpoint has ended waits for the next bundle of its step, and
    # the first step of a stream has but one.
    "--finish_bundle_before_checkpointing",
)
# Prism 2.77 splits a bundle that is slow between two elements of one key, and goes on with both
# halves at once, each with the state before: what the first one writes is lost. Others ignore it.
_NOT_DATAFLOW: Final = "prism_disable_sdf_split"


def pipeline_options(
    runner: Runner, arguments: Sequence[str], command: str = "", ours: tuple[Option, ...] = ()
) -> PipelineOptions:
    """Beam's options of a run.

    Args:
        runner: what runs the graph.
        arguments: the command line behind the command.
        command: its name.
        ours: those of our own options that may be among the arguments: Beam takes them, and
            Dataflow shows them.
    """
    if ours:
        _shown_by_beam(command, ours)
    # Separate worker processes log by themselves what is raised here all the same.
    quiet = ["--default_sdk_harness_log_level=CRITICAL"]
    if is_flink(runner.name):
        _known_to_flink()
    # Of options that are given twice Beam takes the last: those of the command line.
    first = quiet if runner.local else [*_ELSEWHERE, *(_ON_FLINK if is_flink(runner.name) else ())]
    options = PipelineOptions([*first, *arguments])
    if not runner.local and not is_dataflow(runner.name):
        options.view_as(DebugOptions).add_experiment(_NOT_DATAFLOW)
    options.view_as(StandardOptions).runner = runner.name
    return options


@functools.cache
def _shown_by_beam(command: str, ours: tuple[Option, ...]) -> type[Any]:
    """A class of options as Beam looks for them: among the subclasses of its own."""

    def add(cls: type[Any], parser: argparse.ArgumentParser) -> None:
        declare_new(parser, ours)

    name = f"{command.capitalize()}PipelineOptions"
    found: type[Any] = type(name, (PipelineOptions,), {"_add_argparse_args": classmethod(add)})
    return found


@functools.cache
def _known_to_flink() -> type[Any]:
    """A class of Flink's options. Beam asks the job server for them when it sends a job, and warns
    before of each that it can't parse it."""

    def add(cls: type[Any], parser: argparse.ArgumentParser) -> None:
        for name, option in OF_FLINK.items():
            if option["takes"] == "nothing":
                parser.add_argument(f"--{name}", action="store_true")
            else:
                parser.add_argument(f"--{name}", type=int if option.get("type") == "int" else str)

    found: type[Any] = type(
        "FlinkPipelineOptions", (PipelineOptions,), {"_add_argparse_args": classmethod(add)}
    )
    return found


def run_to_end(lay: Callable[[beam.Pipeline], None], options: PipelineOptions) -> None:
    """Run the graph that `lay` lays into a pipeline until its end.

    Raises:
        RunError, or a runner's error around it: if the run failed.
    """
    with quiet_workers():
        state = start(lay, options).wait_until_finish()
    if state != PipelineState.DONE:
        raise RunError(f"the runner ended the job as {state}; its log says why")


def start(
    lay: Callable[[beam.Pipeline], None],
    options: PipelineOptions,
    runner: PipelineRunner | None = None,
) -> PipelineResult:
    """Start the graph that `lay` lays into a pipeline; gives Beam's result.

    Args:
        lay: lays it.
        options: of Beam.
        runner: what runs it; None for the one that the options name.
    """
    pipeline = beam.Pipeline(runner=runner, options=options)
    lay(pipeline)
    return pipeline.run()


@contextmanager
def quiet_workers() -> Iterator[None]:
    """Keep workers from logging the traceback of an error that is raised here all the same."""
    logger = logging.getLogger("apache_beam.runners")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
