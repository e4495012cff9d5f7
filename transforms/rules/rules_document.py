"""Rules as a document of plain tables, lists and texts, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from transforms.data_error import DataError
from transforms.figure_settings import checked_own
from transforms.kernels.input_formats import Given
from transforms.kernels.rates import PER_DAY, PER_SESSION
from transforms.reckoning import PLAIN
from transforms.rules.model import (
    OTHERS,
    AmountRules,
    Column,
    Exclude,
    Rules,
    TimeRules,
    ValueMap,
)
from transforms.rules.rules_shape import SHAPE, ours_problem
from transforms.rules.shapes import ShapeError
from transforms.rules.values import value_key

Document = Mapping[str, Any]


def rules_of(document: Document) -> Rules:
    """The rules that a document says.

    Raises:
        ShapeError: if it is none, with where and why.
    """
    SHAPE.check(document, ())
    own = document.get("event_types", {}).get("own", ())
    takes_all = own == OTHERS
    rules = Rules(
        _given(document.get("input", {})),
        {name: _column(given) for name, given in document.get("columns", {}).items()},
        _time(document.get("time", {})),
        _amount(document["amount"]) if "amount" in document else None,
        _value_maps(document.get("values", {}), document.get("patterns", {})),
        () if takes_all else _own(own, ("event_types", "own")),
        takes_all,
        document.get("sessions", {}).get("gap_minutes", PLAIN.session_gap_minutes),
        _exclude(document.get("exclude", {})),
        document.get("exclude", {}).get("ids_file"),
        tuple(text.strip() for text in document.get("input", {}).get("null", ())),
        document.get("input", {}).get("ignore_case", False),
    )
    _check_lines(rules)
    for keys, name, text in _our_values(rules):
        types = rules.event_types
        if takes_all and name == "event_type" and text not in types:
            types = _own([text], keys)
        problem = ours_problem(name, text, types)
        if problem is not None:
            raise ShapeError(keys, f"{text!r} {problem}")
    return rules


def _own(names: Iterable[str], keys: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return checked_own(names)
    except DataError as error:
        raise ShapeError(keys, f"is wrong: {error}") from error


def _check_lines(rules: Rules) -> None:
    """See that a value has one line, and a blank none; and that all others go one way."""
    types = rules.values.get("event_type", ValueMap())
    if rules.takes_all_types and types.others is not None:
        raise ShapeError(
            ("values", "event_type", OTHERS),
            'is for all other names, which own = "*" in [event_types] takes as they are: leave out '
            "one of the two",
        )
    for name, values in rules.values.items():
        seen: dict[str, str] = {}
        for text in values.lines:
            if not text.strip():
                problem = f"is for blanks: give columns.{name} a default instead"
                raise ShapeError(("values", name, text), problem)
            if text.strip() in rules.nulls:
                problem = (
                    f"is blank by null of [input]: leave it out, or give columns.{name} a default"
                )
                raise ShapeError(("values", name, text), problem)
            other = seen.setdefault(value_key(name, text), text)
            if other != text and values.lines[other] != values.lines[text]:
                raise ShapeError(("values", name, text), f"is the same value as {other!r} here")


def _our_values(rules: Rules) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Where they stand, whose column it is, and the text."""
    for name, column in rules.columns.items():
        if column.default is not None:
            yield ("columns", name), name, column.default
    for name, values in rules.values.items():
        for text, ours in values.lines.items():
            yield ("values", name, text), name, ours
        if values.others is not None:
            yield ("values", name, OTHERS), name, values.others
        for pattern, ours in values.patterns:
            yield ("patterns", name, pattern), name, ours


def document_of(rules: Rules) -> Document:
    """Rules as a document, without what is not said."""
    said = {
        "input": {**_given_said(rules.input), **_fields_said(rules)},
        "columns": {name: _column_said(column) for name, column in rules.columns.items()},
        "time": _time_said(rules.time),
        "values": {
            name: said
            for name, values in rules.values.items()
            if (said := _values_said(values)) or not values.patterns
        },
        "patterns": {
            name: dict(values.patterns) for name, values in rules.values.items() if values.patterns
        },
        "sessions": _sessions_said(rules),
        "exclude": _exclude_said(rules),
        "event_types": _types_said(rules),
    }
    if rules.amount is not None:
        said["amount"] = _amount_said(rules.amount)
    return {name: table for name, table in said.items() if table or name == "amount"}


def _exclude(given: Mapping[str, Any]) -> Exclude:
    return Exclude(
        tuple(given.get("ids", ())),
        _texts(given.get("patterns", [])),
        {name: _texts(patterns) for name, patterns in given.get("where", {}).items()},
        given.get("keep", False),
        given.get(PER_DAY),
        given.get(PER_SESSION),
    )


