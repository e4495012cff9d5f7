"""The BigQuery emulator, run by its own Python: `.emulators/bin/python bigquery_server.py ...`.

local-bigquery 0.4.0 reads BYTES of a Parquet file as base64, as if it were JSON; BigQuery takes
them as they are.
"""

import sys
from typing import Any

from local_bigquery.cli import main
from local_bigquery.jobs import load

_projection, _decoded = load._projection, load._decoded


def _as_they_are(config: Any, *rest: Any) -> Any:
    is_parquet = config.sourceFormat == "PARQUET"
    load._decoded = (lambda expression, field: expression) if is_parquet else _decoded
    return _projection(config, *rest)


load._projection = _as_they_are
sys.exit(main())
