"""What several options of a command ask for together: rules, and what figures mean."""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import OptionError
from transforms.figure_settings import AskedFigures
from transforms.reckoning import WeekStart
from transforms.rules.presets import as_rules


class AsksRules:
    """Options of a command that names rules.

    Attributes:
        rules: the value of --rules.
        preset: the value of --preset.

    Raises:
        OptionError: if both are given.
    """

    rules: str | None
    preset: str | None

    def __post_init__(self) -> None:
        if self.rules is not None and self.preset is not None:
            raise OptionError(
                "--rules and --preset do not go together: leave out one; inspect --preset "
                f"{self.preset} --write_rules FILE writes a file that begins with the preset's"
            )

    @property
    def asked_rules(self) -> str | None:
        """What it says of rules, as `rules_of_run` takes it."""
        return self.rules if self.preset is None else as_rules(self.preset)


class AsksFigures:
    """Options of a command that says what figures mean.

    Attributes:
        active_event_types: the value of --active_event_types.
        timezone: the value of --timezone.
        week_start: the value of --week_start.
    """

    active_event_types: AskedFigures | None
    timezone: str | None
    week_start: WeekStart | None

    @property
    def asked_figures(self) -> AskedFigures | None:
        """What it says of the settings of figures; None for nothing.

        Raises:
            OptionError: if there is no such time zone.
        """
        types = self.active_event_types
        if self.timezone is None and self.week_start is None:
            return types
        zone = None if self.timezone is None else _named_zone(self.timezone)
        return replace(types or AskedFigures(), zone=zone, week_start=self.week_start)


def _named_zone(text: str) -> str:
    # DuckDB, which knows the zones, takes 0.1 s to import.
    from transforms.kernels.zones import named_zone

    try:
        return named_zone(text)
    except ValueError as error:
        raise OptionError(f"--timezone {text} {error}") from None
