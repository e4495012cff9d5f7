"""The first rows of input files, what they may mean, and how many of them would pass."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from pipeline.display.inspect_summary import Inspection, LookedAt, show_inspection, show_kinds
from pipeline.errors import OptionError, RunError
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.listing import CSV_NAMES, NAMES_OF_RULES, find_inputs
from pipeline.inputs.sample_rows import Sample, samples
from pipeline.inputs.sources import files_within, spread
from pipeline.launch.file_kinds import kinds_of
from pipeline.launch.rules_of_run import asked_rules
from pipeline.launch.without_header import headless, numbered, said_of
from pipeline.paths import typed_program
from pipeline.terminal import counted
from transforms.data_error import DataError
from transforms.kernels.csv_dialect import RFC_4180
from transforms.kernels.input_formats import UTF_8, Given
from transforms.kernels.parse import Limits, parse_records
from transforms.kernels.records import Rejections
from transforms.kernels.source_rows import SourceRows
from transforms.rules.event_names import names_alone, names_in, with_types
from transforms.rules.guess.guesses import proposed
from transforms.rules.guess.rules_text import rules_text
from transforms.rules.guess.sample_fields import sample_fields
from transforms.rules.guess.taken import taken
from transforms.rules.model import Rules
from transforms.rules.presets import AS_RULES, looked_like, preset_text, said
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.rules_file import read_rules
from transforms.vocabulary import SOURCE_COLUMNS

_MOST_FILES: Final = 20
_ROWS: Final = 10_000
_ALL_ROWS: Final = 50_000
_LEAST_ROWS: Final = 1_000
_MOST: Final = 0.9
_SHOWN_KINDS: Final = 3
_NO_DATA: Final = "its name does not end as those of files of data do"
# Without these a record is no event; the others may be blank.
_NEEDED: Final = ("event_time", "user_id")


@dataclass(frozen=True)
class _Looked:
    """A file, and its first rows; or why it can't be read."""

    path: str
    sample: Sample | None
    problem: str = ""


def inspect_files(
    globs: Sequence[str], asked: str | None, write_to: str | None, now: datetime
) -> None:
    """Print what files are and may mean, and write rules for them if asked.

    Args:
        globs: the files.
        asked: the file of rules by which rows are tried; None for those that are proposed.
        write_to: where a file of rules is written; None for nowhere.
        now: in UTC without a zone.

    Raises:
        OptionError: if no file is there, the rules are wrong, or `write_to` is there already.
        RunError: if no file can be read, or the rules can't be written.
    """
    if write_to is not None and Path(write_to).exists():
        raise OptionError(
            f"--write_rules {write_to} is there already, and is never replaced: name another file"
        )
    rules = None if asked is None else asked_rules(asked)
    given = Given() if rules is None else rules.input
    files = find_inputs(globs, NAMES_OF_RULES)
    chosen = spread(files, _MOST_FILES)
    looked, given = _look_at(chosen, given, rules is None, write_to)
    more = len(files) - len(chosen) + sum(_unseen(file, given, len(chosen)) for file in chosen)
    read = [one.sample for one in looked if one.sample is not None]
    if not any(sample.rows for sample in read):
        problems = [one.problem for one in looked if one.problem]
        raise RunError(problems[0] if problems else f"--input: {files[0].path} holds no rows")
    kinds = [] if rules is not None else kinds_of(read)
    if len(kinds) > 1:
        _tell_kinds(kinds, write_to)
        return
    database = duckdb.connect(config={"threads": 1})
    parts = [part for sample in read for part in sample.parts]
    proposal = proposed(sample_fields(parts), now, database)
    text = rules_text(proposal, given, _what(looked, files))
    by_rules = read_rules(text.encode(), "the proposed rules")
    if rules is not None:
        by_rules = _with_types(rules, parts)
        guesses = taken(by_rules, proposal.findings)
        names = guesses[SOURCE_COLUMNS.index("event_type")].chosen
        proposal = replace(proposal, guesses=guesses, event_names=names[0].values if names else {})
    tried = [_tried(one, by_rules, now) for one in looked]
    needs_none = asked is None and _needs_none(looked, tried, now)
    if needs_none:
        tried = [_tried(one, Rules(), now) for one in looked]
    missing = [
        name
        for name in _NEEDED
        if rules is None and not needs_none and not proposal.guess(name).chosen
    ]
    by = _by(asked, needs_none)
    found = Inspection(tried, more, proposal, by, needs_none, missing)
    if write_to is not None and not needs_none:
        _write(write_to, _of_preset(asked) or text)
    show_inspection(found, _next_steps(found, globs, asked, write_to))


