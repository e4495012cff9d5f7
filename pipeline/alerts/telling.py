"""Posting what is news, and noting that it was posted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from pipeline.alerts.bounds import Alerts
from pipeline.alerts.findings import Finding, news, told
from pipeline.alerts.watching import failed_run, findings, run_done
from pipeline.errors import OptionError, RunError, clear_message
from pipeline.moments import utc_now
from pipeline.terminal import print_error
from pipeline.warehouse import Warehouse
from transforms.data_error import DataError
from transforms.state import alerts_said

_ESCAPED: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@contextmanager
def alerting(alerts: Alerts | None, warehouse: Warehouse, command: str) -> Iterator[None]:
    """Tell what needs a person once the run inside has ended, however it has.

    Nothing that goes wrong with that changes how the run ends.

    Args:
        alerts: what is asked for; None for nothing.
        warehouse: of the run, which has let it go by then.
        command: what runs.
    """
    try:
        yield
    except OptionError:  # A command line that can't be right is no run.
        raise
    except Exception:
        if alerts is not None:
            tell(alerts, warehouse, utc_now(), also=[failed_run(command)])
        raise
    if alerts is not None:
        tell(alerts, warehouse, utc_now(), also=[run_done(command)])


def tell(
    alerts: Alerts,
    warehouse: Warehouse,
    now: datetime,
    results: Mapping[str, bool] | None = None,
    also: Sequence[Finding] = (),
) -> None:
    """Post what is news, and note it; what goes wrong is a warning on stderr.

    It is noted once it was posted: where that fails in between it is posted again.

    Args:
        alerts: where to post, and the bounds.
        warehouse: what is looked at.
        now: in UTC without a zone.
        results: as in `findings`.
        also: what else is found.
    """
    found = list(also)
    try:
        with warehouse.kept_open():
            # What is found before something can't be read is kept.
            found.extend(findings(warehouse, alerts, now, results))
    except (RunError, DataError) as error:
        print_error(f"--alert can't look at all of the tables: {clear_message(error)}")
    try:
        _tell(alerts, warehouse, now, found)
    except (RunError, DataError) as error:
        print_error(f"Warning: {clear_message(error)}")


def _tell(alerts: Alerts, warehouse: Warehouse, now: datetime, found: Sequence[Finding]) -> None:
    is_there, said = _said(warehouse)
    fresh = news(found, said)
    if fresh:
        from pipeline.posting import post

        post(alerts.webhook, message(warehouse.url, fresh, now))
    after = told(found, said)
    if after == said or not is_there:
        return
    try:
        warehouse.note(alerts_said.TABLE, alerts_said.rows(after, now))
    except RunError as error:
        again = "; what was posted will be posted again" if fresh else ""
        raise RunError(f"what --alert says can't be noted{again}: {error}") from error


def _said(warehouse: Warehouse) -> tuple[bool, Mapping[str, frozenset[str]]]:
    """Whether there is a warehouse that can be asked, and what was said of it.

    That it can't be asked needs a person, each time.
    """
    try:
        with warehouse.kept_open():
            if not warehouse.present():
                return False, {}
            if warehouse.count(alerts_said.TABLE) is None:
                return True, {}
            return True, alerts_said.said_of(warehouse.read(alerts_said.TABLE))
    except RunError:
        return False, {}


def message(url: str, fresh: Sequence[Finding], now: datetime) -> dict[str, Any]:
    """What is posted: `text` for Slack and its like, and the same for programs.

    Args:
        url: of the warehouse.
        fresh: what is told.
        now: in UTC without a zone.
    """
    lines = [found.text if found.holds else str(found.cleared) for found in fresh]
    text = "\n".join([f"Growth pipeline, {url}", *(f"• {line}" for line in lines)])
    return {
        "text": text.translate(_ESCAPED),
        "warehouse": url,
        "at": f"{now.isoformat(timespec='seconds')}Z",
        "alerts": [
            {"subject": found.subject, "holds": sorted(found.holds), "text": line}
            for found, line in zip(fresh, lines, strict=True)
        ],
    }
