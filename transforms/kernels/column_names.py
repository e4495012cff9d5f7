"""How likely a field is one of our columns, by its name: in English, and by usual words in German,
French and Spanish."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

# What a name ends with, the likeliest first; with = it is the whole name.
ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "event_time": (
        "event time",
        "event timestamp",
        "=timestamp",
        "derived tstamp",
        "occurred at",
        "created at",
        "client event time",
        "collector tstamp",
        "properties time",
        "=time",
        "=ts",
        "event ts",
        "timestamp",
        "datetime",
        "date time",
        "zeitpunkt",
        "zeitstempel",
        "horodatage",
        "fecha hora",
        "fecha y hora",
        "date heure",
        "zeit",
        "time",
        "tstamp",
        "processed at",
        "paid at",
        "date",
        "datum",
        "fecha",
        "received at",
        "sent at",
    ),
    "user_id": (
        "user id",
        "customer id",
        "distinct id",
        "member id",
        "account id",
        "subscriber id",
        "uid",
        "user key",
        "user sk",
        "user no",
        "userno",
        "user number",
        "customer key",
        "customer no",
        "customer number",
        "cust id",
        "custid",
        "cust no",
        "=email",
        "customer email",
        "=user",
        "=customer",
        "kundennummer",
        "kundennr",
        "kunden nr",
        "kunden id",
        "nutzer id",
        "benutzer id",
        "id cliente",
        "id client",
        "id usuario",
        "id utilisateur",
        "=kunde",
        "=nutzer",
        "=benutzer",
        "=cliente",
        "=client",
        "=usuario",
        "=utilisateur",
        "anonymous id",
        "user pseudo id",
        "domain userid",
        "device id",
        "visitor id",
        "client id",
        "network userid",
        "userid",
        "email",
    ),
    "event_type": (
        "event type",
        "event name",
        "=event",
        "=action",
        "=activity",
        "=ereignis",
        "=vorgang",
        "=evento",
        "=evenement",
        "=aktion",
        "=type",
        "=verb",
        "=name",
    ),
    "transaction_category": (
        "transaction category",
        "properties category",
        "product category",
        "item category",
        "=category",
        "=kategorie",
        "=categoria",
        "=categorie",
        "se category",
    ),
    "miles_amount": (
        "miles amount",
        "=miles",
        "=points",
        "purchase revenue",
        "revenue",
        "purchase revenue in usd",
        "=total",
        "tr total",
        "total price",
        "amount",
        "betrag",
        "umsatz",
        "importe",
        "montant",
        "order total",
        "=value",
        "params value",
        "properties value",
        "properties total",
        "properties price",
        "=price",
        "se value",
    ),
    "platform": (
        "platform",
        "os name",
        "operating system",
        "os family",
        "os",
        "properties os",
        "device type",
        "device category",
        "=device",
        "betriebssystem",
        "plattform",
        "=gerat",
        "plataforma",
        "plateforme",
        "source name",
    ),
    "utm_source": (
        "utm source",
        "campaign source",
        "mkt source",
        "traffic source source",
        "traffic source",
        "=source",
        "=quelle",
        "=kanal",
        "=channel",
        "=canal",
        "=fuente",
        "refr source",
        "referring domain",
        "initial referring domain",
    ),
    "country": (
        "country",
        "country code",
        "country iso",
        "country iso2",
        "country iso3",
        "country name",
        "=land",
        "=pais",
        "=pays",
        "=geo",
        "nation",
        "billing country",
        "shipping country",
    ),
}
# What a name ends with that stands for one of our columns where nothing better does, as in the log
# of a web server.
_LAST_RESORTS: Final[Mapping[str, tuple[str, ...]]] = {
    "user_id": ("remote user", "remote addr", "remote host", "client ip", "ip address", "ip"),
    "event_type": ("request path", "url path", "path"),
}
# Such ids come before somebody is known: they are for rows that have no better one.
ANONYMOUS: Final = (
    "anonymous id",
    "user pseudo id",
    "domain userid",
    "network userid",
    "device id",
    "visitor id",
    "client id",
)
# Words of times at which rows came into a warehouse, and not of what happened in them.
_OF_LOADING: Final = re.compile(
    r"\b(load|loaded|loading|loadtime|loaddate|ingest\w*|partition\w*|inserted|imported|"
    r"extracted|synced|etl|received|uuid ts)\b"
)
# As difflib.get_close_matches has it, a little stricter.
_SPELT_ALIKE: Final = 0.7
_IN_BRACKETS: Final = re.compile(r"\([^()]*\)")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words_of(name: str) -> str:
    """The words of a name, in lower case: `context.os.name` and `contextOsName` are alike.

    Accents are left out, and so is what stands in round brackets: `Betrag (brutto)` is an amount.
    """
    bare = _IN_BRACKETS.sub(" ", name)
    apart = unicodedata.normalize("NFKD", _CAMEL.sub(" ", bare).casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", plain))


def likeness(ours: str, name: str) -> float:
    """How likely a field is one of our columns by its name, from 0 to 1; 0 where nothing says so.

    The column's own name comes first, then what stands earlier in ENDINGS; a field further inside
    comes after one outside.
    """
    words = words_of(name)
    if name == ours:
        return 1.0
    depth = name.count(".") + name.count("[")
    for place, ending in enumerate(ENDINGS[ours]):
        whole = ending.removeprefix("=")
        if words == whole or (whole == ending and words.endswith(f" {whole}")):
            return 0.95 - 0.6 * place / len(ENDINGS[ours]) - 0.01 * depth - 0.02 * (words != whole)
    return 0.0


def last_resort(ours: str, name: str) -> int | None:
    """How early a field is taken for one of our columns where none looks like it; None: never."""
    words = f" {words_of(name)}"
    endings = enumerate(_LAST_RESORTS.get(ours, ()))
    return next((place for place, ending in endings if words.endswith(f" {ending}")), None)


def is_anonymous(name: str) -> bool:
    """Whether a field holds ids of people who are not known yet."""
    return words_of(name).endswith(ANONYMOUS)


def is_of_loading(name: str) -> bool:
    """Whether a field says when a row was loaded, and not when something happened."""
    return _OF_LOADING.search(words_of(name)) is not None


def near(ours: str, names: Iterable[str]) -> str | None:
    """The one field whose name is spelt like one of our columns, and looks like no other one.

    None where no field is, or several are.
    """
    found = [
        name
        for name in dict.fromkeys(names)
        if _spelt(ours, name)
        and last_resort(ours, name) is None
        and not any(likeness(other, name) for other in ENDINGS)
    ]
    return found[0] if len(found) == 1 else None


def alike(wanted: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The fields that may be some of our columns, or others that are looked for, by their names.

    Args:
        wanted: the names that are looked for.
        names: those that are there.

    Returns:
        By what is looked for the likeliest field; each field is named once, for what it is the
        likeliest of.
    """
    there = [*dict.fromkeys(names)]
    found = sorted(
        ((score, ours, name) for ours in wanted for name in there if (score := _score(ours, name))),
        key=lambda one: -one[0],
    )
    chosen: dict[str, str] = {}
    for _, ours, name in found:
        if ours not in chosen and name not in chosen.values():
            chosen[ours] = name
    return chosen


def _score(ours: str, name: str) -> float:
    """From 0 to 1; how a name is spelt counts where what it says gives nothing."""
    says = likeness(ours, name) if ours in ENDINGS else 0.0
    return says or _spelt(ours, name) / 2


def _spelt(ours: str, name: str) -> float:
    """How alike two names are spelt, from 0 to 1; 0 where they are not."""
    spelt = difflib.SequenceMatcher(None, ours.casefold(), name.casefold()).ratio()
    return spelt if spelt >= _SPELT_ALIKE else 0.0
