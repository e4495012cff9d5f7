"""The fields of some rows -> which of them are our columns, and the rules that say so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import duckdb

from transforms.figure_settings import MOST_OWN_TYPES
from transforms.kernels.column_names import last_resort, near
from transforms.kernels.fields import platform_code
from transforms.rules.guess.sample_fields import SampleField
from transforms.rules.guess.scores import Finding, fits, score, why
from transforms.rules.guess.time_guess import guessed_times, times_by_type
from transforms.rules.guess.value_kinds import (
    guessed_amounts,
    is_country,
    is_some,
    lines_for_platforms,
    own_type,
    whole_share,
)
from transforms.rules.model import ISO, AmountRules, Column, Rules, TimeRules, ValueMap
from transforms.vocabulary import EVENT_ID, EVENT_TYPES, SOURCE_COLUMNS

_MOST_LINES: Final = 50
_MOST_LIKELY: Final = 4
# What is no country becomes this, which ISO 3166 leaves to whoever needs it.
UNKNOWN_COUNTRY: Final = "ZZ"
# What databases write for NULL: an export that has one has it wherever nothing is.
_NULLS: Final = (r"\N", "NULL")
# Of ids of events: what tools call them; and the share of rows of which each has its own, as a few
# may have come twice.
_ID_NAMES: Final = frozenset({"eventid", "eventuuid", "insertid", "messageid", "uuid"})
_DISTINCT_IDS: Final = 0.99
OTHER_EVENTS: Final = "other_event"
ANY_EVENT: Final = "event"


@dataclass(frozen=True)
class Guess:
    """Where one of our columns may come from.

    Attributes:
        ours: its name.
        chosen: the fields, in order of preference; none where no field looks like it.
        why: what says so, in words.
        others: other fields that look like it, the likeliest first.
    """

    ours: str
    chosen: tuple[Finding, ...]
    why: str
    others: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What some rows may mean.

    Attributes:
        findings: all fields.
        guesses: one for each of our columns, in their order.
        rules: the rules that say so.
        event_names: the source's names of events, the most frequent first.
        looks_like_miles: of them those that have an amount in all rows, where others have none.
        other_amounts: another way to read the amounts that fits as well.
    """

    findings: Sequence[Finding]
    guesses: Sequence[Guess]
    rules: Rules
    event_names: Mapping[str, int] = field(default_factory=dict)
    looks_like_miles: tuple[str, ...] = ()
    other_amounts: AmountRules | None = None

    def guess(self, ours: str) -> Guess:
        """That for one of our columns."""
        return self.guesses[SOURCE_COLUMNS.index(ours)]


def proposed(
    fields: Sequence[SampleField], now: datetime, database: duckdb.DuckDBPyConnection
) -> Proposal:
    """What some rows may mean, by the names of their fields and by what is in them.

    Args:
        fields: of the same rows.
        now: in UTC without a zone; no time of an event lies far behind it.
        database: an empty one in memory.
    """
    nulls = tuple(null for null in _NULLS if any(null in found.texts for found in fields))
    fields = [_without(nulls, found) for found in fields] if nulls else fields
    findings = [_finding(found, now, database) for found in fields]
    guesses = _guesses(findings)
    by_name = dict(zip(SOURCE_COLUMNS, guesses, strict=True))
    texts = {found.name: found.texts for found in fields}
    names = Counter(filter(None, _joined(by_name["event_type"], texts)))
    amounts, other = _amounts(by_name["miles_amount"])
    columns = dict(_columns(by_name))
    for found in findings:
        if _tells_events(found, findings):
            columns.setdefault(EVENT_ID, Column((found.name,)))
    values, own = _event_types(names)
    values = {**values, **_values(by_name)}
    times = by_name["event_time"].chosen
    formats = times[0].times.formats if times else ()
    rules = Rules(
        columns={name: columns[name] for name in (*SOURCE_COLUMNS, EVENT_ID) if name in columns},
        time=TimeRules(formats or (ISO,)),
        amount=amounts,
        values=values,
        own_event_types=own,
        nulls=nulls,
    )
    miles = _with_amounts(by_name, texts, names)
    ordered = dict(names.most_common())
    return Proposal(findings, guesses, rules, ordered, miles, other)


