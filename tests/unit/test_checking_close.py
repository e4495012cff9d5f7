"""Checks that are torn down while a thread still evaluates them."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pyarrow as pa

from tests.support.staging import filled
from transforms.figure_settings import FigureSettings
from transforms.marts import fct_events
from transforms.marts.registry import all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.planning import answerable


def test_closing_while_a_thread_evaluates_raises_nothing() -> None:
    table = fct_events.TABLE
    rows = pa.Table.from_pylist(
        [filled(table, event_date=date(2024, 1, 1))] * 200_000, schema=table.arrow_schema
    )
    checks = answerable(all_checks(FigureSettings()), [table.name])
    over = ArrowChecks(checks, {table.name: table})
    began = threading.Event()
    ended: list[BaseException] = []
    answer = over._prepared.answer

    def slow(statement: str) -> dict[str, Any]:
        began.set()
        return answer(statement)

    over._prepared.answer = slow  # type: ignore[method-assign]

    def evaluate() -> None:
        try:
            while True:
                over.scan({table.name: rows}, [table.name])
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=evaluate)
    thread.start()
    began.wait()
    over.close()
    thread.join()
    assert len(ended) == 1  # Interrupted, or the connection is closed: nobody asks any more.
