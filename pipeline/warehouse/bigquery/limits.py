"""What BigQuery allows a load job: https://cloud.google.com/bigquery/quotas (read 2026-11)."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.warehouse.capabilities import DayBlocks, FileLayout

PARTITIONS_PER_JOB: Final = 4_000
FILES_PER_LOAD: Final = 10_000
BYTES_PER_LOAD: Final = 15 * 10**12

# Blocks are counted from here on, so that few tables lie on both sides of an edge (2010-12-14,
# 2021-11-27, 2032-11-09). Tables partitioned by MONTH need none: 4,000 months are 333 years.
_FIRST_DAY: Final = int(np.datetime64("2000-01-01", "D").astype(np.int64))

# A timestamp that is not adjusted to UTC loads as DATETIME.
LAYOUT: Final = FileLayout(instants=True, blocks=DayBlocks(PARTITIONS_PER_JOB, _FIRST_DAY))
