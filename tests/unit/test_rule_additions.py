"""Rules that only take in more, against what becomes of rows by both."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.made_source_rows import of_columns
from tests.support.tables import NOW
from tests.support.thorough import examples
from transforms.kernels.parse import Limits, parse_records
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.rule_additions import only_add
from transforms.rules.rules_file import read_rules

BASE = """\
[columns]
user_id = "who"
[time]
format = "%d.%m.%Y"
[values.platform]
iPad = "iOS"
[event_types]
own = ["opened"]
"""


def rules(text: str) -> Rules:
    return read_rules(text.encode(), "rules.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BASE, BASE),
        (BASE, f'[input]\ndelimiter = ";"\n{BASE}'),
        (BASE, BASE.replace('"opened"', '"opened", "left"')),
        (BASE, BASE.replace('["opened"]', '"*"')),
        (BASE, BASE.replace('"%d.%m.%Y"', '["%d.%m.%Y", "iso"]')),
        (BASE, BASE.replace('"who"', '["who", "visitor"]')),
        (BASE, BASE.replace("iPad", '"Windows Phone" = "Web"\niPad')),
        (BASE, BASE.replace("iPad", '"*" = "Web"\niPad')),
        (BASE, f'{BASE}[values.country]\n"Atlantis" = "GR"'),
        (BASE, f'{BASE}[values.event_type]\nBought = "miles_earned"'),
        ("", '[event_types]\nown = ["opened"]'),
        (BASE, f'{BASE}[patterns.platform]\n"(?i)windows" = "Web"'),
        (
            f'{BASE}[patterns.country]\n"^A" = "GR"',
            f'{BASE}[patterns.country]\n"^A" = "GR"\nX = "DE"',
        ),
        (
            f'{BASE}[patterns.country]\n"^A" = "GR"',
            f'{BASE}[patterns.country]\n"^A" = "GR"\n[values.country]\n"*" = "ZZ"',
        ),
    ],
)
def test_rules_that_only_take_in_more(before: str, after: str) -> None:
    assert only_add(rules(before), rules(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BASE, BASE.replace("who", "visitor")),
        (BASE, BASE.replace('"who"', '["visitor", "who"]')),
        (BASE, BASE.replace('"%d.%m.%Y"', '["iso", "%d.%m.%Y"]')),
        (BASE, BASE.replace('own = ["opened"]', 'own = ["left"]')),
        (BASE.replace('["opened"]', '"*"'), BASE),
        (BASE, BASE.replace('iPad = "iOS"', 'IPAD = "Web"')),
        (BASE, BASE.replace('iPad = "iOS"', 'iPad = "iOS"\nandroid = "Web"')),
        (BASE, f'{BASE}[values.country]\n"Germany" = "AT"'),
        (BASE, f'{BASE}[values.country]\n"de" = "AT"'),
        (BASE, f'{BASE}[values.utm_source]\n"google" = "organic"'),
        (BASE, f'{BASE}[values.utm_source]\n"*" = "organic"'),
        (BASE, f'{BASE}[values.event_type]\nopened = "like"'),
        (BASE, f"{BASE}[amount]\nmiles_per_unit = 100"),
        (BASE, BASE.replace("[time]", '[time]\nzone = "Asia/Singapore"')),
        (
            f'{BASE}[values.event_type]\n"*" = "opened"',
            f'{BASE}[values.event_type]\n"*" = "opened"'.replace('"opened"]', '"opened", "left"]'),
        ),
        (BASE, ""),
        (
            f'{BASE}[patterns.country]\n"^A" = "GR"',
            f'{BASE}[patterns.country]\nX = "DE"\n"^A" = "GR"',
        ),
        (f'{BASE}[patterns.country]\n"^A" = "GR"', BASE),
        (
            f'{BASE}[patterns.country]\n"^A" = "GR"',
            f'{BASE}[patterns.country]\n"^A" = "GR"\n[values.country]\nAtlantis = "DE"',
        ),
        (
            f'{BASE}[values.country]\n"*" = "ZZ"',
            f'{BASE}[values.country]\n"*" = "ZZ"\n[patterns.country]\n"^A" = "GR"',
        ),
        (BASE, f'{BASE}[patterns.utm_source]\ngoogle = "organic"'),
        (
            f'{BASE}[patterns.event_type]\n"^l" = "opened"',
            f'{BASE}[patterns.event_type]\n"^l" = "opened"'.replace(
                '"opened"]', '"opened", "left"]'
            ),
        ),
        (
            BASE.replace('["opened"]', '"*"'),
            f'{BASE}[patterns.event_type]\nx = "like"'.replace('["opened"]', '"*"'),
        ),
        (BASE, f'{BASE}[patterns.event_type]\nopened = "like"'.replace('["opened"]', '"*"')),
    ],
)
def test_rules_that_may_make_other_events(before: str, after: str) -> None:
    assert not only_add(rules(before), rules(after))


def test_no_rules_are_rules_that_say_nothing() -> None:
    assert only_add(None, None) and only_add(None, rules("")) and only_add(rules(""), None)


TEXTS = {
    "event_type": ["like", "opened", "left", "Bought", ""],
    "platform": ["iPad", "IPAD", "ios", "Windows Phone", ""],
    "country": ["de", "Germany", "Atlantis", "UK", ""],
    "utm_source": ["google", "organic", ""],
    "event_time": ["01.02.2026", "2026-02-01T00:00:00", "1769904000", "soon"],
}
OURS = {
    "event_type": ["like", "opened"],
    "platform": ["iOS", "Web"],
    "country": ["GR", ""],
    "utm_source": ["organic"],
}
PATTERNS = {
    "event_type": ["^B", "open", "e"],
    "platform": ["(?i)windows", "(?i)ipad", "S"],
    "country": ["^A", "(?i)de", "an"],
    "utm_source": ["^g"],
}
ROWS = of_columns(
    {
        "user_id": [f"{row}" for row in range(60)],
        **{name: [texts[row % len(texts)] for row in range(60)] for name, texts in TEXTS.items()},
    }
)


@st.composite
def less_and_more(draw: st.DrawFn) -> tuple[Rules, Rules]:
    """Rules, and some that have all that these say, and more."""
    formats = draw(st.permutations(["%d.%m.%Y", "iso", "epoch_s"]))
    own = draw(st.permutations(["opened", "left"]))
    values = {
        name: draw(st.dictionaries(st.sampled_from([*filter(None, TEXTS[name]), "*"]), ours))
        for name, ours in ((name, st.sampled_from(ours)) for name, ours in OURS.items())
    }
    values["platform"].pop("IPAD", None)
    patterns = {
        name: draw(st.dictionaries(st.sampled_from(texts), st.sampled_from(OURS[name]), max_size=2))
        for name, texts in PATTERNS.items()
    }
    fewer = {
        name: dict([*found.items()][: draw(st.integers(0, 2))]) for name, found in patterns.items()
    }
    kept = {name: [key for key in lines if draw(st.booleans())] for name, lines in values.items()}
    return (
        of(
            formats[: draw(st.integers(1, 3))],
            own[: draw(st.integers(1, 2))],
            {name: {key: values[name][key] for key in keys} for name, keys in kept.items()},
            fewer,
        ),
        of(formats, own, values, patterns),
    )


def of(
    formats: list[str],
    own: list[str],
    values: dict[str, dict[str, str]],
    patterns: dict[str, dict[str, str]],
) -> Rules:
    lines = [f"time.format = {json.dumps(formats)}", f"event_types.own = {json.dumps(own)}"]
    for name, mapped in values.items():
        lines += [f"values.{name}.{json.dumps(key)} = {json.dumps(mapped[key])}" for key in mapped]
    for name, tried in patterns.items():
        lines += [f"patterns.{name}.{json.dumps(key)} = {json.dumps(tried[key])}" for key in tried]
    if "opened" not in own:
        lines = [line for line in lines if not line.endswith(' = "opened"')]
    return rules("\n".join(lines))


def events(by: Rules) -> dict[str, object]:
    found = parse_records(RuleReader(by)(ROWS), NOW, Limits(event_types=by.event_types)).events
    names = [name for name in found.schema.names if name not in ("event_type", "position")]
    rows = found.select(names).to_pylist()
    types = [by.event_types[code] for code in found["event_type"].to_pylist()]
    return {row["user_id"]: (row, name) for row, name in zip(rows, types, strict=True)}


@given(less_and_more())
@settings(max_examples=examples(20, 300))
def test_what_is_an_event_stays_the_same_event(both: tuple[Rules, Rules]) -> None:
    before, after = both
    old, new = events(before), events(after)
    is_kept = all(new.get(user) == event for user, event in old.items())
    assert is_kept or not only_add(before, after)
