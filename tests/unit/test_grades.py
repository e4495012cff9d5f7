"""Labels of figures: the computation, the check and the description say the same."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.marts.grades import Cases, Grades, Step
from transforms.marts.registry import TABLES
from transforms.quality.declaration import OneOf

DOWN = Grades("pct", (Step(">", 70, "High"), Step(">=", 40, "Moderate")), "Low")
UP = Grades("ratio", (Step("<", 1.0, "Bad"), Step("<=", 1.5, "Fair")), "Good", unknown="Unknown")

# The bounds, their neighbours, and anything else.
figures = st.sampled_from(
    [math.nan, 40.0, 70.0, math.nextafter(40, 0), math.nextafter(70, 99), 1.0, 1.5]
) | st.floats(-10, 200)


def down(figure: float) -> str | None:
    if math.isnan(figure):
        return None
    if figure > 70:
        return "High"
    return "Moderate" if figure >= 40 else "Low"


def up(figure: float) -> str:
    if math.isnan(figure):
        return "Unknown"
    if figure < 1:
        return "Bad"
    return "Fair" if figure <= 1.5 else "Good"


@given(st.lists(figures, min_size=1))
def test_each_figure_has_the_label_of_the_first_step_that_holds(found: list[float]) -> None:
    assert DOWN.labels(np.array(found)).to_pylist() == [down(figure) for figure in found]
    assert UP.labels(np.array(found)).to_pylist() == [up(figure) for figure in found]


@pytest.mark.parametrize("grades", [DOWN, UP])
def test_the_check_takes_the_label_and_no_other(grades: Grades) -> None:
    values = np.array([math.nan, 0.5, 1.0, 1.5, 2.0, 39.0, 40.0, 70.0, 71.0])
    kept = grades.check("label").condition
    labels = [*grades.column("label").checks[0].values, None]  # type: ignore[union-attr]
    for value, right in zip(values.tolist(), grades.labels(values).to_pylist(), strict=True):
        for label in labels:
            row = [None if math.isnan(value) else value, label]
            asked = f"SELECT {kept} FROM (SELECT ?::DOUBLE AS {grades.of}, ?::VARCHAR AS label)"
            (answer,) = duckdb.execute(asked, row).fetchone() or (None,)
            assert answer == (label == right), (value, label)


def test_the_column_lists_the_steps_and_is_null_where_the_figure_has_no_label() -> None:
    column = DOWN.column("label")
    assert column.description == "Of pct: > 70 High, >= 40 Moderate, else Low"
    assert column.checks == (OneOf(("High", "Moderate", "Low")),)
    assert not column.required
    named = UP.column("label")
    assert named.description == "Of ratio: none Unknown, < 1.0 Bad, <= 1.5 Fair, else Good"
    assert named.required


def test_cases_label_rows_in_order() -> None:
    cases = Cases((("a = 1", "one"), ("b = 1", "other")), "none")
    holds = np.array([True, False, False]), np.array([True, True, False])
    assert cases.labels(*holds).to_pylist() == ["one", "other", "none"]
    with pytest.raises(ValueError, match="zip"):
        cases.labels(holds[0])


def test_the_edges_of_days_stand_in_the_descriptions() -> None:
    found = {
        name: TABLES["user_resurrection_analysis"].column(f"{name}_dormancy_resurrections")
        for name in ("short", "medium", "long", "very_long")
    }
    assert [column.description for column in found.values() if column] == [
        "After a dormancy of 2-7 days",
        "After 8-30 days",
        "After 31-90 days",
        "After more than 90 days",
    ]
