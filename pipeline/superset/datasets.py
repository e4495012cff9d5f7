"""Datasets of Superset: a table each, with the contract's descriptions, and metrics that may be."""

from __future__ import annotations

from typing import Any, Final

from pipeline.superset.home import Home
from transforms.contract import DATE, TIMESTAMP, Column, Table
from transforms.readings import Reading, reading_of

_MEANS: Final = {
    "sum": "Adds up over periods",
    "mean": "Mean over the periods that are shown: it does not add up over them",
}
_EXPRESSIONS: Final = {"sum": "SUM({0})", "mean": "AVG({0})"}


def dataset(table: Table, home: Home) -> dict[str, Any]:
    """What an import makes a dataset of."""
    read = [(column, reading_of(table, column)) for column in table.columns]
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
        "columns": [_column(column, reading) for column, reading in read],
        "metrics": [
            _metric(column, reading) for column, reading in read if reading.role == "measure"
        ],
    }


def _column(column: Column, reading: Reading) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "verbose_name": reading.label,
        "description": column.description,
        "type": column.type.value,
        "is_dttm": column.type in (DATE, TIMESTAMP),
        "is_active": True,
        "groupby": reading.role == "dimension",
        "filterable": True,
    }


def _metric(column: Column, reading: Reading) -> dict[str, Any]:
    assert reading.aggregation
    return {
        "metric_name": column.name,
        "verbose_name": reading.label,
        "expression": _EXPRESSIONS[reading.aggregation].format(column.name),
        "description": f"{column.description}. {_MEANS[reading.aggregation]}",
        "d3format": reading.format,
    }
