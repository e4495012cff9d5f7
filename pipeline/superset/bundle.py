"""The bundle: a zip that Superset imports, the same bytes for the same tables."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, Final

from pipeline.superset.dashboard import dashboard
from pipeline.superset.dashboard_charts import CHARTS
from pipeline.superset.datasets import dataset
from pipeline.superset.home import Home
from transforms.marts.registry import RESULTS, TABLES

# Events are many, and of single people; nobody draws them.
_LEFT_OUT: Final = ("fct_events", "dead_letter_events", "users_with_negative_miles", "dim_users")
_FOLDER: Final = "growth"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def bundle(home: Home) -> bytes:
    """The zip of a home's database, datasets, charts and dashboard."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files(home).items():
            entry = zipfile.ZipInfo(f"{_FOLDER}/{name}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # JSON is YAML.
            archive.writestr(entry, json.dumps(content, indent=1))
    return packed.getvalue()


def files(home: Home) -> Mapping[str, Any]:
    """The files of the bundle by their paths."""
    shown = [table for table in (*TABLES.values(), RESULTS) if table.name not in _LEFT_OUT]
    return {
        "metadata.yaml": {
            "version": "1.0.0",
            "type": "Dashboard",
            "timestamp": "2026-01-01T00:00:00+00:00",
        },
        "databases/growth.yaml": home.database,
        **{f"datasets/growth/{table.name}.yaml": dataset(table, home) for table in shown},
        **{f"charts/{chart.file_name}.yaml": chart.definition(home) for chart in CHARTS},
        "dashboards/growth.yaml": dashboard(CHARTS, home),
    }
