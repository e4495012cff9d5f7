"""What dead letters say where rules were applied."""

from __future__ import annotations

from collections.abc import Mapping

from transforms.rules.model import Rules


def reasons_of(rules: Rules) -> Mapping[str, str]:
    """By error_type, why rules can't read a value, to be said behind it."""
    amount = rules.amount
    reasons = {"bad_event_time": f"does not fit {_time(rules)}"}
    if amount is not None:
        groups = f" and {amount.thousands!r} between thousands" if amount.thousands else ""
        reasons["bad_miles_amount"] = (
            f"is no amount, 0 or more, with {amount.decimal!r} before the decimals{groups}, as "
            f"[amount] of {rules.called} says"
        )
    return reasons


def hints_of(rules: Rules) -> Mapping[str, str]:
    """By error_type, what rules have to do with what the parser refuses."""
    hints = {
        "missing_user_id": _from("user_id", rules),
        "missing_miles_amount": _from("miles_amount", rules),
        "unknown_event_type": _to_map("event_type", rules),
        "unknown_platform": _to_map("platform", rules),
        "bad_country": _to_map("country", rules),
        "bad_event_time": (f"{_from('event_time', rules)}, and [time] says how it is written"),
        "event_time_out_of_range": f", read by {_time(rules)}",
    }
    if rules.amount is None:
        hints["bad_miles_amount"] = f"; decimals and other units need [amount] in {rules.called}"
    return hints


def _time(rules: Rules) -> str:
    formats = " or ".join(map(repr, rules.time.formats))
    return f"format = {formats} in [time] of {rules.called}"


def _from(name: str, rules: Rules) -> str:
    fields = " or ".join(map(repr, rules.column(name).fields))
    return f"; by {rules.called} it comes from {fields or 'nowhere'}"


def _to_map(name: str, rules: Rules) -> str:
    if not rules.column(name).fields:
        return ""
    return f"; give it a line in [values.{name}] or [patterns.{name}] of {rules.called}"