def _tell_kinds(kinds: Sequence[Sequence[Sample]], write_to: str | None) -> None:
    """Say which files are alike, and how to look at those of one kind."""
    first = [files[0].source.path for files in kinds]
    if write_to is not None:
        raise OptionError(
            f"--write_rules {write_to}: the files are of {len(kinds)} kinds, e.g. "
            f"{' and '.join(first[:_SHOWN_KINDS])}, and rules are for one: name files of one kind "
            "in --input"
        )
    commands = [
        f"{typed_program()} inspect --input {shlex.quote(source.member or source.path)}"
        + ("  # once it is unpacked" if source.member else "")
        for source in (files[0].source for files in kinds)
    ]
    show_kinds([[_whole(sample) for sample in files] for files in kinds], commands)


def _whole(sample: Sample) -> LookedAt:
    fields = len(sample.source.names) or len(sample_fields(sample.parts))
    form = sample.source.form.text
    return LookedAt(sample.source.path, form, sample.rows, sample.is_whole, fields)


def _with_types(rules: Rules, parts: Sequence[SourceRows]) -> Rules:
    """Rules with the event types of some rows, where they take all of them."""
    column = rules.column("event_type")
    if not rules.takes_all_types or not column.fields:
        return rules
    reader, names = RuleReader(names_alone(rules)), Counter[str]()
    for part in parts:
        with suppress(DataError):  # It lacks the column, and is told so.
            names += names_in(reader(part))
    try:
        return with_types(rules, names)
    except DataError as error:
        raise OptionError(f"--input: {error}") from error


