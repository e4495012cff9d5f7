"""What a command line asks of Beam, which is imported where a graph is run and no sooner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.launch.runners import Runner
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import Option

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


@dataclass(frozen=True)
class ByBeam:
    """How Beam runs a graph, where one is needed.

    Attributes:
        runner: what runs it.
        is_asked: whether the command line asks anything of a runner; else few events need none.
        options: gives Beam's options; Beam is imported where they are asked for.
    """

    runner: Runner
    is_asked: bool
    options: Callable[[], PipelineOptions]

    @classmethod
    def of(
        cls, runner: Runner, given: BeamArguments, command: str, shown: tuple[Option, ...] = ()
    ) -> ByBeam:
        """How a command line says it.

        Args:
            runner: what runs a graph.
            given: what the command line says to Beam.
            command: its name.
            shown: those of the command's own options that Beam takes, and Dataflow shows.
        """

        def options() -> PipelineOptions:
            from pipeline.launch.beam_run import pipeline_options

            return pipeline_options(runner, given.whole if shown else given.own, command, shown)

        return cls(runner, not runner.local or bool(given.of_runner), options)
