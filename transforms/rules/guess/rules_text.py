"""Proposed rules as a file of rules that a person goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from transforms.figure_settings import MOST_OWN_TYPES
from transforms.kernels.fields import platform_code
from transforms.kernels.input_formats import Given
from transforms.rules.guess.guesses import OTHER_EVENTS, UNKNOWN_COUNTRY, Guess, Proposal
from transforms.rules.guess.value_kinds import whole_share
from transforms.rules.model import ISO
from transforms.rules.rules_document import document_of
from transforms.vocabulary import EVENT_ID, EVENT_TYPES

_MOST_SHOWN: Final = 40
_BARE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def rules_text(proposal: Proposal, given: Given, looked_at: str) -> str:
    """The file of rules that a proposal is.

    Args:
        proposal: the proposal.
        given: what is said of the input.
        looked_at: of which rows of which files it was made.
    """
    document = document_of(proposal.rules)
    parts = [
        [
            f"# Proposed by `python -m pipeline inspect` from {_comment(looked_at)}.",
            "# What it means: docs/rules.md. Lines behind # are other choices.",
        ],
        [*_input(given, proposal.rules.nulls)],
        ["[columns]", *_columns(proposal)],
        [*_time(proposal, document)],
        [*_amount(proposal, document)],
        *([*_values(name, proposal)] for name in ("event_type", "platform", "country")),
        [*_event_types(proposal)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _input(given: Given, nulls: Sequence[str]) -> Iterator[str]:
    said = {name: value for name, value in vars(given).items() if value not in (None, ())}
    if said or nulls:
        yield "[input]"
    for name, value in said.items():
        yield f"{name} = {_toml(list(value) if isinstance(value, tuple) else value)}"
    if nulls:
        yield f"null = {_toml(list(nulls))}  # what stands for a blank"


def _columns(proposal: Proposal) -> Iterator[str]:
    said = document_of(proposal.rules).get("columns", {})
    for guess in proposal.guesses:
        ours = guess.ours
        if ours in said:
            why = f"  # {guess.why}{_example(guess)}" if guess.chosen else f"  # {guess.why}"
            yield f"{ours} = {_toml(said[ours])}{_comment(why)}"
        elif guess.chosen:
            yield f"# {ours} is called so here, too"
        else:
            yield f'# {ours} = "..."  # {guess.why}'
        for other in guess.others:
            yield f"# {ours} = {_toml(other.name)}{_comment(f'  # e.g. {other.example}')}"
    if EVENT_ID in said:
        why = "its name, and hardly a row has that of another; without it equal rows are one event"
        yield f"{EVENT_ID} = {_toml(said[EVENT_ID])}  # {why}"


def _example(guess: Guess) -> str:
    return f"; e.g. {guess.chosen[0].example}"


def _time(proposal: Proposal, document: Mapping[str, Any]) -> Iterator[str]:
    chosen = proposal.guess("event_time").chosen
    if not chosen:
        return
    times = chosen[0].times
    yield "[time]"
    formats = document.get("time", {}).get("format", ISO)
    yield f"format = {_toml(formats)}"
    for name in times.as_well:
        yield f"# format = {_toml(name)}  # fits as well, and means other days"
    if times.is_local:
        yield '# zone = "Europe/Berlin"  # the times have no offset, and are taken for UTC'


def _amount(proposal: Proposal, document: Mapping[str, Any]) -> Iterator[str]:
    chosen = proposal.guess("miles_amount").chosen
    if proposal.rules.amount is None:
        if chosen and whole_share([*chosen[0].values]) == 1.0:
            yield "# [amount]"
            yield "# miles_per_unit = 100  # where they are units of currency, and no miles"
        return
    yield "[amount]"
    for name, value in document["amount"].items():
        yield f"{name} = {_toml(value)}"
    yield "miles_per_unit = 1  # how many miles a unit of currency is; half a mile is rounded up"
    if (other := proposal.other_amounts) is not None:
        thousands = f", thousands = {_toml(other.thousands)}" if other.thousands else ""
        yield f"# decimal = {_toml(other.decimal)}{thousands} would fit as well"


def _values(name: str, proposal: Proposal) -> Iterator[str]:
    values = proposal.rules.values.get(name)
    miles = proposal.looks_like_miles if name == "event_type" else ()
    if values is None and not miles:
        return
    yield f"[values.{name}]" if values else f"# [values.{name}]"
    if values is not None:
        for text, ours in values.lines.items():
            unknown = (
                "  # no country by a name that is known: write its two letters; ZZ is nobody's"
                if ours == UNKNOWN_COUNTRY
                else ""
            )
            yield f"{_key(text)} = {_toml(ours)}{unknown}"
        if values.others is not None:
            yield f'"*" = {_toml(values.others)}  # all others{_comment(_others(name, proposal))}'
    for text in miles[:_MOST_SHOWN]:
        if values is None or text not in values.lines:
            yield f'# {_key(text)} = "miles_earned"  # all of them have an amount'


def _others(name: str, proposal: Proposal) -> str:
    values = proposal.rules.values[name]
    chosen = proposal.guess(name).chosen
    if name != "platform" or not chosen:
        return ""
    found = [
        text for text in chosen[0].values if text not in values.lines and platform_code(text) < 0
    ]
    return f": {', '.join(found[:_MOST_SHOWN])}" if found else ""


def _event_types(proposal: Proposal) -> Iterator[str]:
    own = proposal.rules.own_event_types
    if not own:
        return
    yield "[event_types]"
    if OTHER_EVENTS in own and len(proposal.event_names) > MOST_OWN_TYPES:
        yield f"# of {len(proposal.event_names):,} names the most frequent ones"
    elif proposal.guess("event_type").chosen:
        yield '# names that come later are dead letters, unless [values.event_type] has a line "*"'
    yield f"# beside {', '.join(EVENT_TYPES)}"
    yield "own = ["
    for name in own:
        number = proposal.event_names.get(name)
        yield f"    {_toml(name)}," + (f"  # {number:,} of the rows" if number else "")
    yield "]"


def _key(text: str) -> str:
    return text if text and set(text) <= _BARE else _toml(text)


def _toml(value: Any) -> str:
    """A value of a document as TOML."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(inner)}' for key, inner in value.items())}}}"
    return str(value)


def _comment(text: str) -> str:
    """A text in a comment, where control characters and line breaks may not be."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown if len(shown) <= 160 else f"{shown[:160]}..."
