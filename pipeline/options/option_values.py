"""What values options take: parsers, and what they take as regular expressions.

A pattern holds for a Flex Template's metadata too, where Dataflow checks it: it uses what Python's
`re` and RE2 have in common, and everything that it matches whole is parsed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.paths import from_home

TEXT: Final = r"\S(.*\S)?"
# https://cloud.google.com/storage/docs/buckets#naming, without what only some names break.
BUCKET: Final = r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_OBJECT: Final = rf"{BUCKET}/[^\x00- ,/\x7f]([^\x00-\x1f,\x7f]*[^\x00- ,/\x7f])?"
GCS_FILE: Final = _OBJECT
GCS_FILES: Final = rf"{_OBJECT}(,{_OBJECT})*"


@dataclass(frozen=True)
class Values:
    """The values that an option takes; called with a text, it parses one.

    Attributes:
        parse: turns the text into the value; raises ValueError with what is wrong.
        pattern: what it takes, as a regular expression; all that matches is parsed.
        kind: Dataflow's name of the type, where it is not TEXT.
        choices: all values, where they are few.
    """

    parse: Callable[[str], Any]
    pattern: str = TEXT
    kind: str = "TEXT"
    choices: tuple[str, ...] = ()

    def __call__(self, text: str) -> Any:
        return self.parse(text)


def whole(low: int, high: int | None = None) -> Values:
    """Whole numbers from `low` to `high`, or without an upper end."""
    bounds = f"from {low:,} to {high:,}" if high is not None else f">= {low:,}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise ValueError(f"is not a whole number {bounds}")
        return number

    pattern = numbers_from(low, 18) if high is None else numbers_between(low, high)
    return Values(parse, pattern, "NUMBER")


def number(low: int, what: str) -> Values:
    """Finite numbers from `low` on; `what` names them in an error."""

    def parse(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not low <= found < math.inf:
            raise ValueError(f"is not {what}")
        return found

    return Values(parse, rf"({numbers_from(low, 9)})(\.[0-9]{{1,9}})?", "NUMBER")


def numbers_from(low: int, digits: int) -> str:
    """A regular expression of the decimal whole numbers from `low` on, of so many digits at most.

    >>> numbers_from(1, 18)
    '[1-9]|[1-9][0-9]{1,17}'
    """
    length = len(str(low))
    beyond = f"[1-9][0-9]{{{length},{digits - 1}}}"
    return f"{numbers_between(low, 10**length - 1)}|{beyond}"


def numbers_between(low: int, high: int) -> str:
    """A regular expression of the decimal whole numbers from `low` to `high`, neither negative.

    >>> numbers_between(1, 65)
    '[1-9]|[1-5][0-9]|6[0-5]'
    """
    parts = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        first, last = max(low, 10 ** (digits - 1) if digits > 1 else 0), min(high, 10**digits - 1)
        parts += _same_length(str(first), str(last))
    return "|".join(parts)


def _same_length(first: str, last: str) -> list[str]:
    """Patterns of the numbers between two that have as many digits."""
    if not first:
        return [""]
    if first[0] == last[0]:
        return [first[0] + rest for rest in _same_length(first[1:], last[1:])]
    parts = []
    low, high = int(first[0]), int(last[0])
    if first[1:].strip("0"):
        parts += [first[0] + rest for rest in _same_length(first[1:], "9" * len(first[1:]))]
        low += 1
    tail = []
    if last[1:].strip("9"):
        tail = [last[0] + rest for rest in _same_length("0" * len(last[1:]), last[1:])]
        high -= 1
    if low <= high:
        parts.append(_digits(str(low), str(high)) + _any_digits(len(first) - 1))
    return parts + tail


def _digits(low: str, high: str) -> str:
    return low if low == high else f"[{low}-{high}]"


def _any_digits(count: int) -> str:
    return "" if not count else "[0-9]" if count == 1 else f"[0-9]{{{count}}}"


def _parse_percentage(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 100:
        raise ValueError("is not a percentage from 0 to 100")
    return found


PERCENTAGE: Final = Values(
    _parse_percentage, r"100(\.0{1,9})?|[1-9]?[0-9](\.[0-9]{1,9})?", "NUMBER"
)


def _parse_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


SWITCH: Final = Values(_parse_switch, "true|false", choices=("true", "false"))


def matching(pattern: str, what: str, kind: str = "TEXT") -> Values:
    """Texts that match a pattern; `what` says of one that does not what is wrong."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(what)
        return text

    return Values(parse, pattern, kind)


LOCATION: Final = matching(
    "[A-Za-z]+(-[a-z]+[0-9]+)?", "is no location like EU, US or europe-west3"
)


# Which zones there are is known by a library that takes long to import: it is asked later.
ZONE: Final = matching(
    "[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}",
    "is no time zone such as Asia/Singapore or UTC",
)


def resource(folder: str, kind: str) -> Values:
    """Full names of Pub/Sub's resources; `folder` is `topics` or `subscriptions`."""
    known = matching(
        rf"projects/[a-z][a-z0-9.:-]{{4,}}[a-z0-9]/{folder}/[A-Za-z][A-Za-z0-9_.~+%-]{{2,254}}",
        f"is not like projects/my-project/{folder}/events",
        kind,
    )

    def parse(text: str) -> str:
        name = text.partition(f"/{folder}/")[2]
        if name and not 3 <= len(name) <= 255:
            raise ValueError(
                f"has a name of {len(name):,} characters: Pub/Sub's {folder} have 3 to 255"
            )
        return str(known(text))

    return replace(known, parse=parse)


def one_of(*names: str) -> Values:
    """One of some names."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"is none of {', '.join(names)}")
        return text

    return Values(parse, "|".join(names), choices=names)


ERROR_TYPE: Final = matching("[a-z0-9_]+", "is no error_type like bad_country")


def moment(text: str) -> datetime:
    """A date, or a time in UTC unless it has an offset; in UTC without a zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date like 2025-01-31, nor a time like 2025-01-31T12:00Z") from None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


# What all means this process's stdout: opened by name, a file behind it would be emptied.
_STDOUT: Final = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def output_file(text: str) -> str:
    """A file that can be written, local or gs://, as an absolute path; `-` for stdout."""
    if text.startswith("gs://"):
        return text
    if text in _STDOUT:
        return "-"
    path = local_file(text)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ValueError(f"can't be written: there is no folder {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ValueError("can't be written: it or its folder is read-only")
    return path


def sample_file(text: str) -> str:
    """A CSV file on this machine, as an absolute path."""
    if not text.endswith((".csv", ".csv.gz")):
        raise ValueError("is neither .csv nor .csv.gz")
    return local_file(text)


def new_csv_file(text: str) -> str:
    """A CSV file on this machine that is not there yet, as an absolute path."""
    path = _csv_file(text)
    if os.path.exists(path):
        raise ValueError("is there already: it may be corrected by hand, so name another file")
    return output_file(path)


def corrected_file(text: str) -> str:
    """A CSV file on this machine that is there, as an absolute path."""
    path = _csv_file(text)
    if not os.path.isfile(path):
        raise ValueError("is not there: --output writes it")
    return path


def _csv_file(text: str) -> str:
    if not text.endswith(".csv"):
        raise ValueError("is no .csv file")
    return local_file(text)


def local_file(text: str) -> str:
    """A path on this machine, made absolute."""
    if "://" in text:
        raise ValueError("is no path on this machine")
    path = os.path.abspath(from_home(text))
    if not text or os.path.isdir(path):
        raise ValueError("is a folder: name a file in it")
    return path