def _without(nulls: Collection[str], found: SampleField) -> SampleField:
    """A field whose texts that stand for a blank are blank."""
    return replace(found, texts=["" if text in nulls else text for text in found.texts])


def _tells_events(found: Finding, findings: Sequence[Finding]) -> bool:
    """Whether a field is an id of events: by its name, and as hardly a row has that of another."""
    name = re.sub("[^a-z]", "", found.name.lower().rpartition(".")[2])
    distinct = len(found.values) / max(found.rows, 1)
    # In tables of Segment in warehouses, and in those of tools that write the same.
    calls = found.name.lower() == "id" and any(
        one.name.lower() == "anonymous_id" for one in findings
    )
    is_named = name in _ID_NAMES or calls
    return is_named and found.blank_share == 0 and distinct >= _DISTINCT_IDS


def _finding(found: SampleField, now: datetime, database: duckdb.DuckDBPyConnection) -> Finding:
    values = Counter(filter(None, found.texts))
    times = times_by_type(values) if found.is_moment else guessed_times([*values], now, database)
    return Finding(found.name, dict(values.most_common()), len(found.texts), times)


def _guesses(findings: Sequence[Finding]) -> list[Guess]:
    """Of each of our columns the fields; a field that several would take is the likeliest one's."""
    scores = {ours: {one.name: score(ours, one) for one in findings} for ours in SOURCE_COLUMNS}
    while True:
        guesses = [
            _guess(ours, [one for one in findings if one.name in scores[ours]], scores[ours])
            for ours in SOURCE_COLUMNS
        ]
        takers: dict[str, list[str]] = {}
        for guess in guesses:
            for found in guess.chosen:
                takers.setdefault(found.name, []).append(guess.ours)
        wanted = next(((name, ours) for name, ours in takers.items() if len(ours) > 1), None)
        if wanted is None:
            return guesses
        name, claims = wanted
        owner = max(claims, key=lambda ours: scores[ours][name])
        for ours in claims:
            if ours != owner:
                del scores[ours][name]


def _guess(ours: str, findings: Sequence[Finding], scores: Mapping[str, float]) -> Guess:
    ordered = sorted(findings, key=lambda found: -scores[found.name])
    likely = [found for found in ordered if scores[found.name] > 0]
    if not likely:
        return _of_last_resort(ours, findings)
    chosen = [likely[0]]
    if ours in ("user_id", "event_type"):
        chosen = list(_filling(likely))
    others = [found for found in likely if found not in chosen][:_MOST_LIKELY]
    return Guess(ours, tuple(chosen), why(ours, chosen[0]), tuple(others))


def _of_last_resort(ours: str, findings: Sequence[Finding]) -> Guess:
    """What a column may come from that no field looks like: the one that is spelt alike, or what
    logs of web servers have."""
    there = {found.name: found for found in findings}
    if ours == "user_id" and (name := near(ours, there)) and fits(ours, there[name]):
        return Guess(ours, (there[name],), "its name is near")
    places = [(last_resort(ours, name), found) for name, found in there.items()]
    last = [
        found
        for place, found in sorted(
            ((place, found) for place, found in places if place is not None),
            key=lambda pair: pair[0],
        )
        if fits(ours, found) and (ours != "event_type" or len(found.values) <= MOST_OWN_TYPES)
    ]
    if not last:
        return Guess(ours, (), "no field looks like it")
    return Guess(ours, tuple(_filling(last)), "for want of a better field")


def _filling(likely: Sequence[Finding]) -> Iterator[Finding]:
    """The likeliest field, and further ones as long as rows are left where they are blank."""
    first, *others = likely
    yield first
    blank = first.blank_share
    for found in others:
        if blank > 0 and found.blank_share < blank:
            yield found
            blank = found.blank_share


