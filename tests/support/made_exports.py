"""Small exports of other tools, made up, and what a plain loop reads in them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

SMALL: Final = 300
_START: Final = datetime(2026, 7, 1, 3, 1, 19, 689_000, tzinfo=UTC)
_SYSTEMS: Final = {"iOS": "iOS", "iPadOS": "iOS", "Android": "Android", "Windows": "Web"}
_COUNTRIES: Final = {"Germany": "DE", "United States": "US", "Singapore": "SG"}
_NAMES: Final = ("Signed Up", "Product Viewed", "Order Completed")


class Event(NamedTuple):
    """What happened: what a row of any export says.

    Attributes:
        time: in UTC.
        known, anonymous: ids of who did it; `known` is "" where that is not known.
        name: of the event.
        system: an operating system.
        country: its English name.
        source: of the visit; "" for none.
        amount: of an order, in cents; None of other events.
    """

    time: datetime
    known: str
    anonymous: str
    name: str
    system: str
    country: str
    source: str
    amount: int | None


class Read(NamedTuple):
    """An event as a plain loop reads it: the source columns."""

    time: str
    user: str
    type: str
    platform: str
    source: str
    country: str


@dataclass(frozen=True)
class Export:
    """An export of a tool.

    Attributes:
        name: of its file.
        data: its bytes.
        read: of each row what a loop over the raw export reads in it.
    """

    name: str
    data: bytes
    read: Sequence[Read]


def events(number: int = SMALL) -> list[Event]:
    """Some events, the same ones each time."""
    made, chance = [], random.Random(7)
    for place in range(number):
        user = chance.randrange(40)
        name = _NAMES[place % 3]
        made.append(
            Event(
                _START + timedelta(minutes=7 * place, microseconds=1000 * place),
                "" if chance.random() < 0.2 else f"u{user:03}",
                f"{user:03}a-{user * 7919:06x}",
                name,
                chance.choice([*_SYSTEMS]),
                chance.choice([*_COUNTRIES]),
                chance.choice(["google", "newsletter", ""]),
                chance.randrange(100, 20_000) if name == "Order Completed" else None,
            )
        )
    return made


def read(found: Iterable[Event], digits: int = 3, **other: Callable[[Event], str]) -> list[Read]:
    """What a loop over the rows reads.

    Args:
        found: the events.
        digits: how many decimals of a second the export has.
        other: what is read otherwise, by the field of `Read`.
    """
    return [
        Read(
            *(
                other[field](event) if field in other else value
                for field, value in zip(Read._fields, _plain(event, digits), strict=True)
            )
        )
        for event in found
    ]


def _plain(event: Event, digits: int) -> tuple[str, ...]:
    step = 10 ** (6 - digits)
    time = event.time.replace(microsecond=event.time.microsecond // step * step, tzinfo=None)
    return (
        time.isoformat(timespec="microseconds"),
        event.known or event.anonymous,
        event.name,
        _SYSTEMS[event.system],
        event.source,
        _COUNTRIES[event.country],
    )


def _iso(event: Event) -> str:
    return f"{event.time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _dollars(event: Event) -> str:
    return "" if event.amount is None else f"{event.amount / 100:.2f}"


def as_csv(rows: Sequence[Mapping[str, Any]], **how: Any) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", **how)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def segment(number: int = SMALL) -> Export:
    """Segment: CSV with dots in its names, an anonymous id, page calls that have no event."""
    made = events(number)
    rows = [
        {
            "messageId": f"ajs-{place}",
            "anonymousId": event.anonymous,
            "userId": event.known,
            "type": "track",
            "event": event.name,
            "timestamp": _iso(event),
            "context.os.name": event.system,
            "context.campaign.source": event.source,
            "context.location.country": event.country,
            "properties.revenue": _dollars(event),
        }
        for place, event in enumerate(made)
    ]
    return Export("segment.csv", as_csv(rows).encode(), read(made))


def ga4(number: int = SMALL) -> Export:
    """GA4's export from BigQuery: JSON lines, microseconds as text, parameters as a list."""
    made = events(number)
    rows = [
        {
            "event_date": f"{event.time:%Y%m%d}",
            "event_timestamp": str(_us(event)),
            "event_name": event.name.lower().replace(" ", "_"),
            "event_params": [
                {"key": "ga_session_id", "value": {"int_value": str(place)}},
                {"key": "page_title", "value": {"string_value": "Home"}},
            ],
            "user_id": event.known or None,
            "user_pseudo_id": event.anonymous,
            "device": {"category": "mobile", "operating_system": event.system},
            "geo": {"country": event.country},
            "traffic_source": {"source": event.source or None, "medium": "cpc"},
            "platform": _SYSTEMS[event.system].upper(),
            "ecommerce": event.amount and {"purchase_revenue_in_usd": event.amount / 100},
        }
        for place, event in enumerate(made)
    ]
    named = read(made, 6, type=lambda event: event.name.lower().replace(" ", "_"))
    return Export("ga4.jsonl", as_lines(rows).encode(), named)


def mixpanel(number: int = SMALL) -> Export:
    """Mixpanel's raw export: JSON lines, epoch seconds, all within `properties`."""
    made = events(number)
    rows = [
        {
            "event": event.name,
            "properties": {
                "time": _us(event) // 1_000_000,
                "distinct_id": event.known or f"$device:{event.anonymous}",
                "$insert_id": f"i{place}",
                "$os": event.system,
                "mp_country_code": _COUNTRIES[event.country],
                "utm_source": event.source,
            },
        }
        for place, event in enumerate(made)
    ]
    devices = read(made, 0, user=lambda event: event.known or f"$device:{event.anonymous}")
    return Export("mixpanel.jsonl", as_lines(rows).encode(), devices)


