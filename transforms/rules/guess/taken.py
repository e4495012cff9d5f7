"""What rules take from the fields of some rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transforms.rules.guess.guesses import Guess
from transforms.rules.guess.scores import Finding
from transforms.rules.model import Rules
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS


def taken(rules: Rules, findings: Sequence[Finding]) -> list[Guess]:
    """By our columns, the fields that rules take them from, as far as rows have them.

    Args:
        rules: the rules.
        findings: the fields of the rows.
    """
    return list(_taken(rules, {found.name: found for found in findings}))


def _taken(rules: Rules, there: dict[str, Finding]) -> Iterator[Guess]:
    known = rules.known_as([*there])
    for ours in (*SOURCE_COLUMNS, *(name for name in (EVENT_ID,) if name in rules.columns)):
        column = rules.column(ours)
        chosen = tuple(there[known[name]] for name in column.fields if name in known)
        default = "" if column.default is None else f"{column.default!r}"
        if chosen:
            said = rules.called if ours in rules.columns else "its name"
            yield Guess(ours, chosen, f"{said}; else {default}" if default else said)
        elif column.fields and not default:
            yield Guess(ours, (), f"no row has {' or '.join(map(repr, column.fields))}")
        else:
            yield Guess(ours, (), f"{default} everywhere")
