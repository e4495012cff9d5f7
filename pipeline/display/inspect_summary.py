"""What a person sees of the inspect command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.padding import Padding
from rich.text import Text

from pipeline.display.page import Page, section
from pipeline.terminal import counted, printable
from transforms.kernels.records import NO_REJECTIONS, Rejections
from transforms.rules.guess.guesses import Guess, Proposal

_SHOWN_NAMES: Final = 12
_SHOWN_LETTERS: Final = 28


@dataclass(frozen=True)
class LookedAt:
    """A file, and what it was found to be.

    Attributes:
        path: its path.
        text: what it is, in a few words.
        rows: how many rows were looked at.
        is_whole: whether it has no more.
        fields: how many columns or fields it has.
        passed: how many of the rows pass.
        rejections: the others.
        problem: why it can't be read by the rules; "" where it can.
    """

    path: str
    text: str
    rows: int = 0
    is_whole: bool = True
    fields: int = 0
    passed: int = 0
    rejections: Rejections = NO_REJECTIONS
    problem: str = ""


@dataclass(frozen=True)
class Inspection:
    """What inspect has found.

    Attributes:
        files: those that were looked at.
        more_files: how many were not.
        proposal: what their fields may mean.
        by: by which rules rows were tried, in words.
        needs_none: whether the files go in without rules.
        missing: those of our columns that no field looks like, and which an event needs.
    """

    files: Sequence[LookedAt]
    more_files: int
    proposal: Proposal
    by: str
    needs_none: bool
    missing: Sequence[str]

    @property
    def rows(self) -> int:
        """How many rows were looked at."""
        return sum(file.rows for file in self.files)

    @property
    def passed(self) -> int:
        """How many of them pass."""
        return sum(file.passed for file in self.files)


def show_inspection(found: Inspection, next_steps: Sequence[str]) -> None:
    """Print what was found, and how to go on."""
    console = Page()
    more = f", and {counted(found.more_files, 'more file')} like them" if found.more_files else ""
    section(console, f"Files{more}", [_file_line(file) for file in found.files], *_FILE_COLUMNS)
    for problem in filter(None, (file.problem for file in found.files)):
        console.print(Text(f"  {printable(problem)}"), soft_wrap=True)
    if not found.needs_none:
        lines = [line for guess in found.proposal.guesses for line in _guess_lines(guess)]
        section(console, "Our columns", lines, *_GUESS_COLUMNS)
        _show_names(console, found.proposal)
    share = f" ({found.passed / found.rows:.2%})" if found.rows else ""
    passed = f"\n{found.passed:,} of {counted(found.rows, 'row')}"
    console.print(
        Text.assemble((passed, "bold"), printable(f"{share} pass {found.by}")), soft_wrap=True
    )
    lines = [*_failures(found)]
    if lines:
        section(console, "What fails", lines, "reason", ">rows", "~for example")
    for name in found.missing:
        told = f"no field looks like {name}, which every event needs: say it in [columns]"
        console.print(Padding(Text(told), (0, 2)))
    console.print()
    for step in next_steps:
        console.print(Text(printable(step)), soft_wrap=True)
    console.print()


def show_kinds(kinds: Sequence[Sequence[LookedAt]], commands: Sequence[str]) -> None:
    """Print files that are of several kinds, and how to look at those of each.

    Args:
        kinds: the files of each kind.
        commands: one for each.
    """
    console = Page()
    for number, files in enumerate(kinds, 1):
        section(
            console, f"Files of kind {number}", [_file_line(file) for file in files], *_FILE_COLUMNS
        )
    console.print(
        "\nTheir fields have other names, and rules are for files of one kind. Look at each:"
    )
    for command in commands:
        console.print(Text(printable(f"  {command}")), soft_wrap=True)
    console.print()


_GUESS_COLUMNS: Final = ("column", "from", ">blank", ">distinct", "for example", "~why")
_FILE_COLUMNS: Final = (">rows", ">fields", "what it is", "~file")


def _file_line(file: LookedAt) -> tuple[str, str, str, str]:
    rows = f"{file.rows:,}" if file.is_whole else f"first {file.rows:,}"
    return rows, f"{file.fields:,}", file.text, file.path


def _guess_lines(guess: Guess) -> Iterator[tuple[str, ...]]:
    if not guess.chosen:
        yield guess.ours, "-", "", "", "", guess.why
    for place, field in enumerate(guess.chosen):
        why = "where that is blank" if place else guess.why
        yield (
            "" if place else guess.ours,
            field.name,
            f"{field.blank_share:.0%}",
            f"{len(field.values):,}",
            _short(field.example),
            why,
        )
    if guess.others:
        names = ", ".join(_short(found.name) for found in guess.others)
        yield "", "", "", "", "", f"or {names}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


def _show_names(console: Page, proposal: Proposal) -> None:
    names = [*proposal.event_names.items()]
    if not names:
        return
    shown = ", ".join(f"{name} {number:,}" for name, number in names[:_SHOWN_NAMES])
    more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
    console.print(f"\n[bold]{counted(len(names), 'name')} of events[/]")
    console.print(Padding(Text(printable(f"{shown}{more}")), (0, 2)))


def _failures(found: Inspection) -> Iterator[tuple[str, str, str]]:
    """How many rows fail for each reason, and one of each: why, and the row itself."""
    rejections = Rejections.total([file.rejections for file in found.files])
    first: dict[str, tuple[str, str]] = {}
    numbers: dict[str, int] = {}
    for one in rejections:
        first.setdefault(one.error_type, (one.message, one.payload.decode(errors="replace")))
        numbers[one.error_type] = numbers.get(one.error_type, 0) + 1
    for error_type, number in sorted(numbers.items(), key=lambda item: -item[1]):
        message, payload = first[error_type]
        yield error_type, f"{number:,}", message
        yield "", "", payload.strip()
