"""Commits of flushes on runners whose state is durable at their next checkpoint.

Such a runner goes back to its last checkpoint when it loses a worker. What was committed since
would stay in the tables, and what comes again may come in another order, and make other flushes: a
cohort of a user whose first event came last would be left for ever. So a flush is committed once
it is in a checkpoint, and the tables never know more than the state that a job goes back to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    ReadModifyWriteRuntimeState,
    ReadModifyWriteStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from pipeline.sinks.commit_flushes import COUNTS, CommitFlushes, CommitStep
from pipeline.sinks.durable_flushes import KNOWN, DurableFlushes, Finalizer
from pipeline.sinks.flush_state import SealedFlush
from transforms.streaming.clock import Clock

# In the place of the number of a part's type.
_TICK: Final = (1 << 20, b"")
# How often it is looked whether a flush can be committed.
_TICK_SECONDS: Final = 1.0


class CommitCheckpointed(CommitFlushes):
    """As CommitFlushes, with commits of what is in a checkpoint."""

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        parts = self.keyed(inputs)
        return (
            [*parts, inputs[COUNTS] | "Looks" >> _Looks(self.clock)]
            | "All parts" >> beam.Flatten()
            | "Merge" >> beam.ParDo(_Commit(self)).with_output_types(dict[str, Any])
        )


class _Looks(beam.PTransform):
    """Parts -> ticks, from the first part on, for ever.

    Only where a step has an element can it ask what becomes of its bundle, not where it has a
    timer. An element of its own would not do for a beginning: behind the last one of an input that
    has an end, runners drop timers.
    """

    def __init__(self, clock: Clock):
        super().__init__()
        self._clock = clock

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        tick = beam.ParDo(_Tick(self._clock))
        return (
            parts
            # Not the parts themselves: Flink's job server knows no input of a Flatten elsewhere.
            | "One" >> beam.Map(lambda _: (0, b"")).with_output_types(tuple[int, bytes])
            | "Tick" >> tick.with_output_types(tuple[int, tuple[int, bytes]])
        )


class _Tick(beam.DoFn):
    TICKS = ReadModifyWriteStateSpec("ticks", VarIntCoder())
    NEXT = TimerSpec("next", TimeDomain.REAL_TIME)

    def __init__(self, clock: Clock):
        self._clock = clock

    def process(
        self,
        _: tuple[int, bytes],
        ticks: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(TICKS),
        following: RuntimeTimer = beam.DoFn.TimerParam(NEXT),
    ) -> None:
        if not ticks.read():
            ticks.write(1)
            self._set(following)

    @on_timer(NEXT)
    def tick(
        self, following: RuntimeTimer = beam.DoFn.TimerParam(NEXT)
    ) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Give one, and go on."""
        self._set(following)
        yield 0, _TICK

    def _set(self, following: RuntimeTimer) -> None:
        following.set(Timestamp.of(self._clock() + _TICK_SECONDS))


class _Commit(CommitStep):
    """Commits a sealed flush when a tick finds it durable."""

    def __init__(self, options: CommitFlushes, known: DurableFlushes | None = None):
        super().__init__(options)
        self._known = known

    def setup(self) -> None:
        super().setup()
        self._durable = self._known or KNOWN

    def process(  # type: ignore[override]
        self,
        keyed: tuple[int, tuple[int, bytes]],
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(CommitStep.PARTS),
        seal: RuntimeTimer = beam.DoFn.TimerParam(CommitStep.SEAL),
        sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(CommitStep.SEALED),
        committed: AccumulatingRuntimeState = beam.DoFn.StateParam(CommitStep.COMMITTED),
        removal: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(CommitStep.REMOVAL),
        finalizer: Finalizer = beam.DoFn.BundleFinalizerParam,
    ) -> Iterator[dict[str, Any]]:
        """Keep a part for the next flush; or look whether the last one can be committed."""
        if keyed[1] != _TICK:
            super().process(keyed, parts, seal)
            return
        kept = sealed.read()
        if not kept:
            return
        flush = SealedFlush.from_bytes(kept).commit_id(self._options.run.run_id)
        if self._durable.is_durable(flush, finalizer, self._options.clock()):
            yield from self.commit_flush(sealed, committed, removal)
            self._durable.forget(flush)

    def commit_soon(self, commit: RuntimeTimer, now: Timestamp) -> None:
        """A flush that is sealed waits for a checkpoint."""
