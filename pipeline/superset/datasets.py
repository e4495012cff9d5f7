"""Datasets of Superset: a table each, with the contract's descriptions, and metrics that may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.superset.home import Home
from transforms.contract import DATE, TIMESTAMP, Column, Table
from transforms.measures import Aggregation, Measure

_OVER_ROWS: Final[Mapping[Aggregation, str]] = {
    "sum": "Adds up over periods",
    "ratio": "Over several periods the sum of numerators over the sum of denominators",
    "mean": "Mean over the periods that are shown: it does not add up over them",
}


def dataset(table: Table, home: Home) -> dict[str, Any]:
    """What an import makes a dataset of."""
    dates = [column.name for column in table.columns if column.type is DATE]
    return {
        "table_name": table.name,
        "schema": home.schema,
        "description": table.description,
        "main_dttm_col": dates[0] if dates else None,
        "filter_select_enabled": True,
        "uuid": home.id_of("dataset", table.name),
        "database_uuid": home.id_of("database", home.schema),
        "version": "1.0.0",
        "columns": [_column(column) for column in table.columns],
        "metrics": [_metric(column, column.measure) for column in table.columns if column.measure],
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "verbose_name": column.heading,
        "description": column.description,
        "type": column.type.value,
        "is_dttm": column.type in (DATE, TIMESTAMP),
        "is_active": True,
        "groupby": column.role == "dimension",
        "filterable": True,
    }


def _metric(column: Column, measure: Measure) -> dict[str, Any]:
    return {
        "metric_name": column.name,
        "verbose_name": column.heading,
        "expression": measure.over_rows(column.name),
        "description": f"{column.description}. Unit: {measure.unit.name}. "
        f"{_OVER_ROWS[measure.aggregation]}",
        "d3format": measure.format,
    }
