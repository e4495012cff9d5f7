"""Whom the tables of a warehouse leave out for a rate of events."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError
from pipeline.launch.rules_of_run import noted_rules
from pipeline.paths import typed_command
from pipeline.terminal import counted
from pipeline.warehouse import TableReader, Warehouse
from pipeline.warehouse.noted_settings import settings_of_tables
from transforms.kernels.rates import PER_DAY, PER_SESSION, Rates
from transforms.reckoning import Reckoning
from transforms.rules.model import Rules
from transforms.state import excluded_users
from transforms.state.warehouse_settings import reckoning_of


def read_excluded(warehouse: TableReader) -> pa.Table | None:
    """Who is left out, with the columns user_id and rule; None where nobody is.

    Raises:
        RunError: if it can't be read.
    """
    if not warehouse.count(excluded_users.TABLE):
        return None
    return pa.concat_tables(warehouse.batches(excluded_users.TABLE, list(excluded_users.KNOWN)))


def refuse_rates(rates: Rates) -> None:
    """See that rules of a stream on another runner limit no rates of events.

    Raises:
        OptionError: if they do.
    """
    if rates.is_any:
        raise OptionError(
            "--runner: the rules leave out users with more events than events_per_day or "
            "events_per_session of [exclude], and take back what is stored of them, which a job on "
            "another runner can't: leave out --runner to stream on this machine, load files with "
            "update, or build the tables with batch by rules without these two"
        )


def refuse_looser(warehouse: Warehouse, rules: Rules | None, reckoning: Reckoning) -> None:
    """See that who is left out of tables would be so by other rules, too: their events are gone.

    Args:
        warehouse: where the tables are.
        rules: by which they are to be built again from their events.
        reckoning: how time is reckoned then.

    Raises:
        OptionError: if it need not be so.
        RunError: if the warehouse can't be read.
    """
    found = read_excluded(warehouse)
    if found is None:
        return
    by_rule = {row["values"]: row["counts"] for row in pc.value_counts(found["rule"]).to_pylist()}
    for rule, problem in _looser(warehouse, rules, reckoning):
        if rule in by_rule:
            raise OptionError(
                f"--warehouse {warehouse.url} has left out {counted(by_rule[rule], 'user')} by "
                f"{rule}, whose events nobody has stored, and with {problem} they may be let in: "
                f"run {typed_command('batch', warehouse.url)} over all source files instead"
            )


def _looser(
    warehouse: Warehouse, rules: Rules | None, reckoning: Reckoning
) -> Iterator[tuple[str, str]]:
    """By which rule users need not be left out any more, and by what."""
    noted, now = noted_rules(warehouse) or Rules(), rules or Rules()
    was = reckoning_of(settings_of_tables(warehouse))
    for rule in (PER_DAY, PER_SESSION):
        before, after = (getattr(each.exclude, rule) for each in (noted, now))
        if before is not None and (after is None or after > before):
            yield rule, f"exclude.{rule} {'left out' if after is None else f'= {after}'}"
    if reckoning.zone != was.zone:
        yield PER_DAY, f"--timezone {reckoning.zone} in place of {was.zone}"
    if reckoning.session_gap_minutes < was.session_gap_minutes:
        yield PER_SESSION, f"sessions.gap_minutes = {reckoning.session_gap_minutes}"
