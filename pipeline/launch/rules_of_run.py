"""The rules of a run: those that it is told, or those that its warehouse notes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pipeline import storage
from pipeline.errors import OptionError, RunError
from pipeline.paths import typed_command
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import Warehouse
from pipeline.warehouse.noted_settings import settings_of_tables
from transforms.data_error import DataError
from transforms.figure_settings import AskedFigures
from transforms.kernels.input_formats import Given
from transforms.kernels.rates import PER_DAY, PER_SESSION
from transforms.rules.model import Rules
from transforms.rules.presets import AS_RULES, preset_text, said
from transforms.rules.rule_additions import only_add
from transforms.rules.rules_document import canonical, document_of, rules_of
from transforms.rules.rules_file import read_rules
from transforms.rules.shapes import ShapeError
from transforms.state.warehouse_settings import RULES

# What --rules takes in place of a file: files are read as they are, whatever is noted.
NO_RULES: Final = "none"
_LARGEST: Final = 1 << 20
_SHOWN: Final = 3
_SHOWN_LETTERS: Final = 60


def rules_of_run(warehouse: Warehouse, asked: str | None) -> Rules | None:
    """The rules by which a run reads its files.

    Args:
        warehouse: where the run writes.
        asked: what --rules or --preset says.

    Returns:
        Those of the file; without one, those that the warehouse notes; None for none.

    Raises:
        OptionError: if the file is wrong.
        RunError: if it can't be read, or the warehouse can't.
    """
    return noted_rules(warehouse) if asked is None else asked_rules(asked)


def asked_rules(path: str) -> Rules | None:
    """The rules of a file that --rules names, or of a preset; None for NO_RULES.

    Raises:
        OptionError: if it is wrong.
        RunError: if it can't be read.
    """
    if path == NO_RULES:
        return None
    rules = _read(path)
    return rules if rules.ids_file is None else _with_ids(rules, rules.ids_file, path)


def _with_ids(rules: Rules, file: str, path: str) -> Rules:
    """Rules with the ids of the file that they name: it is noted what it holds, not where it is."""
    place = file if "://" in file else os.path.join(os.path.dirname(path), file)
    try:
        with storage.opened(place) as stream:
            data = stream.read(_LARGEST + 1)
    except storage_errors() as error:
        raise OptionError(
            f"--rules {path}: exclude.ids_file {file} can't be read ({storage_reason(error)}): "
            "check the path, which begins where the rules lie"
        ) from error
    if len(data) > _LARGEST:
        raise OptionError(
            f"--rules {path}: exclude.ids_file {file} has over {_LARGEST >> 20} MiB: take a pattern"
        )
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise OptionError(f"--rules {path}: exclude.ids_file {file} is not UTF-8") from error
    ids = {*rules.exclude.ids, *(line.strip() for line in lines if line.strip())}
    return replace(rules, exclude=replace(rules.exclude, ids=tuple(sorted(ids))), ids_file=None)


def _read(path: str) -> Rules:
    if path in AS_RULES:
        return replace(read_rules(preset_text(path), said(path)), called=f"the {said(path)}")
    try:
        with storage.opened(path) as file:
            data = file.read(_LARGEST + 1)
    except storage_errors() as error:
        reason = storage_reason(error)
        raise OptionError(f"--rules {path}: it can't be read ({reason}): check the path") from error
    if len(data) > _LARGEST:
        raise OptionError(f"--rules {path}: it has over {_LARGEST >> 20} MiB, and is no rules then")
    try:
        return read_rules(data, path)
    except DataError as error:
        raise OptionError(f"--rules {error}") from error


def noted_rules(warehouse: Warehouse) -> Rules | None:
    """The rules by which the tables of a warehouse were built; None for none.

    Raises:
        RunError: if it can't be read, or notes what this version does not know.
    """
    noted = settings_of_tables(warehouse).get(RULES)
    if not noted:
        return None
    try:
        return rules_of(json.loads(noted))
    except (ShapeError, ValueError) as error:
        raise RunError(
            f"{warehouse.url} notes rules that this version does not know ({error}): a later one "
            f"has written them. Use that one, or name a file with --rules in "
            f"{typed_command('batch', warehouse.url)}"
        ) from error


def note_of(rules: Rules | None) -> str:
    """Rules as a warehouse notes them."""
    return "" if rules is None else canonical(rules)


def with_own_types(asked: AskedFigures | None, rules: Rules | None) -> AskedFigures:
    """What is asked of the settings of figures, with those that rules say: own event types, and
    what is usual where they say nothing of sessions and of the earliest events."""
    asked, found = asked or AskedFigures(), rules or Rules()
    return replace(
        asked,
        own=found.own_event_types or asked.own,
        session_gap_minutes=asked.session_gap_minutes or found.session_gap_minutes,
        earliest=asked.earliest or found.time.earliest,
    )


def rules_to_add(warehouse: Warehouse, rules: Rules | None, asked: str | None) -> Rules | None:
    """The rules by which rows are added to tables: those by which the tables were built.

    What files are ([input]) may change: one day's are CSV, the next day's are compressed.

    Args:
        warehouse: where the tables are.
        rules: those that the run is told.
        asked: what --rules says; None where it says nothing: then they are those that are noted.

    Raises:
        OptionError: if they are others.
        RunError: if the warehouse can't be read.
    """
    noted = noted_rules(warehouse)
    if asked is None:
        return noted
    differs = differences(noted, rules)
    if not differs:
        return rules
    ways = f"run {typed_command('batch', warehouse.url)} over all files with --{said(asked)}"
    if only_add(noted, rules):
        ways = f"run {typed_command('replay', warehouse.url)} with --{said(asked)} first"
    elif only_add(_with_limits_of(rules, noted), rules):
        ways = f"run {typed_command('rebuild', warehouse.url)} with --{said(asked)} first"
    raise OptionError(
        f"--{said(asked)}: {_built(warehouse, noted)}, and this run adds to them: {differs}. Leave "
        f"--rules out to go on as they are, or {ways}"
    )


def refuse_other_rules(warehouse: Warehouse, asked: str | None) -> None:
    """See that tables were built with the rules that --rules or --preset names, if one does.

    Raises:
        OptionError: if they were not, or the file is wrong.
        RunError: if the warehouse can't be read.
    """
    if asked is None:
        return
    noted = noted_rules(warehouse)
    differs = differences(noted, asked_rules(asked))
    if differs:
        raise OptionError(
            f"--{said(asked)}: {_built(warehouse, noted)}: {differs}. Leave --rules out to check "
            "them as they are"
        )


def _built(warehouse: Warehouse, noted: Rules | None) -> str:
    built = "other rules" if noted else "no rules"
    return f"the tables of {warehouse.url} were built with {built}"


def rules_to_keep(warehouse: Warehouse, asked: str | None) -> Rules | None:
    """The rules of tables that are built again from their events: those that are noted, or others
    that only take in more, and may have sessions end after another pause and users leave for
    another rate of events.

    Raises:
        OptionError: if --rules names a file that is wrong, or says something else of these events.
        RunError: if the warehouse can't be read.
    """
    noted = noted_rules(warehouse)
    if asked is None:
        return noted
    rules = asked_rules(asked)
    if only_add(_with_limits_of(rules, noted), rules):
        return rules
    raise OptionError(
        f"--{said(asked)}: stored events can't say what these rules make of their source: "
        f"{differences(noted, rules)}. Run {typed_command('batch', warehouse.url)} over all files "
        f"with --{said(asked)}"
    )


def _with_limits_of(rules: Rules | None, noted: Rules | None) -> Rules:
    """Rules with the limits of others that stored events can follow: how long sessions are, and how
    many events a user may have."""
    asked, found = rules or Rules(), noted or Rules()
    limits = {name: getattr(asked.exclude, name) for name in (PER_DAY, PER_SESSION)}
    return replace(
        found,
        session_gap_minutes=asked.session_gap_minutes,
        exclude=replace(found.exclude, **limits),
    )


def rules_to_try(warehouse: Warehouse, asked: str | None) -> Rules | None:
    """The rules by which dead letters are read again: as `rules_to_keep`.

    Raises:
        OptionError: as there, or if they take all event types, and those of the tables do not: what
            is a type then is known of files that are read, and not of dead letters.
        RunError: if the warehouse can't be read.
    """
    rules, noted = rules_to_keep(warehouse, asked), noted_rules(warehouse)
    if asked is None:
        return rules
    if not only_add(noted, rules):
        raise OptionError(
            f"--{said(asked)}: {_built(warehouse, noted)}, and a replay adds to them: "
            f"{differences(noted, rules)}. Run {typed_command('rebuild', warehouse.url)} with "
            f"--{said(asked)} first"
        )
    if rules is None or not rules.takes_all_types:
        return rules
    if noted is None or not noted.takes_all_types:
        raise OptionError(
            f"--{said(asked)}: a replay needs the names of event types: list them in [event_types] "
            f'in place of own = "*", or run {typed_command("batch", warehouse.url)} over all files '
            f"with --{said(asked)}"
        )
    return rules


def differences(noted: Rules | None, rules: Rules | None) -> str:
    """In what rules differ beside [input], in words; "" where they do not."""
    before, after = (dict(_lines(found)) for found in (noted, rules))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    told = [_told(before, after, key) for key in keys]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"{'; '.join(told[:_SHOWN])}{more}"


def _told(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> str:
    there, here = before.get(key), after.get(key)
    if not (isinstance(there, list) and isinstance(here, list)):
        return f"{key} is {_said(before, key)} there and {_said(after, key)} here"
    parts = [
        f"has {', '.join(map(repr, more[:_SHOWN]))} {where}"
        for where, items, others in (("there", there, here), ("here", here, there))
        if (more := [item for item in items if item not in others])
    ]
    return f"{key} {' and '.join(parts) or 'has another order'}"


def _said(lines: Mapping[str, Any], key: str) -> str:
    if key not in lines:
        return "not said"
    text = json.dumps(lines[key], ensure_ascii=False)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


def _lines(rules: Rules | None) -> Iterator[tuple[str, Any]]:
    """Each key of rules, with dots, and its value."""
    document = document_of(replace(rules or Rules(), input=Given()))
    for table, keys in document.items():
        if not keys:
            yield table, {}
        for key, value in keys.items():
            if table == "values":
                yield from ((f"values.{key}.{text}", ours) for text, ours in value.items())
            elif table == "patterns":
                yield f"patterns.{key}", [f"{text} = {ours}" for text, ours in value.items()]
            else:
                yield f"{table}.{key}", value