def _look(file: InputFile, given: Given, files: int) -> list[_Looked]:
    """The beginnings of a file, one of so many, or of some of those in an archive."""
    most = _most_within(files)
    rows = max(_LEAST_ROWS, min(_ROWS, _ALL_ROWS // files))
    try:
        read = [_Looked(found.source.path, found) for found in samples(file, given, rows, most)]
        other = [
            _Looked(f"{file.path}:{name}", None, f"{file.path}: {name} is left out: {_NO_DATA}")
            for name in files_within(file, given).left_out[:most]
        ]
        return [*read, *other] or [_Looked(file.path, None, f"{file.path} holds nothing")]
    except DataError as error:
        return [_Looked(file.path, None, str(error))]


def _look_at(
    files: Sequence[InputFile], given: Given, may_name: bool, write_to: str | None
) -> tuple[list[_Looked], Given]:
    """What files are, and what is said of them; where they have no header, and that may be said
    here, their columns are named by their numbers."""
    looked = [one for file in files for one in _look(file, given, len(files))]
    told = [headless(one.sample) if one.sample is not None else "" for one in looked]
    if not may_name or not any(told):
        return looked, given
    named = numbered([one.sample for one in looked if one.sample is not None])
    if named is None:
        if write_to is not None:
            raise OptionError(
                f"--write_rules {write_to}: {next(filter(None, told))}. Other files have a header, "
                "or other columns: name files of one kind in --input"
            )
        return looked, given
    again = [one for file in files for one in _look(file, named, len(files))]
    return [
        replace(one, problem=one.problem or f"{problem}; they are {said_of(named)} here")
        for one, problem in zip(again, told, strict=True)
    ], named


def _unseen(file: InputFile, given: Given, files: int) -> int:
    """How many files of an archive, one of so many, are not looked at."""
    try:
        return max(len(files_within(file, given).taken) - _most_within(files), 0)
    except DataError:
        return 0


def _most_within(files: int) -> int:
    return max(_MOST_FILES // files, 1)


def _tried(looked: _Looked, rules: Rules, now: datetime) -> LookedAt:
    """What becomes of a file's first rows by rules."""
    sample = looked.sample
    if sample is None:
        return LookedAt(looked.path, "can't be read", problem=looked.problem)
    reader = RuleReader(rules)
    limits = Limits(event_types=rules.event_types, earliest=rules.time.earliest)
    if told := headless(sample):
        rows, whole = sample.rows, sample.is_whole
        return LookedAt(looked.path, sample.source.form.text, rows, whole, problem=told)
    passed, rejections = 0, []
    form = sample.source.form.text
    fields = len(sample.source.names) or len(sample_fields(sample.parts))
    try:
        for part in sample.parts:
            parsed = parse_records(reader(part).telling_excluded(), now, limits)
            passed += parsed.events.num_rows
            rejections.append(parsed.rejections)
    except DataError as error:
        told = looked.problem or str(error)
        return LookedAt(looked.path, form, sample.rows, sample.is_whole, fields, problem=told)
    return LookedAt(
        looked.path,
        form,
        sample.rows,
        sample.is_whole,
        fields,
        passed,
        Rejections.total(rejections),
        problem=looked.problem,
    )


def _needs_none(looked: Sequence[_Looked], tried: Sequence[LookedAt], now: datetime) -> bool:
    """Whether batch takes all files as they are: most rows pass so, or no more do by rules."""
    if not all(_is_ours(one) for one in looked):
        return False
    plain = [_tried(one, Rules(), now) for one in looked]
    passed, rows = sum(file.passed for file in plain), sum(file.rows for file in plain)
    return passed >= min(sum(file.passed for file in tried), _MOST * rows)


def _is_ours(looked: _Looked) -> bool:
    if looked.sample is None:
        return False
    source = looked.sample.source
    form = source.form
    is_plain = form.kind == "csv" and form.dialect == RFC_4180 and form.encoding == UTF_8
    return (
        is_plain
        and source.file.path.lower().endswith(CSV_NAMES)
        and set(SOURCE_COLUMNS) <= set(source.names)
    )


def _what(looked: Sequence[_Looked], files: Sequence[InputFile]) -> str:
    rows = sum(one.sample.rows for one in looked if one.sample is not None)
    kinds = {one.sample.source.form.text for one in looked if one.sample is not None}
    more = f" and {counted(len(files) - 1, 'other file')}" if len(files) > 1 else ""
    return f"{counted(rows, 'row')} of {files[0].path}{more} ({'; '.join(sorted(kinds))})"


def _by(asked: str | None, needs_none: bool) -> str:
    if asked is not None:
        return f"by {said(asked).removeprefix('rules ')}"
    return "as they are" if needs_none else "by the rules that are proposed"


def _write(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OptionError(f"--write_rules {path} is there already: name another file") from error
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}") from error


def _next_steps(
    found: Inspection, globs: Sequence[str], asked: str | None, write_to: str | None
) -> list[str]:
    program = typed_program()
    inputs = " ".join(f"'{pattern}'" for pattern in globs)
    if found.needs_none:
        return [
            "These are our own columns as plain CSV: they need no rules.",
            f"  {program} batch --input {inputs}",
        ]
    steps = []
    known = looked_like([field.name for field in found.proposal.findings])
    if asked is None and known is not None:
        steps.append("This looks like an export of a tool that is known. To try its rules, run")
        steps.append(f"  {program} inspect --input {inputs} --preset {known}")
    if write_to is not None and found.missing:
        needed = " and ".join(found.missing)
        steps.append(f"The rules are in {write_to}, and lack {needed}, which every event needs.")
        steps.append("Say in [columns] which fields they are, then see how many rows pass:")
        steps.append(f"  {program} inspect --input {inputs} --rules {write_to}")
    elif write_to is not None:
        steps.append(f"The rules are in {write_to}: look through them, then run")
        steps.append(f"  {program} batch --input {inputs} --rules {write_to}")
    elif asked is not None:
        steps.append(f"  {program} batch --input {inputs} --{said(asked)}")
    else:
        steps.append("To have these rules in a file, with all other choices as comments, run")
        steps.append(f"  {program} inspect --input {inputs} --write_rules rules.toml")
    return steps


def _of_preset(asked: str | None) -> str | None:
    """The file of a preset; None where none is asked for."""
    return preset_text(asked).decode() if asked is not None and asked in AS_RULES else None
