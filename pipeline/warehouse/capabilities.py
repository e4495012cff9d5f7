"""What a home of tables can do and asks for, as a value that the steps around it go by."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from transforms.contract import Table


@dataclass(frozen=True)
class DayBlocks:
    """Stretches of days that staged files keep apart.

    Attributes:
        days: how long one is.
        first: a day on which one begins, in days since 1970.
    """

    days: int
    first: int

    def of(self, day: int) -> int:
        """The number of the block in which a day lies."""
        return (day - self.first) // self.days

    def span(self, block: int) -> tuple[int, int]:
        """The first day of a block, and the first one behind it."""
        first = self.first + block * self.days
        return first, first + self.days


@dataclass(frozen=True)
class FileLayout:
    """How a home wants staged Parquet files.

    Attributes:
        instants: whether TIMESTAMP is stored as an instant, adjusted to UTC; else without a zone,
            as the contract has it.
        blocks: the rows of a file of a table that is partitioned by DAY lie in one of these; None
            for in any partitions.
    """

    instants: bool = False
    blocks: DayBlocks | None = None

    def blocks_of(self, table: Table) -> DayBlocks | None:
        """The blocks that files of a table keep apart; None for none."""
        by_day = table.partition is not None and table.partition.by == "DAY"
        return self.blocks if by_day else None

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The Arrow schema in which rows of a contract's schema are stored."""
        return zoned(schema) if self.instants else schema


def zoned(schema: pa.Schema) -> pa.Schema:
    """A schema with TIMESTAMP as an instant."""
    return pa.schema(
        field.with_type(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field
        for field in schema
    )


@dataclass(frozen=True)
class Capabilities:
    """What a home can do.

    Attributes:
        workers_must_be_local: whether only workers on this machine can reach it; then `claim` and
            `resume` are refused, as a run can't go on without this process.
        layout: how it wants staged files.
        keeps_deleted: where rows can be found that have left its tables, for people.
        keeps_until_compacted: where else until it is compacted.
    """

    workers_must_be_local: bool
    layout: FileLayout
    keeps_deleted: tuple[str, ...] = ()
    keeps_until_compacted: tuple[str, ...] = ()
