"""The event types of a run whose rules take all names that its files have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.errors import OptionError
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.rule_records import ranges_by_rules, records_by_rules
from transforms.data_error import DataError
from transforms.rules.event_names import names_alone, names_in, with_types
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader

# Names that have ids in them are as many as rows: what is held and said of them has an end.
_MOST_NAMES: Final = 10_000


def with_types_of_files(
    rules: Rules | None, files: Sequence[InputFile], known: tuple[str, ...] = ()
) -> Rules | None:
    """Rules with the event types that files have, where they take all of them.

    The files are read once for it, of CSV and Parquet the column alone.

    Args:
        rules: of the run; those that list their event types, and None, stay.
        files: that the run reads.
        known: own event types of the tables.

    Raises:
        OptionError: if there are too many.
        DataError: if a file can't be read.
    """
    if rules is None or not rules.takes_all_types:
        return rules
    names = _names(rules, files)
    try:
        return with_types(rules, names, known)
    except DataError as error:
        raise OptionError(f"--input: {error}") from error


def _names(rules: Rules, files: Sequence[InputFile]) -> Counter[str]:
    column = rules.column("event_type")
    if not column.fields:
        return Counter({column.default or "": 1})
    alone, names = names_alone(rules), Counter[str]()
    reader = RuleReader(alone)
    for file in files:
        parts = list(ranges_by_rules(file, alone, None))
        for records, _ in records_by_rules(parts, alone, reader):
            names += names_in(records)
            if len(names) > _MOST_NAMES:
                return names
    return names
