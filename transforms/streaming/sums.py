"""Changes of counters, and rows, -> shards and the sums of shards."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    BagStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from transforms.kernels.user_shards import user_shards
from transforms.streaming.clock import Clock


class _Summable(Protocol):
    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self: ...


@dataclass
class ToShard(beam.PTransform):
    """Elements -> (shard, element), spread at random.

    Attributes:
        kind: of the elements.
        shards: how many there are.
    """

    kind: Any
    shards: int

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return elements | "To a shard" >> beam.Map(_keyed, self.shards).with_output_types(
            tuple[int, self.kind]  # type: ignore[name-defined]
        )


def _keyed(element: Any, shards: int) -> tuple[int, Any]:
    return random.randrange(shards), element


@dataclass
class ToUserShard(beam.PTransform):
    """(name of a contract, table of rows) -> (shard, (name, rows)), those of a user always to the
    same shard.

    Attributes:
        shards: how many there are.
        key: of the run, by `shard_key`: a job that takes another one's place has its run and so
            its shards, where rows may wait.
    """

    shards: int
    key: bytes

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "To users' shards" >> beam.FlatMap(
            split_by_user, self.shards, self.key
        ).with_output_types(tuple[int, tuple[str, pa.Table]])


def split_by_user(
    named: tuple[str, pa.Table], shards: int, key: bytes
) -> Iterator[tuple[int, tuple[str, pa.Table]]]:
    """The rows of each shard that has some, by the column user_id."""
    name, rows = named
    if shards == 1:
        yield 0, named
        return
    shard = user_shards(rows["user_id"].cast(pa.string()).combine_chunks(), key, shards)
    for number in np.unique(shard).tolist():
        yield number, (name, rows.filter(pa.array(shard == number)))


@dataclass
class SumShards(beam.PTransform):
    """(shard, Counters or RunCounts) -> the sum of each shard, once for each interval.

    The first of two levels: bundles send one element each to a shard, a shard sends one for each
    interval to the one sum. So no key is hot, however many users are active.

    Attributes:
        kind: Counters or RunCounts.
        seconds: how long changes are gathered.
        clock: processing time.
    """

    kind: type[_Summable]
    seconds: float
    clock: Clock

    def expand(self, changes: beam.PCollection) -> beam.PCollection:
        return changes | "Sum shards" >> beam.ParDo(_SumShard(self)).with_output_types(self.kind)


class _SumShard(beam.DoFn):
    GATHERED = BagStateSpec("gathered", BytesCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: SumShards):
        self._options = options
        self._coder = beam.coders.registry.get_coder(options.kind)

    def process(
        self,
        change: tuple[int, _Summable],
        gathered: AccumulatingRuntimeState = beam.DoFn.StateParam(GATHERED),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> None:
        # Setting a timer that is set would put it off for as long as changes come.
        if not any(True for _ in gathered.read()):
            flush.set(Timestamp.of(self._options.clock() + self._options.seconds))
        gathered.add(self._coder.encode(change[1]))

    @on_timer(FLUSH)
    def send(
        self, gathered: AccumulatingRuntimeState = beam.DoFn.StateParam(GATHERED)
    ) -> Iterator[_Summable]:
        """The sum of what has come since the last time."""
        parts = [self._coder.decode(data) for data in gathered.read()]
        gathered.clear()
        if parts:  # A timer may fire twice.
            yield self._options.kind.total(parts)
