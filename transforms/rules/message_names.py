"""The event types that messages bring, by rules that take all names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from transforms.data_error import DataError
from transforms.kernels.messages import Message
from transforms.rules.event_names import names_alone, names_in, with_types
from transforms.rules.model import Rules
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.read_messages import read_messages


class MessageNames:
    """Finds names of events in messages that are read by rules.

    Args:
        rules: which take all names.
        source: the subscription.
    """

    def __init__(self, rules: Rules, source: str):
        self._rules, self._source = rules, source
        self._reader = RuleReader(names_alone(rules))

    def types(self, parts: Iterable[Sequence[Message]], known: tuple[str, ...]) -> tuple[str, ...]:
        """Own event types, with those that messages add.

        Args:
            parts: the messages; some MB together at most in each.
            known: those that there are.

        Returns:
            `known` alone where they would be too many: what is none is a dead letter then.
        """
        names = Counter[str]()
        for part in parts:
            objects = [message for message in part if message.layout is None]
            for records in read_messages(objects, self._source, self._reader):
                names += names_in(records)
        try:
            return with_types(self._rules, names, known).own_event_types
        except DataError:
            return known
