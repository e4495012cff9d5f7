"""Rules of any kind, for hypothesis."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from transforms.kernels.input_formats import Given
from transforms.rules.model import (
    OTHERS,
    AmountRules,
    Column,
    Exclude,
    Rules,
    TimeRules,
    ValueMap,
)
from transforms.vocabulary import EVENT_ID, EVENT_TYPES, PLATFORMS, SOURCE_COLUMNS

FIELDS = (
    "a",
    "b",
    "a.b",
    "c.d",
    "list[k]",
    "list[k].value",
    "list[0].key",
    "odd ' \" name",
    "[",
    "e",
)
_OURS = {
    "event_time": st.just("2026-01-01T00:00:00Z"),
    "user_id": st.just("somebody"),
    "event_type": st.sampled_from([*EVENT_TYPES, "own type"]),
    "transaction_category": st.just("shop"),
    "miles_amount": st.sampled_from(["0", "25"]),
    "platform": st.sampled_from(PLATFORMS),
    "utm_source": st.just("google"),
    "country": st.sampled_from(["DE", "sg"]),
}
_FORMATS = (
    "iso",
    "epoch_s",
    "epoch_ms",
    "epoch_us",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %H:%M:%S %z",
    "at %H:%M '%d.%m.%Y'",
)
_PATTERNS = ("(?i)a", "^[0-9]+$", "\\\\", "[é ]")
_NULLS = ("-", "\\N")
_SOURCE_TEXTS = st.text(max_size=8).filter(lambda text: text.strip() not in ("", OTHERS, *_NULLS))


@st.composite
def some_rules(draw: st.DrawFn, fields: tuple[str, ...] = FIELDS) -> Rules:
    """Rules whose fields have some of these names; all have a line in [columns]."""
    names = st.lists(st.sampled_from(fields), max_size=3, unique=True).map(tuple)
    columns = {}
    for name in SOURCE_COLUMNS:
        found = draw(names)
        default = draw(_OURS[name] if not found else st.none() | _OURS[name])
        columns[name] = Column(found, default)
    if ids := draw(names):
        columns[EVENT_ID] = Column(ids, optional=draw(st.booleans()))
    patterns = st.lists(st.sampled_from(_PATTERNS), max_size=2, unique=True).map(tuple)
    one_or_more = st.lists(st.sampled_from(_PATTERNS), min_size=1, unique=True).map(tuple)
    exclude = Exclude(
        draw(st.sampled_from([(), ("a", "1")])),
        draw(patterns),
        draw(st.dictionaries(st.sampled_from(fields), one_or_more, max_size=2)),
    )
    values = {
        name: ValueMap(
            draw(st.dictionaries(_SOURCE_TEXTS, _OURS[name], max_size=3)),
            draw(st.none() | _OURS[name]),
            tuple(draw(st.dictionaries(st.sampled_from(_PATTERNS), _OURS[name])).items()),
        )
        for name in draw(st.sets(st.sampled_from(["event_type", "transaction_category"])))
    }
    rate = st.sampled_from([Decimal(1), Decimal(100), Decimal("0.1"), Decimal("1e-05")])
    amount = st.builds(
        AmountRules, st.just(","), st.sampled_from([None, ".", " ", "'"]), rate
    ) | st.builds(AmountRules, miles_per_unit=rate)
    formats = st.lists(st.sampled_from(_FORMATS), min_size=1, max_size=2, unique=True).map(tuple)
    zones = st.sampled_from([None, "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "UTC"])
    return Rules(
        draw(st.sampled_from([Given(), Given("csv", delimiter="|", names=("a", "b"))])),
        columns,
        TimeRules(draw(formats), draw(zones)),
        draw(st.none() | amount),
        {name: found for name, found in values.items() if found != ValueMap()},
        ("own type",),
        exclude=replace(exclude, keep=exclude.is_any and draw(st.booleans())),
        nulls=draw(st.sampled_from([(), _NULLS])),
        ignores_case=draw(st.booleans()),
    )
