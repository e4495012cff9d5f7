"""What is found in a warehouse, and what of it is news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """How things are with one subject.

    Attributes:
        subject: what it is about; stable.
        holds: what needs a person, as often as it is looked at the same; empty where nothing does.
        text: what a person is told of it.
        examined: which things were looked at; None for all. Of the others holds what was said.
        cleared: what a person is told once nothing holds any more; None for nothing.
    """

    subject: str
    holds: frozenset[str]
    text: str
    examined: frozenset[str] | None = None
    cleared: str | None = None


def news(findings: Sequence[Finding], said: Mapping[str, frozenset[str]]) -> list[Finding]:
    """The findings to be told: those with something that was not said yet, or that are over and
    are to be said so."""
    return [
        found
        for found in findings
        if found.holds - said.get(found.subject, frozenset())
        or (found.cleared is not None and not found.holds and said.get(found.subject))
    ]


def told(
    findings: Sequence[Finding], said: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """What is said once the news is: what holds of the findings, and of other subjects as before.

    What no longer holds is forgotten, so that it is told again when it comes back.
    """
    after = dict(said)
    for found in findings:
        before = said.get(found.subject, frozenset())
        unseen = frozenset() if found.examined is None else before - found.examined
        after[found.subject] = found.holds | unseen
    return {subject: holds for subject, holds in after.items() if holds}
