"""Beam's local streaming runner, which reads what this process has on lease.

Beam's own pulls ten messages at a time, acknowledges them at once, and never stops. It offers no
place to say otherwise, so its parts are put together here, with another reader and another clock;
they are those of the pinned version of Beam.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import apache_beam as beam
import google.cloud.pubsub as pubsub
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.options.value_provider import RuntimeValueProvider
from apache_beam.runners.direct.bundle_factory import BundleFactory
from apache_beam.runners.direct.clock import RealClock
from apache_beam.runners.direct.consumer_tracking_pipeline_visitor import (
    ConsumerTrackingPipelineVisitor,
)
from apache_beam.runners.direct.direct_runner import (
    BundleBasedDirectRunner,
    DirectPipelineResult,
    _DirectReadFromPubSub,
    _get_transform_overrides,
)
from apache_beam.runners.direct.evaluation_context import EvaluationContext
from apache_beam.runners.direct.executor import Executor
from apache_beam.runners.direct.transform_evaluator import (
    TransformEvaluatorRegistry,
    _PubSubReadEvaluator,
)
from apache_beam.utils.timestamp import Timestamp

from pipeline.pubsub.local_subscriber import LeasedMessages
from transforms.streaming.clock import system_clock


class LocalStreamRunner(BundleBasedDirectRunner):
    """Runs a streaming pipeline in threads of this process.

    Timers and the watermark go by this process's clock, which never steps back.

    Args:
        messages: what `ReadFromPubSub` reads.
    """

    def __init__(self, messages: LeasedMessages):
        self._messages = messages

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        """Start the pipeline; its result is Beam's."""
        pipeline.replace_all(_get_transform_overrides(options))
        visited = ConsumerTrackingPipelineVisitor()
        pipeline.visit(visited)
        # Beam's metrics ask the runner for it.
        self.consumer_tracking_visitor = visited
        context = EvaluationContext(
            options,
            BundleFactory(stacked=options.view_as(DirectOptions).direct_runner_use_stacked_bundle),
            visited.root_transforms,
            visited.value_to_consumers,
            visited.step_names,
            visited.views,
            _SteadyClock(),
        )
        evaluators = _Evaluators(context, self._messages)
        executor = Executor(visited.value_to_consumers, evaluators, context)
        RuntimeValueProvider.set_runtime_options({})
        executor.start(visited.root_transforms)
        return DirectPipelineResult(executor, context)


class _SteadyClock(RealClock):
    def time(self) -> float:
        return system_clock()


class _Evaluators(TransformEvaluatorRegistry):
    """Beam's, but that of messages."""

    def __init__(self, context: EvaluationContext, messages: LeasedMessages):
        super().__init__(context)
        self._evaluators[_DirectReadFromPubSub] = partial(_ReadMessages, messages)


class _ReadMessages(_PubSubReadEvaluator):
    """Reads what is on lease; what is read is not acknowledged."""

    def __init__(self, messages: LeasedMessages, *arguments: Any):
        super().__init__(*arguments)
        self._messages = messages

    def _get_subscriber_client(self, _: Any) -> _Client:
        return _Client(self._messages)

    def finish_bundle(self) -> Any:
        result = super().finish_bundle()
        # Timers fire by the clock of this process, and so must the watermark go.
        result.keyed_watermark_holds = {None: Timestamp.of(system_clock())}
        return result


class _Client:
    """As much of a client of Pub/Sub as Beam's reader asks for."""

    def __init__(self, messages: LeasedMessages):
        self._messages = messages

    def pull(self, **_: Any) -> pubsub.types.PullResponse:
        return self._messages.pull()

    def acknowledge(self, **_: Any) -> None:
        """Not yet: a flush has to commit the messages first."""