def _joined(guess: Guess, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Of each row the first text of some fields that is not blank."""
    columns = [texts[found.name] for found in guess.chosen]
    return [next(filter(None, row), "") for row in zip(*columns, strict=True)]


def _amounts(guess: Guess) -> tuple[AmountRules | None, AmountRules | None]:
    """How amounts are written, None for whole miles; and another way that fits as well."""
    if not guess.chosen or whole_share([*guess.chosen[0].values]) == 1.0:
        return None, None
    best, _, other = guessed_amounts([*guess.chosen[0].values])
    return best, other


def _columns(guesses: Mapping[str, Guess]) -> Iterator[tuple[str, Column]]:
    for name, guess in guesses.items():
        fields = tuple(found.name for found in guess.chosen)
        default = "Web" if name == "platform" and _has_blanks(guess) else None
        if name == "event_type" and not fields:
            yield name, Column(default=ANY_EVENT)
        elif name == "platform" and not fields:
            yield name, Column(default="Web")
        elif fields and (fields != (name,) or default):
            yield name, Column(fields, default)


def _has_blanks(guess: Guess) -> bool:
    return any(found.blank_share > 0 for found in guess.chosen)


def _event_types(names: Counter[str]) -> tuple[dict[str, ValueMap], tuple[str, ...]]:
    """Lines for names that can't be event types, and the own event types."""
    if not names:
        return {}, (ANY_EVENT,)
    ours = {name: own_type(name) for name, _ in names.most_common()}
    own = list(dict.fromkeys(type_ for type_ in ours.values() if type_ not in EVENT_TYPES))
    others = None
    if len(own) > MOST_OWN_TYPES:
        others = OTHER_EVENTS
        own = [*[name for name in own if name != others][: MOST_OWN_TYPES - 1], others]
    lines = {name: type_ for name, type_ in ours.items() if name != type_ and type_ in own}
    values = {"event_type": ValueMap(lines, others)} if lines or others else {}
    return values, tuple(own)


def _values(guesses: Mapping[str, Guess]) -> dict[str, ValueMap]:
    """What platforms and countries are called here."""
    values = {}
    platforms = guesses["platform"].chosen
    if platforms:
        found = platforms[0].values
        lines = lines_for_platforms(found)
        mapped = {text: ours for text, ours in lines.items() if ours != "Web"}
        others = "Web" if any(_is_web(text, lines) for text in found) else None
        if mapped or others:
            values["platform"] = ValueMap(mapped, others)
    countries = guesses["country"].chosen
    if countries:
        strange = [text for text in countries[0].values if not is_country(text)]
        if len(strange) > _MOST_LINES:
            values["country"] = ValueMap({}, UNKNOWN_COUNTRY)
        elif strange:
            values["country"] = ValueMap(dict.fromkeys(strange, UNKNOWN_COUNTRY))
    return values


def _is_web(text: str, lines: Mapping[str, str]) -> bool:
    """Whether a platform is the web by another name, or nothing that is known."""
    return platform_code(text) < 0 and lines.get(text, "Web") == "Web"


def _with_amounts(
    guesses: Mapping[str, Guess], texts: Mapping[str, Sequence[str]], names: Counter[str]
) -> tuple[str, ...]:
    """The names of events that have an amount in all rows, where others have none."""
    amounts = guesses["miles_amount"].chosen
    if not amounts or not names:
        return ()
    types = _joined(guesses["event_type"], texts)
    rows = [*zip(types, texts[amounts[0].name], strict=True)]
    filled = Counter(name for name, text in rows if name and text)
    # A zero is no amount, and less is a refund; but what was bought may cost nothing now and then.
    some = Counter(
        name for name, text in rows if name and is_some(text) and not text.startswith("-")
    )
    found = tuple(
        name
        for name in names
        if filled[name] == names[name] < 2 * some[name] and name not in EVENT_TYPES
    )
    return found if len(found) < len(names) else ()
