"""What a command line asks to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import OptionError
from pipeline.webhook import Webhook


class AlertOptions(Protocol):
    """What the options of commands with --alert have in common."""

    @property
    def alert(self) -> Webhook | None: ...
    @property
    def alert_dead_letter_pct(self) -> float: ...
    @property
    def max_age_hours(self) -> float | None: ...


@dataclass(frozen=True)
class Alerts:
    """Where to post what needs a person, and from when on something does.

    Attributes:
        webhook: where.
        dead_letter_pct: the share of input rows that may be dead letters, in percent.
        max_age_hours: how old the newest event may be; None for any age.
    """

    webhook: Webhook
    dead_letter_pct: float
    max_age_hours: float | None

    @classmethod
    def of(cls, options: AlertOptions) -> Alerts | None:
        """What options ask for; None where nothing is to be posted.

        Raises:
            OptionError: if there is a bound, and nobody who is told.
        """
        if options.alert is None and options.max_age_hours is not None:
            raise OptionError(
                "--max_age_hours is a bound of --alert here: name the address too, or leave it to "
                "check --max_age_hours"
            )
        if options.alert is None:
            return None
        return cls(options.alert, options.alert_dead_letter_pct, options.max_age_hours)
