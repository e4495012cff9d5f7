"""Messages -> raw records: by rules where there are some."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from transforms.kernels.csv_layout import Layout
from transforms.kernels.csv_sources import FORMAT_ATTRIBUTE
from transforms.kernels.messages import Message
from transforms.kernels.records import RawRecords, Rejection, Rejections, encoding_problem
from transforms.kernels.single_records import SingleRecords, read_records
from transforms.kernels.source_rows import JSON, SourceRows
from transforms.rules.read_by_rules import RuleReader

# In a dead letter's attributes: a message's own ones are texts.
_BY_RULES: Final = {FORMAT_ATTRIBUTE: {"kind": "json"}}


def read_messages(
    messages: Iterable[Message], source: str, reader: RuleReader | None
) -> list[RawRecords]:
    """Messages as raw records: JSON objects by rules, CSV records as they are.

    Args:
        messages: in any order; some MB together at most.
        source: the subscription.
        reader: by the rules; None for none: then JSON objects have the source columns as fields.

    Raises:
        DataError: never of a message: a field that it lacks is blank.
    """
    if reader is None:
        return [read_records(messages, source)]
    plain: list[Message] = []
    objects: list[_ByRules] = []
    for message in messages:
        if message.layout is None:
            objects.append(_ByRules(message))
        else:
            plain.append(message)
    return [reader(_source_rows(objects, source)), read_records(plain, source)]


@dataclass(frozen=True)
class _ByRules:
    """A message that is read by rules; a `SingleRecord`."""

    message: Message

    @property
    def data(self) -> bytes:
        return self.message.data

    @property
    def layout(self) -> Layout | None:
        return None

    @property
    def position(self) -> str:
        return self.message.position

    @property
    def attributes_json(self) -> str | None:
        """Its attributes, and how a replay is to read it."""
        attributes = {**self.message.attributes, **_BY_RULES}
        return json.dumps(attributes, ensure_ascii=False, sort_keys=True)


def _source_rows(messages: list[_ByRules], source: str) -> SourceRows:
    texts: list[str] = []
    kept: list[_ByRules] = []
    unreadable: list[Rejection] = []
    for message in messages:
        if (problem := encoding_problem(message.data)) is None:
            texts.append(message.data.decode())
            kept.append(message)
            continue
        unreadable.append(
            Rejection.unreadable(
                "invalid_utf8", problem, message.data, message.position, message.attributes_json
            )
        )
    table = pa.table({JSON: pa.array(texts, pa.string())})
    return SourceRows(table, True, SingleRecords(kept), source, Rejections.of(unreadable))