def amplitude(number: int = SMALL) -> Export:
    """Amplitude's export: JSON lines, times in UTC without an offset."""
    made = events(number)
    rows = [
        {
            "$insert_id": f"i{place}",
            "amplitude_id": 900_000 + place % 40,
            "event_time": f"{event.time.replace(tzinfo=None)}",
            "server_received_time": f"{event.time.replace(tzinfo=None) + timedelta(seconds=2)}",
            "event_type": event.name,
            "user_id": event.known or None,
            "device_id": event.anonymous,
            "platform": _SYSTEMS[event.system],
            "os_name": event.system,
            "country": event.country,
            "event_properties": {"price": event.amount and event.amount / 100},
            "user_properties": {"utm_source": event.source},
        }
        for place, event in enumerate(made)
    ]
    return Export("amplitude.json", as_lines(rows).encode(), read(made, 6))


def german_excel(number: int = SMALL) -> Export:
    """What a German Excel writes: semicolons, cp1252, days first."""
    made = events(number)
    rows = [
        {
            "Zeitpunkt": f"{event.time:%d.%m.%Y %H:%M:%S}",
            "Kundennummer": event.known or event.anonymous,
            "Ereignis": f"{event.name} für uns",
            "Betrag": _dollars(event).replace(".", ","),
            "Quelle": event.source,
            "Land": _COUNTRIES[event.country],
        }
        for event in made
    ]
    told = read(made, 0, type=lambda e: f"{e.name} für uns", platform=lambda e: "Web")
    return Export("excel.csv", as_csv(rows, delimiter=";").encode("cp1252"), told)


def parquet(number: int = SMALL) -> Export:
    """Parquet with typed columns and structs."""
    made = events(number)
    rows = [
        {
            "occurred_at": event.time,
            "member_id": event.known or event.anonymous,
            "action": event.name,
            "device": {"os": event.system, "model": f"m{place % 9}"},
            "geo": {"country": event.country},
            "utm_source": event.source,
        }
        for place, event in enumerate(made)
    ]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return Export("events.parquet", file.getvalue(), read(made, 6))


def snowplow(number: int = SMALL) -> Export:
    """Snowplow's enriched TSV: no header, 131 columns."""
    made = events(number)
    known: dict[int, Callable[[Event, int], str]] = {
        0: lambda _, place: "shop",
        1: lambda _, place: "web",
        3: lambda event, place: f"{event.time + timedelta(seconds=3):%Y-%m-%d %H:%M:%S.689}",
        5: lambda _, place: "unstruct",
        6: lambda _, place: f"e{place}",
        12: lambda event, place: event.known,
        15: lambda event, place: event.anonymous,
        18: lambda event, place: _COUNTRIES[event.country],
        48: lambda event, place: event.source,
        52: lambda _, place: '{"schema":"iglu:x","data":[{"data":{"id":"a, b"}}]}',
        98: lambda event, place: event.system,
        124: lambda event, place: str(event.time.replace(tzinfo=None))[:23],
        126: lambda event, place: event.name.lower().replace(" ", "_"),
    }
    rows = [
        "\t".join(known[at](event, place) if at in known else "" for at in range(131))
        for place, event in enumerate(made)
    ]
    told = read(
        made,
        type=lambda event: event.name.lower().replace(" ", "_"),
        platform=lambda event: _SYSTEMS[event.system] if event.system != "iPadOS" else "Web",
    )
    return Export("snowplow.tsv", "".join(f"{row}\n" for row in rows).encode(), told)


def shopify_orders(number: int = SMALL) -> tuple[str, list[tuple[str, str, int, str]]]:
    """Shopify's orders as CSV, some with several items; and the orders themselves: the moment in
    UTC, who, the total in cents, and the country."""
    orders, rows = [], []
    for place, event in enumerate(event for event in events(number) if event.amount is not None):
        email = f"{event.known}@example.com" if event.known else ""
        local = event.time.replace(microsecond=0) + timedelta(hours=2)
        cents = event.amount or 0
        order = {
            "Name": f"#{1001 + place}",
            "Email": email,
            "Financial Status": "paid",
            "Currency": "EUR",
            "Total": f"{cents / 100:.2f}",
            "Created at": f"{local:%Y-%m-%d %H:%M:%S} +0200",
            "Lineitem name": "item 0",
            "Billing Country": _COUNTRIES[event.country],
        }
        rows.append(order)
        blank = dict.fromkeys(("Financial Status", "Currency", "Total", "Billing Country"), "")
        rows += [{**order, **blank, "Lineitem name": f"item {n}"} for n in range(1, 1 + place % 4)]
        moment = event.time.replace(microsecond=0, tzinfo=None)
        orders.append((str(moment), email or order["Name"], cents, _COUNTRIES[event.country]))
    return as_csv(rows), orders


def _us(event: Event) -> int:
    return round(event.time.timestamp() * 1_000_000)


MADE: Final[Mapping[str, Callable[..., Export]]] = {
    "segment": segment,
    "ga4": ga4,
    "mixpanel": mixpanel,
    "amplitude": amplitude,
    "excel": german_excel,
    "parquet": parquet,
}
# By the preset that reads it.
OF_PRESETS: Final[Mapping[str, Callable[..., Export]]] = {
    "segment": segment,
    "ga4": ga4,
    "mixpanel": mixpanel,
    "amplitude": amplitude,
    "snowplow": snowplow,
}
