"""The check command: what tables that are there already come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.commands.command import Command
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksRules
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import number
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures

_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="what the tables were built with; the users of all cohorts are those whom such events "
    "made active (default: what the warehouse has noted, or all)",
    default=None,
)
_RULES: Final = replace(
    shared.RULES,
    help="the rules (TOML, docs/rules.md) that the tables must have been built with; none for no "
    "rules (default: whatever they were built with)",
)
_PRESET: Final = replace(
    shared.PRESET,
    help="in place of --rules: the tool whose preset the tables must have been built with",
)
_MAX_AGE: Final = Option(
    "how old the newest event may be, in hours; where it is older the command fails (default: "
    "however old)",
    "HOURS",
    number(0, "a number of hours, 0 or more"),
)


@dataclass(frozen=True)
class CheckOptions(AsksRules):
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    active_event_types: AskedFigures | None = given_by(_ACTIVE_TYPES)
    rules: str | None = given_by(_RULES)
    preset: str | None = given_by(_PRESET)
    max_age_hours: float | None = given_by(_MAX_AGE)
    alert: Webhook | None = given_by(shared.ALERT)
    alert_dead_letter_pct: float = given_by(shared.ALERT_DEAD_LETTERS)


def run(options: CheckOptions) -> None:
    """Evaluate all checks of a warehouse's tables and print what fails; see `check_tables`."""
    from pipeline.alerts.bounds import Alerts
    from pipeline.launch.check_launch import check_tables
    from pipeline.launch.rules_of_run import refuse_other_rules
    from pipeline.moments import utc_now
    from pipeline.warehouse import open_warehouse

    warehouse = open_warehouse(options.warehouse)
    refuse_other_rules(warehouse, options.asked_rules)
    alerts = None
    if options.alert is not None:
        alerts = Alerts(options.alert, options.alert_dead_letter_pct, options.max_age_hours)
    check_tables(
        warehouse,
        utc_now(),
        options.active_event_types,
        options.max_age_hours,
        alerts,
    )


_HELP: Final = """\
Check tables that are there already, by SQL that the warehouse runs: nothing is downloaded but
counts and some keys of rows that fail, and nothing is written. A batch run evaluates the same
checks before it commits. docs/tables.md lists them behind the columns.

--alert posts what needs a person, once for each thing, and notes in the table alerts_said what it
has posted. That is the one thing that is written; it works beside other runs.

--max_age_hours fails where the newest event is older: put it behind a daily update with a few hours
more than a day, and into your monitoring.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset --max_age_hours 26 --alert env:SLACK_WEBHOOK

exit codes: 0 no check of severity error failed; 1 one did, the newest event is too old, or the
tables can't be read; 2 a wrong option
"""

COMMAND: Final = Command(
    "check",
    "tables that are there: do they keep their checks?",
    CheckOptions,
    run,
    _HELP,
    _EXAMPLES,
)