def _exclude_said(rules: Rules) -> dict[str, Any]:
    exclude, file = rules.exclude, rules.ids_file
    said = {
        "ids": list(exclude.ids),
        "ids_file": file,
        "patterns": list(exclude.patterns),
        "where": {name: list(patterns) for name, patterns in exclude.where.items()},
        PER_DAY: exclude.events_per_day,
        PER_SESSION: exclude.events_per_session,
        "keep": exclude.keep,
    }
    return {name: value for name, value in said.items() if value}


def _sessions_said(rules: Rules) -> dict[str, Any]:
    gap = rules.session_gap_minutes
    return {} if gap == PLAIN.session_gap_minutes else {"gap_minutes": gap}


def _types_said(rules: Rules) -> dict[str, Any]:
    if rules.takes_all_types:
        return {"own": OTHERS}
    return {"own": list(rules.own_event_types)} if rules.own_event_types else {}


def canonical(rules: Rules) -> str:
    """Rules as one line of text that is the same for all files that say the same."""
    document = document_of(rules)
    in_order = json.loads(json.dumps(document, sort_keys=True))
    # The first pattern that fits counts, so that theirs stays.
    for name, patterns in document.get("patterns", {}).items():
        in_order["patterns"][name] = patterns
    return json.dumps(in_order, ensure_ascii=False)


def _given(said: Mapping[str, Any]) -> Given:
    try:
        of_files = {name: value for name, value in said.items() if name in vars(Given())}
        return Given(**{**of_files, "names": tuple(said.get("names", ()))})
    except ValueError as error:
        raise ShapeError(("input",), f"is wrong: {error}") from error


def _given_said(given: Given) -> dict[str, Any]:
    said = {**vars(given), "names": list(given.names)}
    return {name: value for name, value in said.items() if value not in (None, [])}


def _fields_said(rules: Rules) -> dict[str, Any]:
    """What [input] says of fields, and not of files."""
    said = {"null": list(rules.nulls), "ignore_case": rules.ignores_case}
    return {name: value for name, value in said.items() if value}


def _column(given: Any) -> Column:
    if isinstance(given, dict):
        if "constant" in given:
            return Column(default=given["constant"])
        return Column(_texts(given["field"]), given.get("default"), given.get("optional", False))
    return Column(_texts(given))


def _texts(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _column_said(column: Column) -> Any:
    if not column.fields:
        return {"constant": column.default}
    found: Any = column.fields[0] if len(column.fields) == 1 else list(column.fields)
    said: dict[str, Any] = {"default": column.default} if column.default is not None else {}
    if column.optional:
        said["optional"] = True
    return {"field": found, **said} if said else found


def _time(given: Mapping[str, Any]) -> TimeRules:
    plain = TimeRules()
    earliest = date.fromisoformat(given.get("earliest", str(plain.earliest)))
    return TimeRules(_texts(given.get("format", list(plain.formats))), given.get("zone"), earliest)


def _time_said(rules: TimeRules) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if rules.formats != TimeRules().formats:
        said["format"] = rules.formats[0] if len(rules.formats) == 1 else list(rules.formats)
    if rules.zone is not None:
        said["zone"] = rules.zone
    if rules.earliest != PLAIN.earliest:
        said["earliest"] = str(rules.earliest)
    return said


def _amount(given: Mapping[str, Any]) -> AmountRules:
    plain = AmountRules()
    # As it is typed: the float 0.1 is a little more than a tenth.
    rate = Decimal(repr(given.get("miles_per_unit", 1)))
    return AmountRules(given.get("decimal", plain.decimal), given.get("thousands"), rate)


def _amount_said(rules: AmountRules) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if rules.decimal != AmountRules().decimal:
        said["decimal"] = rules.decimal
    if rules.thousands is not None:
        said["thousands"] = rules.thousands
    if rules.miles_per_unit != 1:
        is_whole = rules.miles_per_unit == rules.miles_per_unit.to_integral_value()
        said["miles_per_unit"] = (int if is_whole else float)(rules.miles_per_unit)
    return said


def _value_maps(
    values: Mapping[str, Mapping[str, str]], patterns: Mapping[str, Mapping[str, str]]
) -> dict[str, ValueMap]:
    return {
        name: _value_map(values.get(name, {}), patterns.get(name, {}))
        for name in {**values, **patterns}
    }


def _value_map(given: Mapping[str, str], patterns: Mapping[str, str]) -> ValueMap:
    lines = {text: ours for text, ours in given.items() if text != OTHERS}
    return ValueMap(lines, given.get(OTHERS), tuple(patterns.items()))


def _values_said(values: ValueMap) -> dict[str, str]:
    others = {} if values.others is None else {OTHERS: values.others}
    return {**values.lines, **others}
