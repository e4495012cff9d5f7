"""What BigQuery allows a load job: https://cloud.google.com/bigquery/quotas (read 2026-11)."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.warehouse.changes import StagedFile
from transforms.contract import Table

PARTITIONS_PER_JOB: Final = 4_000
FILES_PER_LOAD: Final = 10_000
BYTES_PER_LOAD: Final = 15 * 10**12

# Blocks of partitions are counted from here on, so that few tables lie on both sides of an edge
# (2010-12-14, 2021-11-27, 2032-11-09).
FIRST_DAY: Final = int(np.datetime64("2000-01-01", "D").astype(np.int64))


def has_blocks(table: Table) -> bool:
    """Whether a table may have more partitions than a job may load; 4,000 months are 333 years."""
    return table.partition is not None and table.partition.by == "DAY"


def block_of(file: StagedFile) -> int:
    """The block of `PARTITIONS_PER_JOB` days in which all rows of a file of such a table lie."""
    return (file.partitions[0] - FIRST_DAY) // PARTITIONS_PER_JOB
