"""Whether rules only take in more: every record that was an event stays the same event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from transforms.kernels import fields
from transforms.rules.model import Column, Rules, ValueMap
from transforms.rules.values import value_key, value_rule

# A record is a dead letter where one of these is blank.
_NEEDED: Final = ("event_time", "user_id", "event_type")


def only_add(before: Rules | None, after: Rules | None) -> bool:
    """Whether all that is an event by rules is the same event by others, which may take in records
    that were dead letters: by further event types, lines and patterns for values that were refused,
    formats of times behind those that there were, earlier events, and fields where an event needs
    one and had none.

    What files are ([input]) does not count: they are read already.

    Args:
        before: by which events were read; None for none.
        after: the others.
    """
    old, new = before or Rules(), after or Rules()
    alike = replace(
        new,
        input=old.input,
        columns=old.columns,
        time=replace(new.time, formats=old.time.formats, earliest=old.time.earliest),
        values=old.values,
        own_event_types=old.own_event_types,
        takes_all_types=old.takes_all_types,
    )
    return (
        alike == old
        and new.time.formats[: len(old.time.formats)] == old.time.formats
        and new.time.earliest <= old.time.earliest
        and _only_more_types(old, new)
        and all(
            _only_more_fields(name, old.column(name), new.column(name))
            for name in {*old.columns, *new.columns}
        )
        and all(_only_more_values(name, old, new) for name in {*old.values, *new.values})
    )


def _only_more_types(old: Rules, new: Rules) -> bool:
    if old.takes_all_types > new.takes_all_types:
        return False
    if not (new.takes_all_types or {*old.own_event_types} <= {*new.own_event_types}):
        return False
    is_same = {*old.own_event_types} == {*new.own_event_types}
    # What a pattern or `*` has made of a name may be an event of that name now.
    values = old.values.get("event_type", ValueMap())
    is_made = values.others is not None or bool(values.patterns)
    return (is_same and old.takes_all_types == new.takes_all_types) or not is_made


def _only_more_fields(name: str, old: Column, new: Column) -> bool:
    if new == old:
        return True
    if name not in _NEEDED or old.default is not None or not old.fields:
        return False
    return new.fields[: len(old.fields)] == old.fields and new.optional >= old.optional


def _only_more_values(name: str, old: Rules, new: Rules) -> bool:
    before, after = old.values.get(name, ValueMap()), new.values.get(name, ValueMap())
    lines, others = _by_key(name, before), _by_key(name, after)
    if any(others.get(key) != ours for key, ours in lines.items()):
        return False
    if after.others != before.others and (before.others is not None or not _refuses(name)):
        return False
    if after.patterns != before.patterns and not _only_more_patterns(name, old, new):
        return False
    return all(_was_refused(name, text, old) for text in others.keys() - lines.keys())


def _only_more_patterns(name: str, old: Rules, new: Rules) -> bool:
    """Whether patterns came behind those that there were, which saw what was refused alone."""
    before, after = old.values.get(name, ValueMap()), new.values.get(name, ValueMap())
    if after.patterns[: len(before.patterns)] != before.patterns or before.others is not None:
        return False
    return _refuses(name) and not (name == "event_type" and new.takes_all_types)


def _by_key(name: str, values: ValueMap) -> Mapping[str, str]:
    return {value_key(name, text): ours for text, ours in values.lines.items()}


def _refuses(name: str) -> bool:
    """Whether there are values of a column that make a record a dead letter."""
    return name in ("event_type", "platform", "country")


def _was_refused(name: str, text: str, rules: Rules) -> bool:
    """Whether records with a value of a column were dead letters."""
    rule = value_rule(name, rules)
    (ours,) = [text] if rule is None else rule([text])
    if not ours.strip():
        return False
    if name == "event_type":
        return not rules.takes_all_types and ours.strip() not in rules.event_types
    if name == "platform":
        return fields.platform_code(ours) < 0
    if name == "country":
        try:
            fields.country(ours)
        except ValueError:
            return True
    return False
