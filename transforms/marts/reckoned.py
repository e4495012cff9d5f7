"""Contracts whose checks go by how a warehouse reckons time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, time
from typing import Final

from transforms.contract import Table
from transforms.kernels.calendar import returns_of
from transforms.quality.declaration import Holds, TableCheck, at_least
from transforms.reckoning import PLAIN, UTC, Reckoning
from transforms.vocabulary import EARLIEST

_EARLIEST: Final = at_least(EARLIEST)
_DATE: Final = re.compile(r"CAST\((\w+) AS DATE\)")


def reckoned(table: Table, reckoning: Reckoning) -> Table:
    """A contract as it is where time is reckoned so; its checks keep their ids."""
    if reckoning == PLAIN:
        return table
    checks = tuple(_reckoned(check, reckoning) for check in table.checks)
    earliest = datetime.combine(reckoning.earliest, time())
    columns = [
        replace(
            column,
            checks=tuple(
                at_least(earliest) if check == _EARLIEST else check for check in column.checks
            ),
        )
        for column in table.columns
    ]
    return replace(table, checks=checks, columns=tuple(columns))


def _reckoned(check: TableCheck, reckoning: Reckoning) -> TableCheck:
    if not isinstance(check, Holds):
        return check
    condition, description = check.condition, check.description
    for said, meant in _conditions(reckoning):
        condition = condition.replace(said, meant)
    for said, meant in _words(reckoning):
        description = description.replace(said, meant)
    if reckoning.zone != UTC:
        condition = _DATE.sub(rf"CAST(DATETIME(\1, '{reckoning.zone}') AS DATE)", condition)
    return replace(check, condition=condition, description=description)


def _conditions(reckoning: Reckoning) -> list[tuple[str, str]]:
    """What conditions say where time is reckoned as usual, and what they say by a reckoning."""
    said = [
        (f" {sign} {PLAIN.session_gap_us}", f" {sign} {reckoning.session_gap_us}")
        for sign in ("<", ">=")
    ]
    if reckoning.week_start == "sunday":
        said.append(("UNIX_DATE(activity_week) + 3", "UNIX_DATE(activity_week) + 4"))
    if returns_of(reckoning):
        # The first event may be on the later date, where one comes back after midnight.
        said += [
            ("first_seen_date = CAST", "first_seen_date <= CAST"),
            ("last_seen_date = CAST", "last_seen_date >= CAST"),
        ]
    return said


def _words(reckoning: Reckoning) -> list[tuple[str, str]]:
    return [
        ("is the UTC date of", f"is the date in {reckoning.zone} of"),
        ("is a Monday", f"is a {reckoning.week_start.title()}"),
        (f"{PLAIN.session_gap_minutes} minutes", f"{reckoning.session_gap_minutes} minutes"),
    ]
