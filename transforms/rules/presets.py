"""Rules that come with the pipeline, for exports of tools that many have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

PRESETS: Final = ("segment", "ga4", "mixpanel", "amplitude", "snowplow", "shopify")
_MARK: Final = "preset:"
# What stands for a preset where a file of rules may stand, too.
AS_RULES: Final = tuple(f"{_MARK}{name}" for name in PRESETS)

# Fields that no other export has together; some presets read several kinds.
_SIGNS: Final = (
    ("segment", ("messageId", "anonymousId")),
    ("ga4", ("event_timestamp", "event_name", "user_pseudo_id")),
    ("mixpanel", ("event", "properties.time", "properties.distinct_id")),
    ("amplitude", ("amplitude_id", "event_type")),
    ("snowplow", ("derived_tstamp", "collector_tstamp")),
    ("shopify", ("Financial Status", "Lineitem name")),
    ("segment", ("id", "anonymous_id", "original_timestamp", "timestamp")),
    ("segment", ("ID", "ANONYMOUS_ID", "ORIGINAL_TIMESTAMP", "TIMESTAMP")),
)


def looked_like(fields: Collection[str]) -> str | None:
    """The preset for an export with such fields; None where it looks like none."""
    return next((name for name, signs in _SIGNS if {*signs} <= {*fields}), None)


def as_rules(preset: str) -> str:
    """A preset as one of AS_RULES."""
    return f"{_MARK}{preset}"


def preset_text(asked: str) -> bytes:
    """The file of rules of a preset, one of AS_RULES."""
    from importlib.resources import files  # Takes 10 ms, and most runs are of no preset.

    name = f"{asked.removeprefix(_MARK)}.toml"
    return files("transforms.rules").joinpath("preset_files", name).read_bytes()


def said(asked: str) -> str:
    """How a file of rules, or a preset, is asked for on the command line, without the dashes."""
    return f"preset {asked.removeprefix(_MARK)}" if asked in AS_RULES else f"rules {asked}"
