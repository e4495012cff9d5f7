"""Warehouses with dead letters to replay, and the tables that they are to end in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.warehouse import open_warehouse
from tests.support.forgetting import fill, tables_from
from tests.support.runs import comparable
from tests.support.tables import NOW, Row, compute, csv_text, parse
from transforms.figure_settings import FigureSettings
from transforms.kernels.parse import Parsed
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.vocabulary import EVENT_TYPES

MARTS = [name for name in TABLES if name != "dead_letter_events"]
Tables = dict[str, pa.Table]


def spoilt(item: Row) -> dict[str, str]:
    """A row that `s/_APP//` corrects."""
    return {**item, "platform": f"{item['platform']}_APP"}


def build(
    folder: Path, rows: Sequence[Row], name: str = "events", active: Sequence[str] = EVENT_TYPES
) -> Path:
    """A warehouse of one file, as batch leaves it, made by the kernels alone."""
    return build_from(folder, csv_text(rows), name, active)


def build_from(
    folder: Path, text: bytes, name: str = "events", active: Sequence[str] = EVENT_TYPES
) -> Path:
    """The same of a file's text."""
    source, database, types = folder / f"{name}.csv", folder / f"{name}.duckdb", tuple(active)
    source.write_bytes(text)
    (found,) = parse(text)
    warehouse, active_types = open_warehouse(f"duckdb:///{database}"), FigureSettings(types)
    fill(warehouse, None, tables_from(found, str(source), active_types), active_types)
    return database


def computed(rows: Sequence[Row], active: Sequence[str] = EVENT_TYPES) -> Tables:
    """The marts of a batch over these rows, by the kernels alone."""
    return _marts(list(parse(csv_text(rows))), active)


def computed_from(text: bytes, active: Sequence[str] = EVENT_TYPES) -> Tables:
    """The marts of a batch over a file's text, and its dead letters."""
    found = list(parse(text))
    letters = [dead_letter_events.rows(part.rejections, "a.csv", NOW, "1") for part in found]
    return {**_marts(found, active), "dead_letter_events": pa.concat_tables(letters)}


def _marts(found: Sequence[Parsed], active: Sequence[str]) -> Tables:
    return {
        name: comparable(name, table.cast(TABLES[name].arrow_schema))
        for name, table in compute([part.events for part in found], active).items()
    }


def unlike(left: Tables, right: Tables, names: Sequence[str] = tuple(TABLES)) -> list[str]:
    """The names of the tables that differ."""
    return [name for name in names if not left[name].equals(right[name])]


def payloads(tables: Tables) -> Counter[str]:
    """How often each payload is a dead letter."""
    return Counter(tables["dead_letter_events"]["payload"].to_pylist())


def dead_letters(database: Path) -> dict[str, dict[str, Any]]:
    """All columns of the dead letters, by payload."""
    table = open_warehouse(f"duckdb:///{database}").read(TABLES["dead_letter_events"])
    return {dead_letter["payload"]: dead_letter for dead_letter in table.to_pylist()}
